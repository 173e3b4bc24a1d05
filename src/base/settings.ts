/**
 * What an admin sets for the whole host: `/etc/guestboot.conf` (INI) and environment variables. The toolstacks pass
 * next to no environment, so everything can stand in the file. Environment beats file beats default.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { GuestbootError, isSystemError, systemReason } from "./errors.ts";

export interface Settings {
  /** Where VM records and other state live. */
  readonly stateFolder: string;
  /** null when not set: the caller knows whether this is a checkout (`cache/`) or a host (/var/cache/guestboot). */
  readonly cacheFolder: string | null;
  /** null when not set: each program has its own default. */
  readonly bootFolder: string | null;
  /** The answer's format for callers of eliloader that cannot be told apart (XenServer 6.2 to 7.0 read sxp). */
  readonly eliloaderOutput: "sxp" | "simple" | "simple0" | null;
  /** The largest boot file that is taken from a guest, in bytes. */
  readonly maxFileSize: number;
  /** The bound on resident memory, in bytes. */
  readonly maxRamUsage: number;
  /** What the file holds and nobody reads, a sentence each. */
  readonly warnings: readonly string[];
}

const LARGEST_CONFIG = 64 * 1024;
const MEBIBYTE = 1024 * 1024;
const MOST_MEBIBYTES = 1024 * 1024;

/** Every setting: where it stands in the file, and its environment variable. */
const KEYS = {
  state: { section: "folders", key: "state", variable: "GUESTBOOT_STATE_DIR" },
  cache: { section: "folders", key: "cache", variable: "GUESTBOOT_CACHE_DIR" },
  boot: { section: "folders", key: "boot", variable: "GUESTBOOT_BOOT_DIR" },
  output: { section: "eliloader", key: "output", variable: null },
  fileSize: { section: "limits", key: "max-file-size-mb", variable: "PYGRUB_MAX_FILE_SIZE_MB" },
  ramUsage: { section: "limits", key: "max-ram-usage-mb", variable: "PYGRUB_MAX_RAM_USAGE_MB" },
} as const;

/** A setting as given, and where, for the error. */
interface Given {
  readonly value: string;
  readonly where: string;
}

/**
 * A variable that is set but empty counts as not set.
 *
 * @param configFile need not exist
 * @throws GuestbootError SETTINGS_INVALID naming the file or variable, the key, and what is allowed
 */
export async function readSettings(
  environment: Readonly<Record<string, string | undefined>>,
  configFile = "/etc/guestboot.conf",
): Promise<Settings> {
  const text = readConfig(configFile);
  const file = text === null ? null : await parseConfig(text, configFile);
  const find = ({ section, key, variable }: (typeof KEYS)[keyof typeof KEYS]): Given | null => {
    const value = variable === null ? undefined : environment[variable];
    if (value !== undefined && value !== "") return { value, where: `${variable ?? ""}=${value}` };
    return file?.given.get(`${section}.${key}`) ?? null;
  };
  return {
    stateFolder: readFolder(find(KEYS.state)) ?? "/var/lib/guestboot",
    cacheFolder: readFolder(find(KEYS.cache)),
    bootFolder: readFolder(find(KEYS.boot)),
    eliloaderOutput: readOutput(find(KEYS.output)),
    maxFileSize: readMebibytes(find(KEYS.fileSize), 128),
    maxRamUsage: readMebibytes(find(KEYS.ramUsage), 256),
    warnings: file?.warnings ?? [],
  };
}

/** The file's text, or null when there is none. */
function readConfig(configFile: string): string | null {
  let descriptor: number | null = null;
  try {
    descriptor = openSync(configFile, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw new GuestbootError("SETTINGS_INVALID", `${configFile} is not a regular file`);
    if (status.size > LARGEST_CONFIG) {
      throw new GuestbootError(
        "SETTINGS_INVALID",
        `${configFile} has ${status.size} bytes, at most ${LARGEST_CONFIG} are read`,
      );
    }
    return readFileSync(descriptor, "utf8").replace(/^\ufeff/, "");
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return null;
    throw new GuestbootError("SETTINGS_INVALID", `${configFile} cannot be read: ${systemReason(error)}`, {
      cause: error,
    });
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

async function parseConfig(
  text: string,
  configFile: string,
): Promise<{ given: Map<string, Given>; warnings: readonly string[] }> {
  // Loaded here: most hosts have no such file, and a boot from a disk counts milliseconds.
  const { parse } = await import("ini");
  const sections: Readonly<Record<string, unknown>> = parse(text);
  const given = new Map<string, Given>();
  const warnings: string[] = [];
  const known = Object.values(KEYS);
  for (const [section, content] of Object.entries(sections)) {
    if (typeof content !== "object" || content === null) {
      warnings.push(`${configFile}: "${section}" stands in no section and is ignored`);
    } else if (!known.some((setting) => setting.section === section)) {
      warnings.push(`${configFile}: there is no section [${section}]; it is ignored`);
    } else {
      for (const [key, value] of Object.entries(content)) {
        const where = `${configFile}: [${section}] ${key} = ${String(value)}`;
        if (known.some((setting) => setting.section === section && setting.key === key)) {
          given.set(`${section}.${key}`, { value: String(value), where });
        } else warnings.push(`${configFile}: [${section}] has no key "${key}"; it is ignored`);
      }
    }
  }
  return { given, warnings };
}

function readFolder(given: Given | null): string | null {
  if (given === null) return null;
  if (/^\/[^\0]*$/.test(given.value)) return given.value;
  throw invalid(given, 'a folder\'s absolute path, one that starts with "/"');
}

function readOutput(given: Given | null): Settings["eliloaderOutput"] {
  if (given === null) return null;
  const { value } = given;
  if (value === "sxp" || value === "simple" || value === "simple0") return value;
  throw invalid(given, "sxp, simple or simple0");
}

/** Megabytes as pygrub counts them, 2^20 bytes. */
function readMebibytes(given: Given | null, byDefault: number): number {
  if (given === null) return byDefault * MEBIBYTE;
  const count = /^[0-9]{1,9}$/.test(given.value) ? Number(given.value) : 0;
  if (count >= 1 && count <= MOST_MEBIBYTES) return count * MEBIBYTE;
  throw invalid(given, `a whole number of megabytes from 1 to ${MOST_MEBIBYTES}`);
}

function invalid(given: Given, allowed: string): GuestbootError {
  return new GuestbootError("SETTINGS_INVALID", `${given.where}: must be ${allowed}`);
}
