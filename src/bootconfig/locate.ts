/**
 * Finds the boot config on a guest's volume, where upstream pygrub looks and in its order, and reads it. After those
 * come the places that upstream does not know: the Boot Loader Specification's, and Ubuntu's subvolume on btrfs.
 *
 * A grub.cfg gives way to a menu.lst that was written more than a day after it: the guest has gone on with that one.
 * A config that boots nothing (a stub whose target is gone, a menu without a kernel) gives way to the next place.
 */
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { decodeText } from "../base/text.ts";
import type { FilesystemNode, GuestFilesystem, NodeKind } from "../filesystem/filesystem.ts";
import { readBlsMenu } from "./bls-menu.ts";
import { readBlsEntries } from "./bls.ts";
import type { BootConfig, ConfigReader, ConfigSyntax, WantedEntries } from "./boot-config.ts";
import { readGrubLegacy } from "./grub-legacy-guest.ts";
import { MAX_CONFIG_SIZE } from "./grub-legacy.ts";
import { parseGrub2 } from "./grub2/grub2.ts";
import type { GuestVolume, Surroundings } from "./guest-volume.ts";
import { readSyslinux } from "./syslinux/syslinux.ts";

export interface LocatedConfig {
  readonly path: string;
  readonly config: BootConfig;
}

interface Place {
  readonly syntax: ConfigSyntax;
  readonly path: string;
  readonly kind: NodeKind;
}

const places = (syntax: ConfigSyntax, kind: NodeKind, ...paths: readonly string[]): Place[] =>
  paths.map((path) => ({ syntax, kind, path }));

/** Where boot configs are, most wanted first. */
export const CONFIG_PLACES: readonly Place[] = [
  ...places("grub2", "file", "/boot/grub/grub.cfg", "/grub/grub.cfg", "/boot/grub2/grub.cfg", "/grub2/grub.cfg"),
  ...places("syslinux", "file", "/boot/isolinux/isolinux.cfg", "/boot/extlinux/extlinux.conf", "/boot/extlinux.conf"),
  ...places("syslinux", "file", "/extlinux/extlinux.conf", "/extlinux.conf"),
  ...places("grub-legacy", "file", "/boot/grub/menu.lst", "/boot/grub/grub.conf", "/grub/menu.lst", "/grub/grub.conf"),
  ...places("bls", "directory", "/boot/loader/entries", "/loader/entries"),
  ...places("bls", "directory", "/boot/EFI/Linux", "/EFI/Linux"),
  ...places("grub2", "file", "/@/boot/grub/grub.cfg"),
];

/** The files that a boot loader on an EFI partition starts with; mostly stubs that lead to a config elsewhere. */
export const EFI_PLACES: readonly Place[] = places(
  "grub2",
  "file",
  ..."BOOT debian ubuntu fedora redhat centos rocky almalinux opensuse sles mageia arch"
    .split(" ")
    .map((vendor) => `/EFI/${vendor}/grub.cfg`),
);

const READERS: Readonly<Record<ConfigSyntax, ConfigReader>> = {
  grub2: (text, place, wanted) => parseGrub2(text, place, { readBls: readBlsEntries, wanted }),
  syslinux: readSyslinux,
  "grub-legacy": readGrubLegacy,
  bls: readBlsMenu,
};

const SYNTAX_NAMES: Readonly<Record<ConfigSyntax, string>> = {
  grub2: "GRUB 2",
  syslinux: "syslinux",
  "grub-legacy": "GRUB legacy",
  bls: "boot loader specification",
};

/** What a look at one place found. */
interface Look {
  readonly place: Place;
  readonly found: FilesystemNode | "looping";
}

/**
 * The first config on the volume that can be read and boots a kernel.
 * @param wanted "default" for a start that nobody watches: then nothing is explained either
 * @throws NO_BOOT_CONFIG when there is none; NO_BOOT_ENTRY when none boots a kernel; FILE_TOO_LARGE,
 *   BUDGET_EXCEEDED; the errors of the filesystem's driver
 */
export function locateBootConfig(
  surroundings: Surroundings,
  candidates: readonly Place[] = CONFIG_PLACES,
  wanted: WantedEntries = "all",
): LocatedConfig {
  const filesystem = surroundings.own.filesystem();
  const passedOver: string[] = [];
  const failures: GuestbootError[] = [];
  for (const [index, candidate] of candidates.entries()) {
    const look = lookFor(filesystem, candidate);
    if (look === null) continue;
    const { syntax, path } = candidate;
    if (look.found === "looping") {
      passedOver.push(`${path} (its symbolic links lead nowhere)`);
    } else {
      try {
        const text = candidate.kind === "directory" ? "" : readText(filesystem, path);
        const config = READERS[syntax](text, { ...surroundings, path }, wanted);
        const later = laterLegacy(surroundings, look, candidates.slice(index + 1), wanted);
        if (later !== null) return later;
        const notes = [
          ...passedOver.map((other) => `${other}: passed over`),
          ...failures.map((failure) => `passed over: ${failure.message}`),
        ];
        const told = { ...config, notes: [...notes, ...config.notes] };
        if (wanted === "default") return { path, config: told };
        const explanation = [...notes, ...explain(filesystem, look, candidates.slice(index + 1))];
        return { path, config: { ...told, explanation: [...explanation, ...(config.explanation ?? [])] } };
      } catch (error) {
        // The next place may hold a better one; if none does, the first failure is told.
        failures.push(withPath(error, path));
      }
    }
  }
  throw failures[0] ?? noConfig(passedOver, candidates);
}

