/**
 * An installation's files as they are handed out: the ramdisk with the control domain's fixup, overlays and the answer
 * file in it, the kernel unpacked where that is asked for, and the words that the answer file needs on the command line.
 * What is made is kept in the store by what went into it, so that the next start makes nothing.
 *
 * Of several ramdisks the fixup goes into the one that its map names, everything else into the last, which the kernel
 * unpacks behind the others. Not here: what is wanted at all (patches-wanted.ts).
 */
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import type { TreeResolution } from "../distro/resolve.ts";
import { openDisk } from "../disk/open-disk.ts";
import type { Overlay } from "../initrd/overlay.ts";
import { HEAD_SIZE, readKernelImage } from "../kernel/kernel-image.ts";
import type { RepositoryOptions } from "../repository/open.ts";
import type { Store, StoredFile } from "../store/store.ts";
import { placeAnswer } from "./answer-file.ts";
import { openOverlay } from "./open-overlay.ts";
import { patchRamdisk } from "./patch-ramdisk.ts";
import type { PatchesWanted } from "./patches-wanted.ts";
import { ramdiskSizeWord } from "./ramdisk-size.ts";

export interface PatchContext {
  readonly store: Store;
  readonly progress: Progress;
  /** How the answer file is fetched. */
  readonly options: RepositoryOptions;
  /** What a member of a ramdisk may expand to, in bytes. */
  readonly maxInitrdSize: number;
  readonly signal?: AbortSignal | undefined;
}

/** Far more than any kernel. */
const MOST_KERNEL_BYTES = 512 * 1024 * 1024;

/**
 * @throws GuestbootError UNSUPPORTED_INSTALL_METHOD for an installer that takes no such answer file, or has no ramdisk;
 *   and as `placeAnswer`, `openOverlay`, `patchRamdisk`, `decompressKernel` and the store
 */
export async function patchInstaller(
  found: TreeResolution<StoredFile>,
  wanted: PatchesWanted,
  context: PatchContext,
): Promise<TreeResolution<StoredFile>> {
  const { candidate } = found;
  const { signal } = context;
  const what = `${candidate.family} ${candidate.release}`;
  const placed =
    wanted.answer === null
      ? { overlays: [], arguments: "" }
      : await placeAnswer(wanted.answer, candidate.installer, what, context.options, signal);
  using opened = new DisposableStack();
  const named: Overlay[] = [];
  for (const file of wanted.overlays) named.push(opened.use(await openOverlay(file, signal)).overlay);
  const overlays = [...named, ...placed.overlays];
  if (found.ramdisks.length === 0 && (overlays.length > 0 || wanted.repack)) {
    throw new GuestbootError("UNSUPPORTED_INSTALL_METHOD", `the installer of ${what} has no ramdisk to put files into`);
  }
  const ramdisks = await patchedRamdisks(found, overlays, wanted, context);
  const words = [found.arguments, placed.arguments, ...sizeWord(found, ramdisks)].filter((word) => word !== "");
  const kernel = wanted.decompressKernel ? await unpackedKernel(found.kernel, context) : found.kernel;
  return { ...found, kernel, ramdisks, arguments: words.join(" ") };
}

async function patchedRamdisks(
  found: TreeResolution<StoredFile>,
  overlays: readonly Overlay[],
  { fixupsFolder, repack }: PatchesWanted,
  { store, progress, maxInitrdSize, signal }: PatchContext,
): Promise<StoredFile[]> {
  const patched: StoredFile[] = [];
  for (const [index, ramdisk] of found.ramdisks.entries()) {
    const isLast = index === found.ramdisks.length - 1;
    const own = { ramdisk, overlays: isLast ? overlays : [], repack: isLast && repack };
    const kernelVersion = versionOf(found.kernel);
    const common = { fixupsFolder, kernelVersion, maxInitrdSize, store, progress, signal };
    patched.push(await patchRamdisk({ ...own, ...common }));
  }
  return patched;
}

/** Of the one image that the kernel puts into its ramdisk, where it has grown. */
function sizeWord(found: TreeResolution<StoredFile>, ramdisks: readonly StoredFile[]): string[] {
  const [original, ...others] = found.ramdisks;
  const [patched] = ramdisks;
  if (original === undefined || patched === undefined || others.length > 0) return [];
  if (original.digest === patched.digest || /(?:^| )ramdisk_size=/.test(found.arguments)) return [];
  const word = ramdiskSizeWord(original.path, patched.path);
  return word === null ? [] : [word];
}

/** The beginning tells it. */
function versionOf(kernel: StoredFile): string | null {
  using file = openDisk(kernel.path);
  const bytes = file.source.read(0, Math.min(HEAD_SIZE, file.source.size));
  const image = readKernelImage({ bytes, isWhole: bytes.length === file.source.size });
  return image.kind === "kernel" ? image.version : null;
}

async function unpackedKernel(kernel: StoredFile, { store, progress, signal }: PatchContext): Promise<StoredFile> {
  const key = `unpacked kernel:${kernel.digest}`;
  const known = store.find(key);
  if (known !== null) {
    store.use(key);
    return known;
  }
  const { decompressKernel } = await import("../kernel/decompress.ts");
  progress.say(`${kernel.url}: unpacking its ELF image`);
  using file = openDisk(kernel.path);
  const bytes = decompressKernel(file.source, { maximumBytes: MOST_KERNEL_BYTES, signal });
  return await store.write(key, { url: kernel.url, size: null, etag: null, lastModified: null }, bytes);
}
