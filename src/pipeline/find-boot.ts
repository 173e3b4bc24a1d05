/**
 * What a disk boots: its volumes are asked in order (the active partition first), and the first whose boot config
 * yields a kernel that is really there wins. Why each of the others was passed over is remembered for the error.
 */
import { sliceSource, type ByteSource } from "../base/byte-source.ts";
import { quote } from "../base/printable.ts";
import { asGuestbootError, GuestbootError, type ErrorCode } from "../base/errors.ts";
import type { BootEntry, FileReference, WantedEntries } from "../bootconfig/boot-config.ts";
import { chooseEntry } from "../bootconfig/choose.ts";
import type { GuestVolume } from "../bootconfig/guest-volume.ts";
import { CONFIG_PLACES, EFI_PLACES, locateBootConfig, type LocatedConfig } from "../bootconfig/locate.ts";
import type { RefusedVolume, Volume, VolumeTable } from "../disk/volumes.ts";
import type { GuestFilesystem } from "../filesystem/filesystem.ts";
import { openBootFilesystem } from "./btrfs-roots.ts";
import { findMounted } from "./mount-points.ts";

/** A place where a boot config may be: a volume of a disk, or a folder that stands for one. */
export type BootPlace = GuestVolume;

/** A boot config that was found, and where. */
export interface FoundConfig extends LocatedConfig {
  readonly place: BootPlace;
  readonly filesystem: GuestFilesystem;
}

/** Everything that a start from disk needs: the entry and its files, opened. */
export interface FoundBoot extends FoundConfig {
  readonly entry: BootEntry;
  readonly kernel: ByteSource;
  readonly ramdisks: readonly ByteSource[];
  readonly warnings: readonly string[];
}

/**
 * The volumes of a disk as places; a filesystem is opened when it is first asked for, and once. Those that cannot be
 * read come last, so that the error can say why they were passed over.
 */
export function placesOf(table: VolumeTable): BootPlace[] {
  return [...table.volumes.map((volume) => placeOf(volume)), ...table.refused.map((volume) => refusedPlace(volume))];
}

function placeOf(volume: Volume): BootPlace {
  let opened: GuestFilesystem | null = null;
  return {
    name: volume.name,
    number: volume.number,
    table: volume.table,
    partitionUuid: volume.partitionUuid,
    partitionLabel: volume.partitionLabel,
    filesystem: () => (opened ??= openBootFilesystem(volume.source)),
  };
}

function refusedPlace({ name, number, table, partitionUuid, why }: RefusedVolume): BootPlace {
  return {
    name,
    number,
    table,
    partitionUuid,
    filesystem() {
      throw new GuestbootError("FEATURE_UNSUPPORTED", why);
    },
  };
}

/** A folder (see `openFolder`) as the only place. */
export function folderPlace(filesystem: GuestFilesystem): BootPlace {
  return { name: "folder", number: null, partitionUuid: null, filesystem: () => filesystem };
}

/** What is searched, and how it is named to the admin. */
export interface BootSearch {
  readonly disk: string;
  /** The VM that starts, where the toolstack told us. */
  readonly vm: string | null;
  readonly places: readonly BootPlace[];
  /** What reading the partition table had to say. */
  readonly notes: readonly string[];
}

/**
 * The boot config that decides, for those who list entries and boot nothing.
 * @throws NO_FILESYSTEM, NO_BOOT_CONFIG, NO_BOOT_ENTRY saying of each place why it was passed over
 */
export function findConfig(search: BootSearch): FoundConfig {
  return withConfig(search, "all", (found) => found);
}

/**
 * The entry that boots, and its files.
 * @param wanted `--entry`: an index, a title, or null for the config's own default
 * @throws NO_FILESYSTEM, NO_BOOT_CONFIG, NO_BOOT_ENTRY, FILE_MISSING saying of each place why it was passed over
 */