/** Seconds: configs that are kept up together are written within moments of each other, in any order. */
const LEFT_BEHIND = 24 * 60 * 60;

/**
 * The menu.lst of a guest that has gone on with GRUB legacy, its grub.cfg left behind: it boots a kernel too, and was
 * written more than a day after it. null: there is none, or the filesystem tells no times.
 */
function laterLegacy(
  surroundings: Surroundings,
  chosen: Look,
  rest: readonly Place[],
  wanted: WantedEntries,
): LocatedConfig | null {
  const changed = mtimeOf(chosen);
  if (chosen.place.syntax !== "grub2" || changed === undefined) return null;
  const filesystem = surroundings.own.filesystem();
  const later = rest.filter((place) => {
    if (place.syntax !== "grub-legacy") return false;
    const look = lookFor(filesystem, place);
    return look !== null && (mtimeOf(look) ?? 0) > changed + LEFT_BEHIND;
  });
  if (later.length === 0) return null;
  try {
    const { path, config } = locateBootConfig(surroundings, later, wanted);
    const why = `${chosen.place.path} is passed over: ${path} was written more than a day later, and boots a kernel too`;
    return {
      path,
      config: { ...config, notes: [why, ...config.notes], explanation: [why, ...(config.explanation ?? [])] },
    };
  } catch (error) {
    if (error instanceof GuestbootError) return null;
    throw error;
  }
}

const mtimeOf = ({ found }: Look): number | undefined => (found === "looping" ? undefined : found.mtime);

/** Why this one, with the others that are there: as sentences that nobody reads unless they ask. */
function explain(filesystem: GuestFilesystem, chosen: Look, rest: readonly Place[]): string[] {
  const { path, syntax } = chosen.place;
  const first = `${path} (${SYNTAX_NAMES[syntax]}) decides: it is the first place in the loader's order that boots a kernel`;
  const others = rest
    .map((place) => lookFor(filesystem, place))
    .filter((look) => look !== null)
    .map(
      (look) => `${look.place.path} (${SYNTAX_NAMES[look.place.syntax]}) is there too${age(look, chosen)}: not read`,
    );
  return [first, ...others];
}

/** ", and older": where the filesystem tells when files were changed. */
function age(look: Look, chosen: Look): string {
  const [one, other] = [look, chosen].map(mtimeOf);
  if (one === undefined || other === undefined || one === other) return "";
  return one < other ? ", and older" : ", and newer";
}

/**
 * A config file by itself, without the filesystem around it (`pygrub --isconfig`). The syntax goes by the file's name;
 * a name that tells nothing is taken for GRUB legacy.
 * @throws as `locateBootConfig`
 */
export function parseConfigFile(path: string, text: string): BootConfig {
  const own: GuestVolume = { name: "file", number: null, partitionUuid: null, filesystem: () => NOTHING };
  try {
    return READERS[syntaxOf(path)](text, { own, volumes: [own], path }, "all");
  } catch (error) {
    throw withPath(error, quote(path));
  }
}

/** What is around a config file by itself. */
const NOTHING: GuestFilesystem = {
  type: "none",
  uuid: null,
  label: null,
  notes: [],
  find: () => null,
  open(path) {
    throw new GuestbootError("FILE_MISSING", `${path} is not there: only the config itself is read`);
  },
  list: () => [],
};

function syntaxOf(path: string): ConfigSyntax {
  if (path.endsWith("grub.cfg")) return "grub2";
  if (/(?:iso|ext|sys)linux\.(?:cfg|conf)$/.test(path)) return "syslinux";
  return /\/loader\/entries\/[^/]*\.conf$/.test(path) ? "bls" : "grub-legacy";
}

/** Null when there is nothing of that kind. */
function lookFor(filesystem: GuestFilesystem, place: Place): Look | null {
  try {
    const found = filesystem.find(place.path);
    return found?.kind === place.kind ? { place, found } : null;
  } catch (error) {
    if (error instanceof GuestbootError && error.code === "LINK_LOOP") return { place, found: "looping" };
    throw error;
  }
}

function readText(filesystem: GuestFilesystem, path: string): string {
  const content = filesystem.open(path);
  if (content.size > MAX_CONFIG_SIZE) {
    throw new GuestbootError(
      "FILE_TOO_LARGE",
      `the boot config is ${content.size} bytes large, more than the ${MAX_CONFIG_SIZE} that are read`,
    );
  }
  return decodeText(content.read(0, content.size));
}

/** The same error with the config's path in its words. Anything but our own kind is thrown on. */
function withPath(error: unknown, path: string): GuestbootError {
  if (!(error instanceof GuestbootError)) throw error;
  return new GuestbootError(error.code, `${path}: ${error.message}`, { hint: error.hint, cause: error });
}

function noConfig(passedOver: readonly string[], candidates: readonly Place[]): GuestbootError {
  if (passedOver.length > 0) {
    return new GuestbootError("NO_BOOT_CONFIG", `no boot config that can be read: found ${passedOver.join(", ")}`, {
      hint: "name the files inside the guest, --kernel=PATH --ramdisk=PATH",
    });
  }
  const looked = candidates.map((place) => place.path).join(", ");
  return new GuestbootError("NO_BOOT_CONFIG", `no boot config; looked for ${looked}`, {
    hint: "if the guest's installation did not finish: guestboot vm reinstall UUID",
  });
}
