/**
 * What an admin sets for the whole host: `/etc/guestboot.conf` (INI) and environment variables. The toolstacks pass
 * next to no environment, so everything can stand in the file. Environment beats file beats default.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { A_BYTE_COUNT, A_DURATION, readByteCount, readDuration } from "./amounts.ts";
import { GuestbootError, isSystemError, systemReason } from "./errors.ts";
import { LIMIT_KEYS, readLimitSettings } from "./limit-settings.ts";
import type { ReadLimits } from "./limits.ts";
import { LOG_KEYS, readLogSettings, type LogSettings } from "./log-settings.ts";
import { isRepositorySection, readRepositorySections, type RepositorySettings } from "./repository-settings.ts";
import { readToolstackSettings, TOOLSTACK_KEYS, type ToolstackSettings } from "./toolstack-settings.ts";
import { isTrustSection, readTrustSections, type TrustSettings } from "./trust-settings.ts";

export interface Settings {
  /** Where VM records and other state live. */
  readonly stateFolder: string;
  /** null when not set: the caller knows whether this is a checkout (`cache/`) or a host (/var/cache/guestboot). */
  readonly cacheFolder: string | null;
  /** null when not set: each program has its own default. */
  readonly bootFolder: string | null;
  /** The answer's format for callers of eliloader that cannot be told apart (XenServer 6.2 to 7.0 read sxp). */
  readonly eliloaderOutput: "sxp" | "simple" | "simple0" | null;
  /** Where the control domain keeps support files for installers: kernels of RHEL 4, patches for initrds. */
  readonly guestInstallerFolder: string;
  /** What is set for single repositories and hosts. */
  readonly repositories: readonly RepositorySettings[];
  readonly cache: CacheSettings;
  /** Where VM records are. */
  readonly toolstack: ToolstackSettings;
  /** Where starts tell their steps. */
  readonly log: LogSettings;
  /** How much proof repositories' files need. */
  readonly trust: readonly TrustSettings[];
  /** The largest boot file that is taken from a guest, in bytes. */
  readonly maxFileSize: number;
  /** What a member of an initrd may expand to, in bytes. */
  readonly maxInitrdSize: number;
  /** What reading a guest's disk may cost. */
  readonly limits: ReadLimits;
  /** What the file holds and nobody reads, a sentence each. */
  readonly warnings: readonly string[];
}

export interface CacheSettings {
  /** Seconds during which a copy that its server has called current is used without asking again. */
  readonly freshFor: number;
  /** Starts ask nothing of the network. */
  readonly offline: boolean;
  /** Bytes; null: as large as it gets. */
  readonly maxSize: number | null;
}

const LARGEST_CONFIG = 64 * 1024;
const MEBIBYTE = 1024 * 1024;
const MOST_MEBIBYTES = 1024 * 1024;

/** XenServer's and XCP-ng's own. */
const GUEST_INSTALLER_FOLDER = "/opt/xensource/packages/files/guest-installer";

/** Every setting: where it stands in the file, and its environment variable. */
const KEYS = {
  state: { section: "folders", key: "state", variable: "GUESTBOOT_STATE_DIR" },
  cache: { section: "folders", key: "cache", variable: "GUESTBOOT_CACHE_DIR" },
  boot: { section: "folders", key: "boot", variable: "GUESTBOOT_BOOT_DIR" },
  freshFor: { section: "cache", key: "fresh-for", variable: "GUESTBOOT_CACHE_FRESH_FOR" },
  offline: { section: "cache", key: "offline", variable: "GUESTBOOT_OFFLINE" },
  maxSize: { section: "cache", key: "max-size", variable: "GUESTBOOT_CACHE_MAX_SIZE" },
  output: { section: "eliloader", key: "output", variable: null },
  guestInstaller: { section: "eliloader", key: "guest-installer", variable: "GUESTBOOT_GUEST_INSTALLER_DIR" },
  fileSize: { section: "limits", key: "max-file-size-mb", variable: "PYGRUB_MAX_FILE_SIZE_MB" },
  initrdSize: { section: "limits", key: "max-initrd-mb", variable: "GUESTBOOT_MAX_INITRD_MB" },
  ramUsage: { section: "limits", key: "max-ram-usage-mb", variable: "PYGRUB_MAX_RAM_USAGE_MB" },
} as const satisfies Readonly<Record<string, Setting>>;

