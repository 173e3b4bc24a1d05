/**
 * The story of a patch: an initrd and an overlay in, another initrd out. The overlay is appended where the kernel takes
 * that, the whole is unpacked and packed again where it does not or somebody asks for it, and an ext2 image of old times
 * gets the files written into its filesystem. The original is only read.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { collectingGarbage } from "../base/collect-garbage.ts";
import { sliceSource, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { expandMember, type Compression } from "../compress/compression.ts";
import { compressStream, type PackedCompression } from "../compress/pack.ts";
import { appendedMember, whyRepack, type NeedsRepack } from "../initrd/append.ts";
import { earlyArchivesSize, endsInLz4 } from "../initrd/early-archives.ts";
import { linksInTheWay } from "../initrd/links-in-the-way.ts";
import { beginMember, isExt2, firstOffset, type InitrdLimits, EXT2_HEAD } from "../initrd/members.ts";
import type { Overlay } from "../initrd/overlay.ts";
import { inBlocks, repackInitrd } from "../initrd/repack.ts";
import { expandHead } from "../kernel/payload.ts";
import { checkSpace, noSpace } from "../store/space.ts";
import { makeTemporary, type TemporaryFile } from "../store/temporary.ts";

export interface PatchWishes {
  /** Unpack and pack again, also where appending would do. */
  readonly repack: boolean;
  /** null: gzip; for an ext2 image: as it was. */
  readonly compression: PackedCompression | null;
  /** Of the kernel that will unpack it; null: not known. */
  readonly kernelVersion: string | null;
}

/** How an initrd is patched. */
export interface PatchPlan {
  readonly how: "append" | "repack" | "ext2";
  /** Why it is repacked although nobody asked for it. */
  readonly reason: NeedsRepack;
  /** Of what is written: the new member, or the whole. */
  readonly compression: PackedCompression;
  /** The initrd's last member is known to be compressed with LZ4. */
  readonly endsInLz4: boolean;
  /** Folders of the overlay that are not written, since the initrd has symbolic links of their names. */
  readonly leftOut: ReadonlySet<string>;
  /** Of an ext2 image. */
  readonly packed: Compression | null;
}

const NOTHING: ReadonlySet<string> = new Set();
const PIECE = 256 * 1024;
const BEGINNING = 32 * 1024;
/** Bytes. */
const MOST_BEGUN = 4 * 1024 * 1024;
const COLLECT_EVERY = 2 * 1024 * 1024;

/**
 * Looks at the initrd's beginning and decides. All of it is looked at only for an overlay with folders that may be
 * symbolic links in the initrd.
 * @throws GuestbootError ARCHIVE_DAMAGED when it is no initrd; DATA_DAMAGED; FEATURE_UNSUPPORTED where the wishes
 *   cannot be met
 */
export async function planPatch(
  initrd: ByteSource,
  overlay: Overlay,
  wishes: PatchWishes,
  limits: InitrdLimits,
): Promise<PatchPlan> {
  const start = beginMember(initrd, firstOffset(initrd));
  const packed = start.compression;
  const common = { reason: null, endsInLz4: false, leftOut: NOTHING, packed };
  if (start.content === "ext2" || (packed !== null && (await holdsExt2(initrd, start.offset, packed, limits)))) {
    return { ...common, how: "ext2", compression: wishes.compression ?? (packed === null ? "none" : "gzip") };
  }
  const isLz4 = await endsInLz4(initrd);
  const reason = whyRepack(wishes.kernelVersion, isLz4);
  if (wishes.repack || reason !== null) {
    const compression = wishes.compression ?? "gzip";
    return { ...common, how: "repack", reason: wishes.repack ? null : reason, compression, endsInLz4: isLz4 };
  }
  if (wishes.compression === "zstd") {
    throw new GuestbootError(
      "FEATURE_UNSUPPORTED",
      "a member that is appended is written with gzip or none, not zstd",
      {
        hint: "add --repack, or leave --compression out",
      },
    );
  }
  const leftOut = await linksInTheWay(initrd, overlay, limits);
  return { ...common, how: "append", compression: wishes.compression ?? "gzip", endsInLz4: isLz4, leftOut };
}

/**
 * The patched initrd's bytes.
 * @param folder for the temporary file that an ext2 image needs
 * @throws GuestbootError as the parts of it: ARCHIVE_DAMAGED, DATA_DAMAGED, BUDGET_EXCEEDED, OVERLAY_INVALID,
 *   FILESYSTEM_DAMAGED, NO_SPACE …
 */