export function findBoot(search: BootSearch, wanted: string | null): FoundBoot {
  return withConfig(search, wanted === null ? "default" : "all", (found) => {
    const choice = chooseEntry(found.config, wanted);
    const warnings = [...found.config.notes, ...(choice.warning === null ? [] : [choice.warning])];
    const opened = openFirst(
      found,
      [choice.index, ...(choice.index === found.config.default ? fallbackOf(found) : [])],
      search.places,
    );
    return { ...found, ...opened, warnings: [...warnings, ...opened.warnings] };
  });
}

/**
 * An entry that a person has chosen or changed, and its files.
 * @throws FILE_MISSING and what reading the guest throws
 */
export function openChosen(found: FoundConfig, entry: BootEntry, search: BootSearch): FoundBoot {
  const { kernel, ramdisks, warnings } = openEntry(found, entry, search.places);
  return { ...found, entry, kernel, ramdisks, warnings: [...found.config.notes, ...warnings] };
}

/** Files that the caller names itself (`--kernel`, `--ramdisk`): no config is read; the first volume that has them. */
export function findFiles(
  search: BootSearch,
  kernel: string,
  ramdisk: string | null,
): { readonly kernel: ByteSource; readonly ramdisks: readonly ByteSource[] } {
  return firstOf(search, (place) => {
    const filesystem = place.filesystem();
    return {
      kernel: filesystem.open(kernel),
      ramdisks: ramdisk === null ? [] : [filesystem.open(ramdisk)],
    };
  });
}

/**
 * The first volume whose config serves. Where none has one, what boot loaders leave on an EFI partition is tried: it
 * leads to a config in an unusual place.
 */
function withConfig<T>(search: BootSearch, wanted: WantedEntries, use: (found: FoundConfig) => T): T {
  const at =
    (candidates: typeof EFI_PLACES) =>
    (place: BootPlace): T => {
      const located = locateBootConfig({ own: place, volumes: search.places }, candidates, wanted);
      return use({ place, filesystem: place.filesystem(), ...located });
    };
  try {
    return firstOf(search, at(CONFIG_PLACES));
  } catch (failure) {
    try {
      return firstOf(search, at(EFI_PLACES));
    } catch {
      throw failure;
    }
  }
}

const fallbackOf = ({ config }: FoundConfig): readonly number[] => config.fallback ?? [];

type OpenedBoot = Pick<FoundBoot, "entry" | "kernel" | "ramdisks" | "warnings">;

/** The first of the entries whose files are there: as GRUB, which goes on to its fallbacks. */
function openFirst(found: FoundConfig, indices: readonly number[], places: readonly BootPlace[]): OpenedBoot {
  const warnings: string[] = [];
  let failure: GuestbootError | null = null;
  for (const index of indices) {
    const entry = found.config.entries[index];
    if (entry === undefined) continue;
    try {
      const files = openEntry(found, entry, places);
      return { entry, kernel: files.kernel, ramdisks: files.ramdisks, warnings: [...warnings, ...files.warnings] };
    } catch (error) {
      if (!(error instanceof GuestbootError)) throw error;
      failure ??= error;
      warnings.push(`${quote(entry.title)} does not boot, its fallback is tried: ${error.message}`);
    }
  }
  throw failure ?? new GuestbootError("NO_BOOT_ENTRY", "the boot config has no entry");
}

/** How far a place came before it was passed over; the farthest one's code is the whole search's. */
const FARTHEST: readonly ErrorCode[] = ["NO_FILESYSTEM", "NO_BOOT_CONFIG", "NO_BOOT_ENTRY", "FILE_MISSING"];

interface PassedOver {
  readonly place: BootPlace;
  readonly error: GuestbootError;
}

function firstOf<T>(search: BootSearch, attempt: (place: BootPlace) => T): T {
  const failures: PassedOver[] = [];
  for (const place of search.places) {
    try {
      return attempt(place);
    } catch (thrown) {
      const error = asGuestbootError(thrown);
      if (error.code === "INTERNAL") throw error;
      failures.push({ place, error });
    }
  }
  throw nothingBoots(search, failures);
}