/** Every setting that has one place in the file; `[repository …]` and `[trust …]` have their keys in their own files. */
export const PLAIN_SETTINGS: readonly Setting[] = [
  ...Object.values(KEYS),
  ...Object.values(TOOLSTACK_KEYS),
  ...Object.values(LIMIT_KEYS),
  ...Object.values(LOG_KEYS),
];

interface Setting {
  readonly section: string;
  readonly key: string;
  readonly variable: string | null;
}

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
  const find = ({ section, key, variable }: Setting): Given | null => {
    const value = variable === null ? undefined : environment[variable];
    if (value !== undefined && value !== "") return { value, where: `${variable ?? ""}=${value}` };
    return file?.given.get(`${section}.${key}`) ?? null;
  };
  return {
    stateFolder: readFolder(find(KEYS.state)) ?? "/var/lib/guestboot",
    cacheFolder: readFolder(find(KEYS.cache)),
    bootFolder: readFolder(find(KEYS.boot)),
    eliloaderOutput: readOutput(find(KEYS.output)),
    guestInstallerFolder: readFolder(find(KEYS.guestInstaller)) ?? GUEST_INSTALLER_FOLDER,
    repositories: file?.repositories ?? [],
    cache: {
      freshFor: readAmount(find(KEYS.freshFor), readDuration, A_DURATION) ?? 0,
      offline: readSwitch(find(KEYS.offline)) ?? false,
      maxSize: readAmount(find(KEYS.maxSize), readByteCount, A_BYTE_COUNT),
    },
    toolstack: readToolstackSettings((key) => find(TOOLSTACK_KEYS[key])),
    log: readLogSettings((key) => find(LOG_KEYS[key])),
    trust: file?.trust ?? [],
    maxFileSize: readMebibytes(find(KEYS.fileSize), 128),
    maxInitrdSize: readMebibytes(find(KEYS.initrdSize), 1024),
    limits: {
      ...readLimitSettings((key) => find(LIMIT_KEYS[key])),
      memory: readMebibytes(find(KEYS.ramUsage), 256),
    },
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
): Promise<{
  given: Map<string, Given>;
  repositories: readonly RepositorySettings[];
  trust: readonly TrustSettings[];
  warnings: readonly string[];
}> {
  // Loaded here: most hosts have no such file, and a boot from a disk counts milliseconds.
  const { parse } = await import("ini");
  const sections: Readonly<Record<string, unknown>> = parse(text);
  const given = new Map<string, Given>();
  const warnings: string[] = [];
  for (const [section, content] of Object.entries(sections)) {
    if (typeof content !== "object" || content === null) {
      warnings.push(`${configFile}: "${section}" stands in no section and is ignored`);
    } else if (isRepositorySection(section) || isTrustSection(section)) {
      // Read by their own readers, below.
    } else if (!PLAIN_SETTINGS.some((setting) => setting.section === section)) {
      warnings.push(`${configFile}: there is no section [${section}]; it is ignored`);
    } else {
      for (const [key, value] of Object.entries(content)) {
        const where = `${configFile}: [${section}] ${key} = ${String(value)}`;
        if (PLAIN_SETTINGS.some((setting) => setting.section === section && setting.key === key)) {
          given.set(`${section}.${key}`, { value: String(value), where });
        } else warnings.push(`${configFile}: [${section}] has no key "${key}"; it is ignored`);
      }
    }
  }
  const { repositories, warnings: more } = readRepositorySections(sections, configFile);
  const { trust, warnings: ofTrust } = readTrustSections(sections, configFile);
  return { given, repositories, trust, warnings: [...warnings, ...more, ...ofTrust] };
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

function readSwitch(given: Given | null): boolean | null {
  if (given === null) return null;
  const word = given.value.toLowerCase();
  if (["yes", "true", "on", "1"].includes(word)) return true;
  if (["no", "false", "off", "0"].includes(word)) return false;
  throw invalid(given, "yes or no");
}

function readAmount(given: Given | null, read: (text: string) => number | null, allowed: string): number | null {
  if (given === null) return null;
  const amount = read(given.value);
  if (amount === null) throw invalid(given, allowed);
  return amount;
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