export async function* patchedBytes(
  initrd: ByteSource,
  overlay: Overlay,
  plan: PatchPlan,
  limits: InitrdLimits,
  folder: string,
): AsyncGenerator<Uint8Array, void> {
  switch (plan.how) {
    case "append":
      yield* piecesOf(initrd, 0, initrd.size);
      yield* addedBytes(initrd, overlay, plan);
      return;
    case "repack": {
      const early = await earlyArchivesSize(initrd);
      yield* piecesOf(initrd, 0, early);
      if (early % 4 !== 0) yield new Uint8Array(-early & 3);
      const main = sliceSource(initrd, early, initrd.size - early, "the initrd");
      const archive = collectingGarbage(repackInitrd(main, overlay, limits), COLLECT_EVERY);
      yield* compressStream(archive, plan.compression);
      return;
    }
    case "ext2":
      yield* patchedImage(initrd, overlay, plan, limits, folder);
  }
}

export interface PatchedFile {
  readonly plan: PatchPlan;
  /** Bytes. */
  readonly size: number;
}

/** Where a patched initrd goes. */
export interface PatchOutput {
  readonly path: string;
  /** Of the file. */
  readonly mode: number;
  /** Is told how it is patched, before that is done. */
  readonly onPlan?: (plan: PatchPlan) => void;
}

/**
 * Writes the patched initrd into a file, which is there whole or not at all.
 * @param initrd the original's path, and its bytes
 * @throws GuestbootError as `planPatch` and `patchedBytes`; OUTPUT_FAILED, NO_SPACE
 */
export async function patchToFile(
  initrd: { readonly path: string; readonly source: ByteSource },
  overlay: Overlay,
  wishes: PatchWishes,
  limits: InitrdLimits,
  output: PatchOutput,
): Promise<PatchedFile> {
  const folder = path.dirname(path.resolve(output.path));
  refuseSameFile(initrd.path, output.path);
  return await intoFile(output, async (file) => {
    const { source } = initrd;
    checkSpace(folder, source.size, output.path);
    // While the original is copied, which is right for nearly all of them, it is decided and the new member is made.
    const copy = wishes.repack ? null : copyTo(initrd.path, file.path);
    const [copied, made] = await Promise.allSettled([copy, beginPatch(source, overlay, wishes, limits, output)]);
    if (made.status === "rejected") throw made.reason;
    const { plan, member } = made.value;
    if (member === null) {
      fs.ftruncateSync(file.fd);
      return { plan, size: await writeAll(file, 0, patchedBytes(source, overlay, plan, limits, folder)) };
    }
    if (copied.status === "rejected") throw copied.reason;
    const size = await writeAll(file, source.size, member.begun);
    return { plan, size: await writeAll(file, size, member.rest) };
  });
}

/** @returns the plan, and what is appended where that is the plan */
async function beginPatch(
  source: ByteSource,
  overlay: Overlay,
  wishes: PatchWishes,
  limits: InitrdLimits,
  { onPlan }: PatchOutput,
) {
  const plan = await planPatch(source, overlay, wishes, limits);
  onPlan?.(plan);
  if (plan.how !== "append") return { plan, member: null };
  const rest = inBlocks(addedBytes(source, overlay, plan));
  return { plan, member: { begun: await beginningOf(rest), rest } };
}

/** By reference where the filesystem can, else copied inside the kernel, beside this thread. */
async function copyTo(from: string, to: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  fs.copyFile(from, to, fs.constants.COPYFILE_FICLONE, (error) => {
    if (error === null) resolve(undefined);
    else reject(error);
  });
  await promise;
}

/** The first chunks of the stream, as long as they are few; the rest stays in it. */
async function beginningOf(chunks: AsyncGenerator<Uint8Array, void>): Promise<Uint8Array[]> {
  const begun: Uint8Array[] = [];
  for (let size = 0; size < MOST_BEGUN;) {
    const step = await chunks.next();
    if (step.done === true) break;
    begun.push(step.value);
    size += step.value.length;
  }
  return begun;
}

/** Writes a stream into a file, which is there whole or not at all. @returns bytes. @throws OUTPUT_FAILED, NO_SPACE */
export async function streamToFile(
  chunks: AsyncIterable<Uint8Array>,
  output: { readonly path: string; readonly mode: number },
): Promise<number> {
  return await intoFile(output, (file) => writeAll(file, 0, chunks));
}

