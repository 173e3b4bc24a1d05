/**
 * What a disk boots: its volumes are asked in order (the active partition first), and the first whose boot config
 * yields a kernel that is really there wins. Why each of the others was passed over is remembered for the error.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { asGuestbootError, GuestbootError, type ErrorCode } from "../base/errors.ts";
import type { BootEntry, FileReference } from "../bootconfig/boot-config.ts";
import { chooseEntry } from "../bootconfig/choose.ts";
import { locateBootConfig, type LocatedConfig } from "../bootconfig/locate.ts";
import type { RefusedVolume, Volume, VolumeTable } from "../disk/volumes.ts";
import { openFilesystem } from "../filesystem/detect.ts";
import type { GuestFilesystem } from "../filesystem/filesystem.ts";

/** A place where a boot config may be: a volume of a disk, or a folder that stands for one. */
export interface BootPlace {
  readonly name: string;
  /** Counted from 1; null when it is not a partition. */
  readonly number: number | null;
  /** @throws NO_FILESYSTEM and what reading it throws */
  filesystem(): GuestFilesystem;
}

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
    filesystem: () => (opened ??= openFilesystem(volume.source)),
  };
}

function refusedPlace({ name, number, why }: RefusedVolume): BootPlace {
  return {
    name,
    number,
    filesystem() {
      throw new GuestbootError("FEATURE_UNSUPPORTED", why);
    },
  };
}

/** A folder (see `openFolder`) as the only place. */
export function folderPlace(filesystem: GuestFilesystem): BootPlace {
  return { name: "folder", number: null, filesystem: () => filesystem };
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
  return firstOf(search, configAt);
}

/**
 * The entry that boots, and its files.
 * @param wanted `--entry`: an index, a title, or null for the config's own default
 * @throws NO_FILESYSTEM, NO_BOOT_CONFIG, NO_BOOT_ENTRY, FILE_MISSING saying of each place why it was passed over
 */
export function findBoot(search: BootSearch, wanted: string | null): FoundBoot {
  return firstOf(search, (place) => {
    const found = configAt(place);
    const choice = chooseEntry(found.config, wanted);
    const files = openEntry(found, choice.entry, search.places);
    const warnings = [...found.config.notes, ...(choice.warning === null ? [] : [choice.warning]), ...files.warnings];
    return { ...found, entry: choice.entry, kernel: files.kernel, ramdisks: files.ramdisks, warnings };
  });
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

function configAt(place: BootPlace): FoundConfig {
  const filesystem = place.filesystem();
  return { place, filesystem, ...locateBootConfig(filesystem) };
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
    const { filesystem, warning } = volumeOf(file, found, places);
    if (warning !== null) warnings.push(warning);
    return filesystem.open(file.path);
  };
  return { kernel: open(entry.kernel), ramdisks: entry.ramdisks.map(open), warnings };
}

/**
 * The filesystem that a reference means. A start sees one disk, so `(hd1,0)` and a partition that is not there
 * cannot be followed; guests that moved between hosts carry such names, and their files lie beside their config.
 */
function volumeOf(
  file: FileReference,
  found: FoundConfig,
  places: readonly BootPlace[],
): { readonly filesystem: GuestFilesystem; readonly warning: string | null } {
  const own = { filesystem: found.filesystem, warning: null };
  const { device } = file;
  if (device === null || found.place.number === null) return own;
  if (device.partition === found.place.number && device.disk === 0) return own;
  const named = places.find((place) => device.disk === 0 && place.number === device.partition);
  if (named !== undefined) {
    try {
      const filesystem = named.filesystem();
      if (filesystem.find(file.path) !== null) return { filesystem, warning: null };
    } catch {
      // What is wrong with that volume matters only if the file is not beside the config either, and is said then.
    }
  }
  const name = `(hd${device.disk}${device.partition === null ? "" : `,${device.partition - 1}`})`;
  return { ...own, warning: `${file.path} is not to be had on ${name}: taken from ${found.place.name}` };
}
