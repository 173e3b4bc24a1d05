/**
 * Is this host ready to start guests through us: what the checks of `guestboot doctor` find, each with one command
 * that mends it. Nothing is changed, but for a file that is written into the cache and removed.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { asGuestbootError, systemReason } from "../base/errors.ts";
import type { Settings } from "../base/settings.ts";
import { freeSpace } from "../store/space.ts";
import { readKeyringFiles } from "../trust/keyring-files.ts";
import { xapiLogin } from "../toolstack/choose-store.ts";
import { planInstall } from "./host-plan.ts";
import { surveyHost } from "./host-survey.ts";
import { imageFolder } from "./prestage-folder.ts";

export interface Finding {
  readonly check: string;
  readonly level: "ok" | "warning" | "failed";
  /** What was found, a sentence. */
  readonly found: string;
  /** What to type; null: all is well. */
  readonly command: string | null;
}

export interface Host {
  readonly settings: Settings;
  readonly cacheFolder: string;
  readonly bootFolders: readonly string[];
  /** The executable; null: Node runs us. */
  readonly program: string | null;
  readonly keyringPlaces: readonly string[];
  /** The folders of programs, colons between them: a toolstack's, not the admin's. */
  readonly searchPath: string;
  readonly now: Date;
}

/** An installer's kernel and ramdisk and a rest: below this a cache is of little use. */
const LITTLE_SPACE = 512 * 1024 * 1024;
/** Two boot files of the largest usual size. */
const LITTLE_BOOT_SPACE = 160 * 1024 * 1024;
/** When this was written: a clock before it is wrong, and certificates and signatures fail. */
const EARLIEST = new Date("2026-01-01T00:00:00Z");

export async function examineHost(host: Host): Promise<readonly Finding[]> {
  return [
    ...checkSettings(host.settings),
    checkLoaders(host.program),
    checkPrograms(host.searchPath, ["sh", "rm", "sync"]),
    ...host.bootFolders.map(checkBootFolder),
    checkCache(host.cacheFolder),
    await checkToolstack(host.settings),
    checkNfs(host.searchPath),
    checkKeyrings(host.keyringPlaces),
    checkImages(),
    checkClock(host.now),
    checkLogger(host.searchPath),
  ];
}

function ok(check: string, found: string): Finding {
  return { check, level: "ok", found, command: null };
}

function checkSettings({ warnings }: Settings): readonly Finding[] {
  if (warnings.length === 0) return [ok("settings", "/etc/guestboot.conf and the environment can be read")];
  return warnings.map((found) => ({ check: "settings", level: "warning", found, command: "man guestboot.conf" }));
}

export function checkLoaders(program: string | null, root = "/"): Finding {
  if (program === null) {
    const found = "this is guestboot run by Node: only its executable can be a host's pygrub and eliloader";
    return { check: "loaders", level: "warning", found, command: "npm run build" };
  }
  const facts = surveyHost(root, program);
  const missing = planInstall(facts);
  const command = "guestboot host install";
  const theirs = facts.places.filter(({ holds }) => holds === "another").map(({ path: place }) => place);
  if (theirs.length > 0) {
    return { check: "loaders", level: "warning", found: `another program is called: ${theirs.join(", ")}`, command };
  }
  if (missing.length > 0) {
    return { check: "loaders", level: "warning", found: "xenopsd is not told of guestboot", command };
  }
  const ours = facts.places.map(({ path: place }) => place);
  const found = ours.length === 0 ? "no toolstack's loader is here: name guestboot in a guest's file" : ours.join(", ");
  return ok("loaders", found);
}

export function checkPrograms(searchPath: string, names: readonly string[]): Finding {
  const missing = names.filter((name) => findProgram(name, searchPath) === null);
  if (missing.length === 0) return ok("programs", `${names.join(", ")} are there`);
  const found = `not found in ${searchPath}: ${missing.join(", ")}; no start works without`;
  return { check: "programs", level: "failed", found, command: `command -v ${missing.join(" ")}` };
}

export function checkBootFolder(folder: string): Finding {
  const check = "boot folder";
  const status = fs.statSync(folder, { throwIfNoEntry: false });
  const command = `ls -ld ${folder}`;
  if (status !== undefined && !status.isDirectory()) {
    return { check, level: "failed", found: `${folder} is no folder`, command };
  }
  const existing = nearest(folder);
  if (!isWritable(existing)) {
    return {
      check,
      level: "failed",
      found: `${existing} cannot be written by this user`,
      command: `ls -ld ${existing}`,
    };
  }
  const free = freeSpace(existing);
  if (free !== null && free < LITTLE_BOOT_SPACE) {
    const found = `${folder} has ${inMegabytes(free)} free: two large boot files may not fit`;
    return { check, level: "warning", found, command: `df -h ${existing}` };
  }
  return ok(check, status === undefined ? `${folder} will be made at the first start` : `${folder} can be written`);
}