async function intoFile<T>(
  output: { readonly path: string; readonly mode: number },
  work: (file: TemporaryFile) => Promise<T>,
): Promise<T> {
  const folder = path.dirname(path.resolve(output.path));
  try {
    if (!fs.statSync(folder).isDirectory()) throw new GuestbootError("OUTPUT_FAILED", `${folder} is not a folder`);
    using file = makeTemporary(folder);
    const done = await work(file);
    fs.chmodSync(file.path, output.mode);
    fs.renameSync(file.path, output.path);
    file.keep();
    return done;
  } catch (error) {
    if (isSystemError(error, "ENOSPC", "EDQUOT")) throw noSpace(folder, null, output.path, error);
    if (error instanceof GuestbootError || !isSystemError(error)) throw error;
    throw new GuestbootError("OUTPUT_FAILED", `${output.path} cannot be written: ${systemReason(error)}`, {
      cause: error,
      hint: `ls -ld ${folder}`,
    });
  }
}

function addedBytes(initrd: ByteSource, overlay: Overlay, plan: PatchPlan): AsyncGenerator<Uint8Array, void> {
  const compression = plan.compression === "none" ? "none" : "gzip";
  const written = overlay.filter(({ path, kind }) => kind !== "directory" || !plan.leftOut.has(path));
  return appendedMember(written, compression, { size: initrd.size, endsInLz4: plan.endsInLz4 });
}

/** Expanded into a file of its own, where the overlay is written into it. */
async function* patchedImage(
  initrd: ByteSource,
  overlay: Overlay,
  plan: PatchPlan,
  limits: InitrdLimits,
  folder: string,
): AsyncGenerator<Uint8Array, void> {
  const { writeIntoExt2Image } = await import("../initrd/ext2/write-overlay.ts");
  using image = makeTemporary(folder);
  const start = firstOffset(initrd);
  const bytes =
    plan.packed === null ? piecesOf(initrd, 0, initrd.size) : expandMember(initrd, start, plan.packed, limits);
  await writeAll(image, 0, bytes);
  const fd = fs.openSync(image.path, "r+");
  try {
    writeIntoExt2Image({ fd, what: "the ext2 ramdisk", limit: limits.maximumBytes }, overlay);
    const { size } = fs.fstatSync(fd);
    const source: ByteSource = {
      size,
      read(offset, length) {
        const piece = Buffer.allocUnsafe(length);
        if (fs.readSync(fd, piece, 0, length, offset) === length) return piece;
        throw new GuestbootError("OUTPUT_FAILED", `${image.path} has become shorter while it was read`);
      },
    };
    yield* compressStream(collectingGarbage(piecesOf(source, 0, size), COLLECT_EVERY), plan.compression);
  } finally {
    fs.closeSync(fd);
  }
}

/** @returns the file's size, in bytes */
async function writeAll(
  file: TemporaryFile,
  offset: number,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<number> {
  let at = offset;
  for await (const chunk of chunks) {
    // A disk that is nearly full takes a part first and fails at the next call only.
    for (let done = 0; done < chunk.length;) {
      const written = fs.writeSync(file.fd, chunk, done, chunk.length - done, at);
      done += written;
      at += written;
    }
  }
  return at;
}

// eslint-disable-next-line @typescript-eslint/require-await -- what takes it is made for streams
async function* piecesOf(source: ByteSource, start: number, end: number): AsyncGenerator<Uint8Array, void> {
  for (let at = start; at < end; at += PIECE) yield source.read(at, Math.min(PIECE, end - at));
}

/** Only as much is expanded as it takes. */
async function holdsExt2(
  initrd: ByteSource,
  offset: number,
  compression: Compression,
  limits: InitrdLimits,
): Promise<boolean> {
  // Enough for most; bzip2 gives nothing before a whole block is there. Streams take longer to begin than this takes.
  const begun = expandHead(initrd.read(offset, Math.min(BEGINNING, initrd.size - offset)), compression, EXT2_HEAD);
  if (begun !== null && begun.length === EXT2_HEAD) return isExt2(begun);
  let head = Buffer.alloc(0);
  for await (const chunk of expandMember(initrd, offset, compression, limits)) {
    head = Buffer.concat([head, chunk.subarray(0, EXT2_HEAD)]);
    if (head.length >= EXT2_HEAD) break;
  }
  return isExt2(head);
}

function refuseSameFile(initrd: string, output: string): void {
  const [one, other] = [initrd, output].map((file) => fs.statSync(file, { throwIfNoEntry: false }));
  if (one === undefined || other === undefined || one.dev !== other.dev || one.ino !== other.ino) return;
  throw new GuestbootError("OUTPUT_FAILED", `${output} is the initrd itself, which stays as it is`, {
    hint: "name another file with --output",
  });
}
