/**
 * What a file is and holds: a kernel, an initrd, the ext2 ramdisk of old times, a guest's disk. It goes by what the
 * bytes say, never by the name. A folder and a block device are always disks. Not here: what a disk holds
 * (inspect-disk.ts).
 */
import * as fs from "node:fs";
import * as os from "node:os";
import { Budget } from "../base/budget.ts";
import type { ByteSource } from "../base/byte-source.ts";
import { asGuestbootError, GuestbootError } from "../base/errors.ts";
import { expandMember, type Compression } from "../compress/compression.ts";
import { openDisk } from "../disk/open-disk.ts";
import { openFilesystem } from "../filesystem/detect.ts";
import type { GuestFilesystem } from "../filesystem/filesystem.ts";
import {
  describeInitrd,
  ModuleCount,
  type InitrdDescription,
  type KernelModules,
  type ListedFile,
} from "../initrd/describe.ts";
import { extractFile } from "../initrd/extract.ts";
import { beginMember, EXT2_HEAD, isExt2, firstOffset, type InitrdLimits } from "../initrd/members.ts";
import { describeKernel, type KernelDescription } from "../kernel/describe.ts";
import { readXenDecompressors } from "../kernel/host-xen.ts";
import { HEAD_SIZE, readKernelImage } from "../kernel/kernel-image.ts";
import { makeTemporary } from "../store/temporary.ts";
import { inspectDisk, type InspectedDisk } from "./inspect-disk.ts";
import { openGuest, type OpenGuest } from "./open-guest.ts";

/** `size` is always the file's, in bytes. */
export type Inspected =
  | InspectedDisk
  | ({ readonly kind: "kernel"; readonly size: number } & KernelDescription)
  | ({ readonly kind: "initrd"; readonly size: number } & InitrdDescription)
  | {
      readonly kind: "ext2 ramdisk";
      readonly size: number;
      readonly compression: Compression | null;
      /** Bytes of the filesystem. */
      readonly expandedSize: number;
      readonly files: number;
      readonly modules: readonly KernelModules[];
    };

/** A name in the file; of an ext2 ramdisk only what its reader tells. */
export type InspectedFile = Pick<ListedFile, "path" | "size"> &
  Partial<Omit<ListedFile, "kind">> & { readonly kind: string };

/** A larger file is no kernel. */
const MOST_KERNEL_BYTES = 256 * 1024 * 1024;
const MOST_FILES = 500_000;
const PIECE = 256 * 1024;

/**
 * Where it is a disk, all rights are given up on the way: nothing can be opened after it.
 *
 * @param onFile is told of each name that the file holds; null where nobody wants to know
 * @throws GuestbootError ARCHIVE_DAMAGED, DATA_DAMAGED, BUDGET_EXCEEDED …; FEATURE_UNSUPPORTED when it is nothing known
 */
export async function inspectFile(
  path: string,
  limits: InitrdLimits,
  onFile: ((file: InspectedFile) => void) | null = null,
): Promise<Inspected> {
  if (isDiskByItsKind(path)) return diskAt(path, null, onFile);
  using file = openDisk(path);
  const { source } = file;
  const { size } = source;
  const image = kernelIn(source);
  if (image.kind === "kernel") return { kind: "kernel", size, ...describeKernel(image, readXenDecompressors()) };
  const ramdisk = await ramdiskIn(source, limits, image.what);
  if (ramdisk instanceof GuestbootError) return diskAt(path, ramdisk, onFile);
  // A guest's partition looks the same; where the files are wanted, they are an initrd's.
  if (ramdisk.isExt2 && ramdisk.compression === null && onFile === null) return diskAt(path, null, null);
  if (!ramdisk.isExt2) return { kind: "initrd", size, ...(await describeInitrd(source, limits, onFile)) };
  const { compression } = ramdisk;
  return await withImage(source, compression, limits, (filesystem, expandedSize) => {
    const modules = new ModuleCount();
    let files = 0;
    walk(filesystem, (found) => {
      files++;
      modules.see(found.path);
      onFile?.(found);
    });
    return { kind: "ext2 ramdisk", size, compression, expandedSize, files, modules: modules.result() };
  });
}

/**
 * The bytes of one file inside.
 * @throws GuestbootError as `inspectFile`; FILE_MISSING, NOT_A_FILE, LINK_LOOP
 */
