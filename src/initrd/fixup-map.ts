/**
 * Maps of initrd fixups: which overlay a vendor's initrd needs, by the initrd's MD5. XenServer keeps them in the control
 * domain, one or more files `*.map`.
 *
 * A line is `MD5 cpio|ext2 OVERLAY LABEL`, with blanks between; blank lines and those that begin with `#` say nothing.
 * MD5 only finds the line here: what proves that the initrd is the vendor's is another matter. Pure, but for
 * `readFixups`, which reads the folder.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { Budget } from "../base/budget.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { decodeText } from "../base/text.ts";

export interface Fixup {
  /** Of the initrd: 32 small hexadecimal digits. */
  readonly md5: string;
  /** What the initrd is: compressed archives, or a compressed image of ext2. */
  readonly type: "cpio" | "ext2";
  /** The overlay's name in the folder of the map. */
  readonly overlay: string;
  /** The distribution, for people. */
  readonly label: string;
  /** Where it stands: "/opt/…/x.map, line 3". */
  readonly where: string;
}

const LARGEST_MAP = 1024 * 1024;
const MOST_MAPS = 1000;

/**
 * All fixups of a folder, its maps in the order of their names; none where there is no such folder.
 * @throws GuestbootError FIXUP_MAP_INVALID naming file and line; SUPPORT_PACKAGE_MISSING when a map cannot be read
 */
export function readFixups(folder: string): Fixup[] {
  const maps = new Budget(`maps in ${folder}`, MOST_MAPS);
  return mapsIn(folder).flatMap((name) => {
    maps.spend();
    const file = path.join(folder, name);
    return parseFixupMap(readMap(file), file);
  });
}

/** @param file names the map in errors. @throws GuestbootError FIXUP_MAP_INVALID */
export function parseFixupMap(text: string, file: string): Fixup[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const words = line.trim().split(/\s+/);
    if (words[0] === "" || words[0]?.startsWith("#") === true) return [];
    return [parseLine(words, `${file}, line ${index + 1}`)];
  });
}

/** The fixup for the initrd of that MD5; the first, where there are several. */
export function findFixup(fixups: readonly Fixup[], md5: string): Fixup | null {
  return fixups.find((fixup) => fixup.md5 === md5.toLowerCase()) ?? null;
}

/** @throws GuestbootError SUPPORT_PACKAGE_MISSING when the overlay that the map names is not there */
export function overlayFile(folder: string, fixup: Fixup): string {
  const file = path.join(folder, fixup.overlay);
  if (fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true) return file;
  throw new GuestbootError(
    "SUPPORT_PACKAGE_MISSING",
    `the overlay ${quote(fixup.overlay)}, which ${fixup.where} names for ${quote(fixup.label)}, is not in ${folder}`,
    { hint: "install the Linux guest support package of this host's version", args: [fixup.overlay] },
  );
}

function parseLine(words: readonly string[], where: string): Fixup {
  const [md5 = "", type, overlay, ...label] = words;
  if (type === undefined || overlay === undefined || label.length === 0) {
    throw invalid(where, `it has ${words.length} fields, where MD5, cpio or ext2, overlay and label are needed`);
  }
  if (!/^[0-9a-f]{32}$/i.test(md5)) throw invalid(where, `${quote(md5)} is no MD5, which has 32 hexadecimal digits`);
  if (type !== "cpio" && type !== "ext2") throw invalid(where, `the type ${quote(type)} is neither cpio nor ext2`);
  if (/[/\0]/.test(overlay) || overlay === "." || overlay === "..") {
    throw invalid(where, `the overlay ${quote(overlay)} is no name of a file in the same folder`);
  }
  return { md5: md5.toLowerCase(), type, overlay, label: label.join(" "), where };
}

function invalid(where: string, what: string): GuestbootError {
  return new GuestbootError("FIXUP_MAP_INVALID", `${where}: ${what}`, {
    hint: "correct the line, or put # in front of it",
  });
}

function mapsIn(folder: string): string[] {
  try {
    return fs
      .readdirSync(folder)
      .filter((name) => name.endsWith(".map"))
      .sort();
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return [];
    throw unreadable(folder, error);
  }
}

function readMap(file: string): string {
  try {
    const { size } = fs.statSync(file);
    if (size > LARGEST_MAP) throw invalid(file, `it has ${size} bytes, where at most ${LARGEST_MAP} are read`);
    return decodeText(fs.readFileSync(file));
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    throw unreadable(file, error);
  }
}

function unreadable(what: string, error: unknown): GuestbootError {
  return new GuestbootError("SUPPORT_PACKAGE_MISSING", `${what} cannot be read: ${systemReason(error)}`, {
    cause: error,
    hint: `ls -l ${what}`,
  });
}
