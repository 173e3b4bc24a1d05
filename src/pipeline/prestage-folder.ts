/**
 * The folder of pre-staged images. `NAME` is a symbolic link to the image's files, in `.NAME.DIGEST` beside it: a
 * refresh makes a new folder and turns the link round, which is one step, and the old folder stays for as long as a VM
 * starts from it. The digest is of what is in it, so hosts of a pool that stage the same image have it at one path.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { Budget } from "../base/budget.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { quote } from "../base/printable.ts";

/** Where xapi takes kernels from since 2023, and nowhere else since July 2024. */
const XAPI_FOLDER = "/var/lib/xcp/guest";
/** Where it took them from until then, and where admins keep them on hosts without xapi. */
const OLD_FOLDER = "/boot/guest";
const INVENTORY = "/etc/xensource-inventory";
const MOST_NAMES = 100_000;
const USERS_NAME = "users";
const LARGEST_USERS = 1024 * 1024;

/** Words that the command itself knows. */
const RESERVED: readonly string[] = ["list", "verify", "refresh", "remove", "help"];

/** This host's folder of images, which need not exist. @param root for tests: where the host's files are */
export function imageFolder(root = "/"): string {
  const folder = path.join(root, XAPI_FOLDER);
  const isThere = fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
  return isThere || isNewXapi(path.join(root, INVENTORY)) ? folder : path.join(root, OLD_FOLDER);
}

/** The platform of XCP-ng 8.3 and XenServer 8 (3.3 in their betas) has an xapi that takes the new folder. */
function isNewXapi(inventory: string): boolean {
  let text: string;
  try {
    text = fs.readFileSync(inventory, "utf8").slice(0, 64 * 1024);
  } catch {
    return false;
  }
  const [, major, minor] = /^PLATFORM_VERSION='?(\d{1,4})\.(\d{1,4})/m.exec(text) ?? [];
  return Number(major) > 3 || (Number(major) === 3 && Number(minor) >= 3);
}

/** @throws USAGE for what cannot be an image's name */
export function checkImageName(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/.test(name) || RESERVED.includes(name)) {
    throw new GuestbootError(
      "USAGE",
      `${quote(name)} cannot be an image's name: letters, digits and ._+- (at most 64), and none of ${RESERVED.join(", ")}`,
    );
  }
  return name;
}

/** The images that there are, by name; a folder that does not exist has none. */
export function imageNames(folder: string): string[] {
  return namesIn(folder)
    .filter((name) => /^[A-Za-z0-9]/.test(name) && currentFolder(folder, name) !== null)
    .sort();
}

/** Where the image's files are now; null: there is no such image. */
export function currentFolder(folder: string, name: string): string | null {
  let target: string;
  try {
    target = fs.readlinkSync(path.join(folder, name));
  } catch {
    return null;
  }
  return isGeneration(target, name) ? path.join(folder, target) : null;
}

/** @throws PRESTAGED_UNKNOWN */
export function existingFolder(folder: string, name: string): string {
  const current = currentFolder(folder, checkImageName(name));
  if (current !== null) return current;
  const known = imageNames(folder);
  throw new GuestbootError("PRESTAGED_UNKNOWN", `there is no pre-staged image ${quote(name)} in ${folder}`, {
    hint: known.length === 0 ? `guestboot prestage ${name} REPOSITORY makes one` : `there are: ${known.join(", ")}`,
  });
}

/** Every folder of the image, the current one and those that VMs still use. */
export function generations(folder: string, name: string): string[] {
  return namesIn(folder)
    .filter((each) => isGeneration(each, name))
    .map((each) => path.join(folder, each));
}

/** @param digest 64 hexadecimal digits, of what is in it */
export function generationFolder(folder: string, name: string, digest: string): string {
  return path.join(folder, `.${name}.${digest.slice(0, 16)}`);
}

/** Turns the link round, in one step. @throws PRESTAGED_INVALID where something else has the name */
export function makeCurrent(folder: string, name: string, generation: string): void {
  const link = path.join(folder, name);
  const found = fs.lstatSync(link, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSymbolicLink()) throw notOurs(link);
  const fresh = path.join(folder, `.${name}.link`);
  fs.rmSync(fresh, { force: true });
  fs.symlinkSync(path.basename(generation), fresh);
  fs.renameSync(fresh, link);
}

/** Is the name free, or an image's? @throws PRESTAGED_INVALID where something else has it */
export function checkNameIsFree(folder: string, name: string): void {
  const link = path.join(folder, name);
  if (fs.lstatSync(link, { throwIfNoEntry: false }) !== undefined && currentFolder(folder, name) === null) {
    throw notOurs(link);
  }
}

/** Notes that a VM is about to start from the image: a UUID, or the path of a guest's file. */
export function noteUser(generation: string, vm: string): void {
  if (usersOf(generation).includes(vm)) return;
  fs.appendFileSync(path.join(generation, USERS_NAME), `${vm}\n`, { mode: 0o600 });
}

/** The VMs that have ever been noted. Whether one still starts from it, its record tells. */
export function usersOf(generation: string): string[] {
  try {
    const text = fs.readFileSync(path.join(generation, USERS_NAME), "utf8").slice(0, LARGEST_USERS);
    return [...new Set(text.split("\n").filter((line) => line !== ""))];
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}

/** Makes the folder and sees whether it can be written. @throws OUTPUT_FAILED */
export function prepareImageFolder(folder: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    throw new GuestbootError("OUTPUT_FAILED", `the folder of images ${folder} cannot be used: ${systemReason(error)}`, {
      cause: error,
      hint: `ls -ld ${folder}; --dir names another folder`,
    });
  }
}

function notOurs(link: string): GuestbootError {
  return new GuestbootError("PRESTAGED_INVALID", `${link} is there, and was not made by guestboot prestage`, {
    hint: "choose another name, or move it away",
  });
}

function isGeneration(entry: string, name: string): boolean {
  const prefix = `.${name}.`;
  return entry.startsWith(prefix) && /^[0-9a-f]{16}$/.test(entry.slice(prefix.length));
}

/** Everything in the folder; one that does not exist has nothing. @throws OUTPUT_FAILED */
export function namesIn(folder: string): string[] {
  const names: string[] = [];
  const budget = new Budget(`names in ${folder}`, MOST_NAMES);
  let directory: fs.Dir;
  try {
    directory = fs.opendirSync(folder);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw new GuestbootError("OUTPUT_FAILED", `${folder} cannot be read: ${systemReason(error)}`, { cause: error });
  }
  try {
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
      budget.spend();
      names.push(entry.name);
    }
  } finally {
    directory.closeSync();
  }
  return names;
}
