/**
 * The tree of names in an ext2 image: the way to a folder, a new inode under a name, an inode whose name goes.
 *
 * Symbolic links on the way are followed inside the image: what a link of the image names as `/usr` is the image's own.
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import { decodeText, encodeText } from "../../base/text.ts";
import { freeInode, takeBlock, takeInode } from "./allocate.ts";
import { contentBlocks, mapBlock, mapBlocks } from "./block-map.ts";
import { addEntry, findEntry, isEmptyDirectory, removeEntry, writeDots, type DirectoryEntry } from "./directory.ts";
import {
  createInode,
  eraseInode,
  hasBlocks,
  isDirectory,
  isFastLink,
  MAP_SIZE,
  readInode,
  TYPE,
  typeOf,
  writeInode,
  type Inode,
} from "./inode.ts";
import { damaged, ROOT_INODE } from "./superblock.ts";
import type { Volume } from "./volume.ts";

/** Mode, owner and time of an inode. Seconds since 1970. */
export interface Attributes {
  /** Without the type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
}

/** As the kernel's own limit on the way to a file. */
const MAX_LINKS_FOLLOWED = 40;
/** EXT2_LINK_MAX of the kernel's driver. */
const MAX_LINKS = 32000;

/** A component of a path, and whether the overlay's own path says it or a link of the image. */
interface Step {
  readonly name: string;
  readonly isFromLink: boolean;
}

/**
 * The inode of the folder at a path; folders that are missing are made.
 *
 * @param path its components
 * @param missing what folders that are made get
 * @throws NOT_A_FILE when something on the way is no folder; FILE_MISSING for a link to nowhere; LINK_LOOP
 */
export function folderAt(volume: Volume, path: readonly string[], missing: Attributes): number {
  let followed = 0;
  const steps: Step[] = path.map((name) => ({ name, isFromLink: false })).reverse();
  let folder = ROOT_INODE;
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    const entry = findEntry(volume, readInode(volume, folder), encodeText(step.name));
    if (entry === null) {
      if (step.isFromLink) throw wayBlocked(volume, "FILE_MISSING", path, "a symbolic link leads nowhere");
      folder = makeFolder(volume, folder, encodeText(step.name), missing);
      continue;
    }
    const inode = readInode(volume, entry.inode);
    if (isDirectory(inode)) folder = inode.number;
    else if (typeOf(inode) === TYPE.symlink) {
      followed += 1;
      if (followed > MAX_LINKS_FOLLOWED) throw wayBlocked(volume, "LINK_LOOP", path, "too many symbolic links");
      const target = readTarget(volume, inode);
      if (target.startsWith("/")) folder = ROOT_INODE;
      const names = target.split("/").filter((name) => name !== "" && name !== ".");
      steps.push(...names.map((name) => ({ name, isFromLink: true })).reverse());
    } else throw wayBlocked(volume, "NOT_A_FILE", path, `${quote(step.name)} is no folder`);
  }
  return folder;
}

/** A link's target. @throws FILESYSTEM_DAMAGED */
export function readTarget(volume: Volume, link: Inode): string {
  const isFast = isFastLink(volume, link);
  if (link.size === 0 || link.size > (isFast ? MAP_SIZE : volume.blockSize)) {
    throw damaged(volume.file.what, `a symbolic link (inode ${link.number}) has ${link.size} bytes`);
  }
  if (isFast) return decodeText(link.map.subarray(0, link.size));
  const [block] = contentBlocks(volume, link);
  if (block === undefined) throw damaged(volume.file.what, `a symbolic link (inode ${link.number}) has no content`);
  return decodeText(volume.block(block).subarray(0, link.size));
}

/** What an inode is besides its attributes. */
export interface NewInode extends Attributes {
  /** One of `TYPE`. */
  readonly type: number;
  readonly map?: Uint8Array;
  /** Bytes. */
  readonly size?: number;
}