export function checkCache(folder: string): Finding {
  const check = "cache";
  const existing = nearest(folder);
  const probe = path.join(existing, `.guestboot-doctor-${process.pid}`);
  try {
    fs.writeFileSync(probe, "", { flag: "wx", mode: 0o600 });
    fs.rmSync(probe);
  } catch (error) {
    const found = `${existing} cannot be written: ${systemReason(error)}`;
    return { check, level: "failed", found, command: `ls -ld ${existing}` };
  }
  const free = freeSpace(existing);
  if (free !== null && free < LITTLE_SPACE) {
    const found = `${folder} has ${inMegabytes(free)} free`;
    return { check, level: "warning", found, command: "guestboot cache prune --max-age 30d" };
  }
  return ok(check, `${folder}${free === null ? "" : `, ${inMegabytes(free)} free`}`);
}

export async function checkToolstack(settings: Pick<Settings, "toolstack" | "stateFolder">): Promise<Finding> {
  const check = "toolstack";
  try {
    const login = xapiLogin(settings.toolstack);
    if (login === null) return ok(check, `VM records are files in ${settings.stateFolder}`);
    const { openSession } = await import("../toolstack/xapi/session.ts");
    await using session = openSession({ ...login, timeoutSeconds: Math.min(login.timeoutSeconds, 10) });
    await session.call("pool.get_all", []);
    return ok(check, `xapi answers at ${session.name}`);
  } catch (error) {
    const { message } = asGuestbootError(error);
    return { check, level: "failed", found: message, command: "systemctl status xapi" };
  }
}

export function checkNfs(searchPath: string): Finding {
  const tool = ["nfs-cat", "mount.nfs"].map((name) => findProgram(name, searchPath)).find((each) => each !== null);
  if (tool !== undefined) return ok("nfs", tool);
  const found = "neither nfs-cat nor mount.nfs is there: repositories on nfs cannot be read";
  const command = fs.existsSync("/usr/bin/apt-get") ? "apt-get install libnfs-utils" : "yum install nfs-utils";
  return { check: "nfs", level: "warning", found, command };
}

export function checkKeyrings(places: readonly string[]): Finding {
  const check = "keyrings";
  const command = "ls -l /usr/share/keyrings /etc/guestboot/keyrings";
  try {
    const { files, warnings } = readKeyringFiles(places);
    const [first] = warnings;
    if (first !== undefined) return { check, level: "warning", found: first, command };
    if (files.length > 0) return ok(check, `${files.length} found in ${places.join(" and ")}`);
    return {
      check,
      level: "warning",
      found: `none in ${places.join(" and ")}: nothing can be known as signed`,
      command,
    };
  } catch (error) {
    return { check, level: "warning", found: asGuestbootError(error).message, command };
  }
}

function checkImages(): Finding {
  const folder = imageFolder();
  if (fs.existsSync(folder)) return ok("images", folder);
  return ok("images", `${folder} will be made by the first guestboot prestage`);
}

export function checkClock(now: Date): Finding {
  if (now >= EARLIEST) return ok("clock", now.toISOString());
  const found = `it is ${now.toISOString()} here: certificates and signatures will be refused`;
  return { check: "clock", level: "failed", found, command: "timedatectl set-ntp true" };
}

export function checkLogger(searchPath: string): Finding {
  const logger = findProgram("logger", searchPath);
  if (logger !== null) return ok("system log", logger);
  const found = "logger is not there: what starts say does not reach the system log";
  return { check: "system log", level: "warning", found, command: "command -v logger" };
}

function findProgram(name: string, searchPath: string): string | null {
  const found = searchPath.split(":").find((folder) => {
    const file = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
    return file?.isFile() === true && (file.mode & 0o111) !== 0;
  });
  return found === undefined ? null : path.join(found, name);
}

function nearest(folder: string): string {
  let each = folder;
  while (each !== "/" && !fs.existsSync(each)) each = path.dirname(each);
  return each;
}

function isWritable(folder: string): boolean {
  try {
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function inMegabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}