export async function extractFrom(
  path: string,
  inside: string,
  limits: InitrdLimits,
  onBytes: (bytes: Uint8Array) => Promise<void> | void,
): Promise<void> {
  if (isDiskByItsKind(path)) throw isDisk(path, `guestboot cat ${path} ${inside}`);
  using file = openDisk(path);
  const { source } = file;
  const image = kernelIn(source);
  if (image.kind === "kernel") {
    throw new GuestbootError("FEATURE_UNSUPPORTED", `${path} is a kernel, which holds no files`, {
      hint: "guestboot patch --decompress-kernel unpacks its ELF image",
    });
  }
  const ramdisk = await ramdiskIn(source, limits, image.what);
  if (ramdisk instanceof GuestbootError) throw ramdisk;
  if (!ramdisk.isExt2) {
    for await (const chunk of extractFile(source, inside, limits)) await onBytes(chunk);
    return;
  }
  await withImage(source, ramdisk.compression, limits, async (filesystem) => {
    const content = filesystem.open(inside.startsWith("/") ? inside : `/${inside}`);
    for (let at = 0; at < content.size; at += PIECE) {
      await onBytes(content.read(at, Math.min(PIECE, content.size - at)));
    }
  });
}

function kernelIn(source: ByteSource): ReturnType<typeof readKernelImage> {
  const isWhole = source.size <= HEAD_SIZE;
  const image = readKernelImage({ bytes: source.read(0, Math.min(HEAD_SIZE, source.size)), isWhole });
  if (image.kind !== "kernel" || isWhole || source.size > MOST_KERNEL_BYTES) return image;
  return readKernelImage({ bytes: source.read(0, source.size), isWhole: true });
}

interface Ramdisk {
  readonly isExt2: boolean;
  readonly compression: Compression | null;
}

/**
 * @param what the file is otherwise, for the error
 * @returns the error where it is no ramdisk either
 */
async function ramdiskIn(source: ByteSource, limits: InitrdLimits, what: string): Promise<Ramdisk | GuestbootError> {
  try {
    const { compression, content, offset } = beginMember(source, firstOffset(source));
    if (compression === null) return { isExt2: content === "ext2", compression };
    let head = Buffer.alloc(0);
    for await (const chunk of expandMember(source, offset, compression, limits)) {
      head = Buffer.concat([head, chunk.subarray(0, EXT2_HEAD)]);
      if (head.length >= EXT2_HEAD) break;
    }
    return { isExt2: isExt2(head), compression };
  } catch (error) {
    if (!(error instanceof GuestbootError) || error.code !== "ARCHIVE_DAMAGED") throw error;
    return new GuestbootError("FEATURE_UNSUPPORTED", `the file is neither a kernel nor an initrd, but ${what}`, {
      cause: error,
      hint: "file(1) may know what it is; guestboot cat prints a file of a guest's disk",
    });
  }
}

function isDiskByItsKind(path: string): boolean {
  const stats = fs.statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && (stats.isDirectory() || stats.isBlockDevice());
}

/** @param otherwise is thrown when there is nothing of a disk in it; null: it is one, whatever it holds */
function diskAt(path: string, otherwise: GuestbootError | null, onFile: unknown): InspectedDisk {
  if (onFile !== null && otherwise === null) throw isDisk(path, `guestboot ls ${path} /`);
  using guest = openGuest(path);
  if (otherwise !== null && holdsNothing(guest)) throw otherwise;
  if (onFile !== null) throw isDisk(path, `guestboot ls ${path} /`);
  return inspectDisk(guest);
}

/** Neither a table, nor anything that says what it is: not even something that cannot be read, such as LUKS. */
function holdsNothing({ table, search }: OpenGuest): boolean {
  if (table === null || table.image !== "raw" || table.table !== "none" || table.refused.length > 0) return false;
  if (table.volumes.some(({ kind }) => kind !== "whole disk")) return false;
  return search.places.every((place) => {
    try {
      place.filesystem();
      return false;
    } catch (thrown) {
      return asGuestbootError(thrown).code === "NO_FILESYSTEM";
    }
  });
}

function isDisk(path: string, instead: string): GuestbootError {
  return new GuestbootError("FEATURE_UNSUPPORTED", `${path} is a guest's disk`, { hint: instead });
}

/** The filesystem of an ext2 ramdisk, expanded into a file for as long as it is looked at. */
async function withImage<T>(
  source: ByteSource,
  compression: Compression | null,
  limits: InitrdLimits,
  work: (filesystem: GuestFilesystem, size: number) => Promise<T> | T,
): Promise<T> {
  if (compression === null) return await work(openFilesystem(source), source.size);
  using temporary = makeTemporary(os.tmpdir());
  for await (const chunk of expandMember(source, firstOffset(source), compression, limits)) temporary.write(chunk);
  using image = openDisk(temporary.path);
  return await work(openFilesystem(image.source), fs.statSync(temporary.path).size);
}

function walk(filesystem: GuestFilesystem, onFile: (file: InspectedFile) => void): void {
  const budget = new Budget("files in the ramdisk", MOST_FILES);
  const folders = [""];
  const seen = new Set<number>();
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const { name, node } of filesystem.list(folder === "" ? "/" : `/${folder}`)) {
      budget.spend();
      const path = folder === "" ? name : `${folder}/${name}`;
      onFile({ path, kind: node.kind, size: node.size });
      if (node.kind !== "directory" || seen.has(node.id)) continue;
      seen.add(node.id);
      folders.push(path);
    }
  }
}
