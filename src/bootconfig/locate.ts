/**
 * Finds the boot config in a guest's filesystem, where upstream pygrub looks and in its order, and reads it.
 *
 * Not read yet: GRUB 2, syslinux and BLS. What is found of them is named in the error when nothing else is there.
 */
import { GuestbootError } from "../base/errors.ts";
import { decodeText } from "../base/text.ts";
import type { GuestFilesystem, NodeKind } from "../filesystem/filesystem.ts";
import type { BootConfig, ConfigSyntax } from "./boot-config.ts";
import { MAX_CONFIG_SIZE, parseGrubLegacy } from "./grub-legacy.ts";
import { quote } from "../base/printable.ts";

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
];

/** Reads a config's text; `beside` reads the first bytes of another file in the config's folder, null when missing. */
type ReadConfig = (text: string, beside: (name: string) => string | null) => BootConfig;

const NOT_YET = "only GRUB legacy's menu.lst can be read yet";

/** The syntaxes that can be read; null for those that cannot yet. */
const READERS: Readonly<Record<ConfigSyntax, ReadConfig | null>> = {
  grub2: null,
  syslinux: null,
  "grub-legacy": (text, beside) => parseGrubLegacy(text, { savedDefault: () => beside("default") }),
  bls: null,
};

const SYNTAX_NAMES: Readonly<Record<ConfigSyntax, string>> = {
  grub2: "GRUB 2",
  syslinux: "syslinux",
  "grub-legacy": "GRUB legacy",
  bls: "boot loader specification",
};

/**
 * The first config that can be read and boots a kernel.
 * @throws NO_BOOT_CONFIG when there is none that we can read; NO_BOOT_ENTRY when none boots a kernel; FILE_TOO_LARGE,
 *   BUDGET_EXCEEDED; the errors of the filesystem's driver
 */
export function locateBootConfig(filesystem: GuestFilesystem): LocatedConfig {
  const passedOver: string[] = [];
  const failures: GuestbootError[] = [];
  for (const { syntax, path, kind } of CONFIG_PLACES) {
    const found = lookFor(filesystem, path, kind);
    if (found === "missing") continue;
    const read = READERS[syntax];
    if (found === "looping") {
      passedOver.push(`${path} (its symbolic links lead nowhere)`);
    } else if (read === null) {
      passedOver.push(`${path} (${SYNTAX_NAMES[syntax]})`);
    } else {
      try {
        const config = read(readText(filesystem, path), (name) => readBeside(filesystem, path, name));
        const notes = [
          ...passedOver.map((other) => `${other} is there too, but cannot be read yet: passed over`),
          ...failures.map((failure) => `passed over: ${failure.message}`),
        ];
        return { path, config: { ...config, notes: [...notes, ...config.notes] } };
      } catch (error) {
        // The next place may hold a better one; if none does, the first failure is told.
        failures.push(withPath(error, path));
      }
    }
  }
  throw failures[0] ?? noConfig(passedOver);
}

/**
 * A config file by itself, without the filesystem around it (`pygrub --isconfig`). The syntax goes by the file's name;
 * a name that tells nothing is taken for GRUB legacy.
 * @throws NO_BOOT_CONFIG when that syntax cannot be read yet; and as `locateBootConfig`
 */
export function parseConfigFile(path: string, text: string): BootConfig {
  const syntax = syntaxOf(path);
  const read = READERS[syntax];
  if (read === null) {
    throw new GuestbootError("NO_BOOT_CONFIG", `${quote(path)} is a ${SYNTAX_NAMES[syntax]} config: ${NOT_YET}`);
  }
  try {
    return read(text, () => null);
  } catch (error) {
    throw withPath(error, quote(path));
  }
}

function syntaxOf(path: string): ConfigSyntax {
  if (path.endsWith("grub.cfg")) return "grub2";
  if (/(?:iso|ext|sys)linux\.(?:cfg|conf)$/.test(path)) return "syslinux";
  return /\/loader\/entries\/[^/]*\.conf$/.test(path) ? "bls" : "grub-legacy";
}

function lookFor(filesystem: GuestFilesystem, path: string, kind: NodeKind): "there" | "missing" | "looping" {
  try {
    return filesystem.find(path)?.kind === kind ? "there" : "missing";
  } catch (error) {
    if (error instanceof GuestbootError && error.code === "LINK_LOOP") return "looping";
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

/** The first 512 bytes of the file `name` in the folder of `path`; null when there is no such file. */
function readBeside(filesystem: GuestFilesystem, path: string, name: string): string | null {
  const beside = path.slice(0, path.lastIndexOf("/") + 1) + name;
  if (lookFor(filesystem, beside, "file") !== "there") return null;
  const content = filesystem.open(beside);
  return decodeText(content.read(0, Math.min(content.size, 512)));
}

/** The same error with the config's path in its words. Anything but our own kind is thrown on. */
function withPath(error: unknown, path: string): GuestbootError {
  if (!(error instanceof GuestbootError)) throw error;
  return new GuestbootError(error.code, `${path}: ${error.message}`, { hint: error.hint, cause: error });
}

function noConfig(passedOver: readonly string[]): GuestbootError {
  if (passedOver.length > 0) {
    return new GuestbootError(
      "NO_BOOT_CONFIG",
      `no boot config that can be read: found ${passedOver.join(", ")}, but ${NOT_YET}`,
      { hint: "name the files inside the guest, --kernel=PATH --ramdisk=PATH" },
    );
  }
  const looked = CONFIG_PLACES.map((place) => place.path).join(", ");
  return new GuestbootError("NO_BOOT_CONFIG", `no boot config; looked for ${looked}`, {
    hint: "if the guest's installation did not finish: guestboot vm reinstall UUID",
  });
}