function nothingBoots({ disk, vm, notes }: BootSearch, failures: readonly PassedOver[]): GuestbootError {
  const reasons = [...failures.map(({ place, error }) => `${place.name}: ${error.message}`), ...notes];
  if (reasons.length === 0) reasons.push("it has no partition");
  const farthest = failures.reduce<GuestbootError | null>(
    (best, { error }) => (best === null || rank(error.code) > rank(best.code) ? error : best),
    null,
  );
  const code = farthest?.code ?? "NO_FILESYSTEM";
  const nothingInstalled = code === "NO_FILESYSTEM" || code === "NO_BOOT_CONFIG";
  return new GuestbootError(code, `${disk} does not boot: ${reasons.join("; ")}`, {
    hint: nothingInstalled
      ? `if its installation did not finish: guestboot vm reinstall ${vm ?? "UUID"}`
      : (farthest?.hint ?? `guestboot entries ${disk}`),
    cause: farthest ?? undefined,
  });
}

/** A damaged or unsupported filesystem tells more than an empty partition, and less than a config that was read. */
function rank(code: ErrorCode): number {
  const index = FARTHEST.indexOf(code);
  return index === -1 ? 0.5 : index;
}

interface OpenedEntry {
  readonly kernel: ByteSource;
  readonly ramdisks: readonly ByteSource[];
  readonly warnings: readonly string[];
}

function openEntry(found: FoundConfig, entry: BootEntry, places: readonly BootPlace[]): OpenedEntry {
  const warnings: string[] = [];
  const open = (file: FileReference): ByteSource => {
    const { content, warning } = contentOf(file, found, places);
    if (warning !== null) warnings.push(warning);
    const { section } = file;
    return section === undefined ? content : sliceSource(content, section.offset, section.length, file.path);
  };
  return { kernel: open(entry.kernel), ramdisks: entry.ramdisks.map(open), warnings };
}

interface OpenedFile {
  readonly content: ByteSource;
  readonly warning: string | null;
}

/** The file where its entry says; else where the guest's own mounts put that path. */
function contentOf(file: FileReference, found: FoundConfig, places: readonly BootPlace[]): OpenedFile {
  const { place, filesystem, warning } = volumeOf(file, found, places);
  try {
    return { content: filesystem.open(file.path), warning };
  } catch (error) {
    if (!(error instanceof GuestbootError) || error.code !== "FILE_MISSING") throw error;
    const joined = findMounted(file.path, place, places);
    if (joined === null) throw error;
    return { content: joined.filesystem.open(joined.path), warning: joined.warning };
  }
}

/**
 * The filesystem that a reference means. A start sees one disk, so `(hd1,0)` and a partition that is not there
 * cannot be followed; guests that moved between hosts carry such names, and their files lie beside their config.
 */
function volumeOf(
  file: FileReference,
  found: FoundConfig,
  places: readonly BootPlace[],
): { readonly place: BootPlace; readonly filesystem: GuestFilesystem; readonly warning: string | null } {
  const own = { place: found.place, filesystem: found.filesystem, warning: null };
  const { device, volume } = file;
  if (volume !== undefined) return { place: volume, filesystem: volume.filesystem(), warning: null };
  if (device === null || found.place.number === null) return own;
  if (device.partition === found.place.number && device.disk === 0) return own;
  const named = places.find((place) => device.disk === 0 && place.number === device.partition);
  if (named !== undefined) {
    try {
      const filesystem = named.filesystem();
      if (filesystem.find(file.path) !== null) return { place: named, filesystem, warning: null };
    } catch {
      // What is wrong with that volume matters only if the file is not beside the config either, and is said then.
    }
  }
  // GRUB legacy counts partitions from 0.
  const counted = device.partition === null ? null : device.partition - (found.config.syntax === "grub-legacy" ? 1 : 0);
  const name = `(hd${device.disk}${counted === null ? "" : `,${counted}`})`;
  return { ...own, warning: `${file.path} is not to be had on ${name}: taken from ${found.place.name}` };
}