/** A new inode under a name that is not there yet; without blocks. @throws NO_SPACE */
export function makeInode(volume: Volume, folder: number, name: Uint8Array, wanted: NewInode): Inode {
  const inode: Inode = {
    number: takeInode(volume, folder, wanted.type === TYPE.directory),
    mode: wanted.type | (wanted.mode & 0o7777),
    uid: wanted.uid,
    gid: wanted.gid,
    mtime: wanted.mtime,
    size: wanted.size ?? 0,
    links: 1,
    sectors: 0,
    flags: 0,
    attributes: 0,
    map: wanted.map ?? new Uint8Array(MAP_SIZE),
  };
  createInode(volume, inode);
  addEntry(volume, folder, name, inode);
  return inode;
}

/** @returns the new folder's inode. @throws NO_SPACE */
export function makeFolder(volume: Volume, parentNumber: number, name: Uint8Array, attributes: Attributes): number {
  addLinks(volume, parentNumber, 1);
  const inode = makeInode(volume, parentNumber, name, { ...attributes, type: TYPE.directory });
  const block = takeBlock(volume, firstGoal(volume, inode));
  const mapped = mapBlock(volume, inode, 0, block, () => takeBlock(volume, block + 1));
  writeDots(volume, block, inode, readInode(volume, parentNumber));
  writeInode(volume, { ...mapped, size: volume.blockSize, links: 2 });
  return inode.number;
}

/**
 * Changes how many names an inode has. The time of its own change stays: nothing here asks what time it is.
 * @throws NO_SPACE when it has as many as there can be
 */
export function addLinks(volume: Volume, number: number, count: number): void {
  const inode = readInode(volume, number);
  if (inode.links + count > MAX_LINKS) {
    throw new GuestbootError(
      "NO_SPACE",
      `${volume.file.what}: inode ${number} of the ext2 image cannot have more than ${MAX_LINKS} links`,
    );
  }
  writeInode(volume, { ...inode, links: inode.links + count });
}

/**
 * Takes a name away, and with an inode's last name the inode and its blocks.
 * @throws NOT_A_FILE for a folder that is not empty
 */
export function unlink(volume: Volume, folder: number, entry: DirectoryEntry): void {
  const inode = readInode(volume, entry.inode);
  if (isDirectory(inode)) {
    if (!isEmptyDirectory(volume, inode)) {
      throw new GuestbootError(
        "NOT_A_FILE",
        `${volume.file.what}: the overlay has a file in place of the folder ${quote(decodeText(entry.name))}, which is not empty`,
      );
    }
    removeEntry(volume, folder, entry);
    addLinks(volume, folder, -1);
    releaseInode(volume, inode);
    return;
  }
  removeEntry(volume, folder, entry);
  if (inode.links > 1) writeInode(volume, { ...inode, links: inode.links - 1 });
  else releaseInode(volume, inode);
}

/** Where content of an inode is looked for a place first: behind its group's own tables. */
export function firstGoal(volume: Volume, inode: Inode): number {
  const group = volume.groups[Math.floor((inode.number - 1) / volume.inodesPerGroup)];
  return group === undefined ? 0 : group.tableAt + volume.tableBlocks;
}

function releaseInode(volume: Volume, inode: Inode): void {
  // Gathered first: a block of numbers must not be given back while it is being read.
  if (hasBlocks(volume, inode)) for (const { block } of [...mapBlocks(volume, inode)]) volume.freeBlock(block);
  if (inode.attributes !== 0) releaseAttributes(volume, inode.attributes);
  eraseInode(volume, inode.number);
  freeInode(volume, inode.number, isDirectory(inode));
}

/** A block of extended attributes counts the inodes that share it. */
function releaseAttributes(volume: Volume, block: number): void {
  const owners = new CheckedReader(volume.block(block), "extended attributes").u32le(4, "h_refcount");
  if (owners <= 1) volume.freeBlock(block);
  else {
    const bytes = volume.change(block);
    new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).setUint32(4, owners - 1, true);
  }
}

function wayBlocked(
  volume: Volume,
  code: "FILE_MISSING" | "LINK_LOOP" | "NOT_A_FILE",
  path: readonly string[],
  reason: string,
): GuestbootError {
  return new GuestbootError(
    code,
    `${volume.file.what}: the overlay has ${quote(path.join("/"))}, where the image has no such folder: ${reason}`,
  );
}
