/**
 * The story of pre-staging: an installation's files, proved and patched, put into the host's folder of images, where a
 * toolstack loads them without a boot loader; looked after, renewed and removed there.
 *
 * Whatever is killed on the way: a name stands for the old image whole, or for the new one whole. Not here: where the
 * files come from (obtain-installer.ts), how VMs are told (use-image.ts).
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { syncFile } from "../base/durable.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { withLock } from "../base/lock.ts";
import { openDisk } from "../disk/open-disk.ts";
import type { TreeResolution } from "../distro/resolve.ts";
import { digestOf, digestOfFile, hexOf } from "../store/digest.ts";
import { handOut } from "../store/hand-out.ts";
import { checkSpace, noSpace } from "../store/space.ts";
import type { StoredFile } from "../store/store.ts";
import { temporaryName } from "../store/temporary.ts";
import { copyOut } from "./copy-out.ts";
import {
  checkNameIsFree,
  currentFolder,
  existingFolder,
  generationFolder,
  generations,
  makeCurrent,
  namesIn,
  usersOf,
} from "./prestage-folder.ts";
import { whatIsWrong } from "./prestage-image.ts";
import { readManifest, writeManifest, type ImageFile, type Manifest } from "./prestage-manifest.ts";
import type { ProvedTree } from "./trust-chain.ts";

const MEBIBYTE = 1024 * 1024;
/** What xapi has domain builders load (xenstore, /mh/limits/pv-kernel-max-size and pv-ramdisk-max-size). */
const MOST_KERNEL = 32 * MEBIBYTE;
const MOST_RAMDISK = 128 * MEBIBYTE;
const LOCK_NAME = ".guestboot.lock";
const KERNEL = "vmlinuz";
const RAMDISK = "initrd.img";

/** The VMs whose records name a file below `folder`; `noted` are those that were told to. */
export type FindUsers = (folder: string, noted: readonly string[]) => Promise<readonly string[]>;

export interface StagedImage {
  readonly folder: string;
  readonly name: string;
  /** As the repository and the proof have it, patched. */
  readonly found: TreeResolution<StoredFile>;
  readonly proved: ProvedTree;
  /** The repository's, without user and password. */
  readonly address: string;
  readonly request: readonly string[];
  readonly findUsers: FindUsers;
  readonly signal?: AbortSignal | undefined;
}

export interface Staged {
  readonly manifest: Manifest;
  /** Are these the bytes that were there before? */
  readonly isUnchanged: boolean;
  /** Folders that VMs still start from. */
  readonly kept: readonly string[];
}

/** Bytes of what is to be staged, where they are known before it is fetched. */
export interface Sizes {
  readonly kernel: number | null;
  readonly ramdisks: readonly (number | null)[];
}

/**
 * What can be known to fail before anything is fetched.
 * @param cacheFolder files of the same filesystem are shared with it, and need no space of their own
 * @throws FILE_TOO_LARGE, NO_SPACE
 */
export function checkFits(folder: string, name: string, sizes: Sizes, cacheFolder: string): void {
  const ramdisk = joinedSize(sizes.ramdisks.map((size) => size ?? 0));
  checkLimits(name, sizes.kernel ?? 0, ramdisk);
  const isShared = deviceOf(folder) === deviceOf(cacheFolder) && sizes.ramdisks.length <= 1;
  if (!isShared) checkSpace(folder, (sizes.kernel ?? 0) + ramdisk, `the image ${name}`);
}

/** @throws FILE_TOO_LARGE, NO_SPACE, OUTPUT_FAILED, PRESTAGED_INVALID, LOCK_TIMEOUT; the image is as it was then */
export async function stageImage(image: StagedImage): Promise<Staged> {
  const { folder, name } = image;
  const { kernel, ramdisks } = image.found;
  checkLimits(name, kernel.size, joinedSize(ramdisks.map(({ size }) => size)));
  return await inFolder(folder, async () => {
    checkNameIsFree(folder, name);
    const fresh = path.join(folder, `.${name}.new~${temporaryName()}`);
    try {
      fs.mkdirSync(fresh, { mode: 0o755 });
      const files = await putFiles(image, fresh);
      image.signal?.throwIfAborted();
      return await placeGeneration(image, fresh, files);
    } catch (error) {
      throw explain(error, folder);
    } finally {
      fs.rmSync(fresh, { recursive: true, force: true });
    }
  });
}

/** @throws PRESTAGED_UNKNOWN, PRESTAGED_IN_USE */
export async function removeImage(folder: string, name: string, findUsers: FindUsers, force: boolean): Promise<void> {
  existingFolder(folder, name);
  await inFolder(folder, async () => {
    const all = generations(folder, name);
    if (!force) {
      const users = new Set<string>();
      for (const each of all) for (const user of await findUsers(each, usersOf(each))) users.add(user);
      if (users.size > 0) throw inUse(name, [...users]);
    }
    // The name first: from then on nothing finds it.
    fs.rmSync(path.join(folder, name), { force: true });
    for (const each of all) fs.rmSync(each, { recursive: true, force: true });
  });
}

interface PutFiles {
  readonly kernel: ImageFile;
  readonly ramdisk: ImageFile | null;
}

/** The files in a folder of their own, and on the disk. */
async function putFiles({ found: { kernel, ramdisks } }: StagedImage, fresh: string): Promise<PutFiles> {
  const sources = (files: readonly StoredFile[]) => files.map(({ url }) => url);
  const kernelPath = path.join(fresh, KERNEL);
  handOut(kernel.path, kernelPath);
  checkCopied(kernel, kernelPath);
  await syncFile(kernelPath);
  const put: ImageFile = { file: KERNEL, size: kernel.size, digest: kernel.digest, sources: sources([kernel]) };
  const [first, ...more] = ramdisks;
  if (first === undefined) return { kernel: put, ramdisk: null };
  const ramdiskPath = path.join(fresh, RAMDISK);
  if (more.length === 0) {
    handOut(first.path, ramdiskPath);
    checkCopied(first, ramdiskPath);
  } else {
    for (const each of ramdisks) checkCopied(each, each.path);
    joinRamdisks(ramdisks, ramdiskPath);
  }
  await syncFile(ramdiskPath);
  const { size } = fs.statSync(ramdiskPath);
  const digest = more.length === 0 ? first.digest : digestOfFile(ramdiskPath);
  return { kernel: put, ramdisk: { file: RAMDISK, size, digest, sources: sources(ramdisks) } };
}

/** An image stays for months: it is worth one reading to know that the cache gave what it recorded. */
function checkCopied({ url, digest }: StoredFile, target: string): void {
  const now = digestOfFile(target);
  if (now === digest) return;
  throw new GuestbootError("STORE_DAMAGED", `the cache's copy of ${url} is ${now}, and was ${digest}`, {
    hint: "guestboot cache verify --repair removes it; then again",
  });
}

/** A guest gets one ramdisk. */
function joinRamdisks(ramdisks: readonly StoredFile[], target: string): void {
  using stack = new DisposableStack();
  const sources = ramdisks.map((file) => stack.use(openDisk(file.path)).source);
  const fd = fs.openSync(target, "wx", 0o600);
  try {
    copyOut(sources, { fd, path: target, role: "ramdisk", maxSize: MOST_RAMDISK }, null);
  } finally {
    fs.closeSync(fd);
  }
}

async function placeGeneration(image: StagedImage, fresh: string, files: PutFiles): Promise<Staged> {
  const { folder, name, findUsers } = image;
  const digest = hexOf(digestOf(`${files.kernel.digest} ${files.ramdisk?.digest ?? "none"}`));
  const generation = generationFolder(folder, name, digest);
  const before = currentFolder(folder, name);
  const isThere = fs.statSync(generation, { throwIfNoEntry: false }) !== undefined;
  const made = isThere ? madeBefore(generation) : null;
  const manifest = manifestOf(image, files, made);
  // Who names the old image's files through the link names the new one's in a moment, and may be reading the old now.
  const oldUsers = before === null || before === generation ? [] : await findUsers(before, usersOf(before));
  if (isThere) {
    // The same bytes again: only what is damaged or missing is replaced, a file at a time.
    for (const file of files.ramdisk === null ? [files.kernel] : [files.kernel, files.ramdisk]) {
      const target = path.join(generation, file.file);
      if (whatIsWrong(target, file, { deep: true }) !== null) fs.renameSync(path.join(fresh, file.file), target);
    }
    writeManifest(generation, manifest);
  } else {
    writeManifest(fresh, manifest);
    fs.renameSync(fresh, generation);
  }
  if (before !== generation) makeCurrent(folder, name, generation);
  const kept: string[] = [];
  for (const old of generations(folder, name)) {
    if (old === generation) continue;
    const users = old === before ? oldUsers : await findUsers(old, usersOf(old));
    if (users.length > 0) kept.push(old);
    else fs.rmSync(old, { recursive: true, force: true });
  }
  return { manifest, isUnchanged: before === generation, kept };
}

function madeBefore(generation: string): string | null {
  try {
    return readManifest(generation).made;
  } catch (error) {
    if (error instanceof GuestbootError) return null;
    throw error;
  }
}

function manifestOf(image: StagedImage, files: PutFiles, made: string | null): Manifest {
  const { found, proved, name, address, request } = image;
  const { family, release, arch, flavour, layout } = found.candidate;
  const now = new Date().toISOString();
  return {
    name,
    repository: address,
    family,
    release,
    arch,
    flavour,
    layout,
    trust: proved.trust,
    trustedBy: proved.by,
    arguments: found.arguments,
    ...files,
    made: made ?? now,
    checked: now,
    request,
  };
}

/** Alone in the folder, and rid of what killed processes have left there unfinished. */
async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  return await withLock(path.join(folder, LOCK_NAME), async () => {
    for (const name of namesIn(folder)) {
      if (/^\.[A-Za-z0-9][A-Za-z0-9._+-]*\.(?:new~.*|link)$/.test(name)) {
        fs.rmSync(path.join(folder, name), { recursive: true, force: true });
      }
    }
    return await work();
  });
}

function checkLimits(name: string, kernel: number, ramdisk: number): void {
  if (kernel > MOST_KERNEL) throw tooLarge(name, "kernel", kernel, MOST_KERNEL);
  if (ramdisk > MOST_RAMDISK) throw tooLarge(name, "ramdisk", ramdisk, MOST_RAMDISK);
}

function tooLarge(name: string, role: string, size: number, most: number): GuestbootError {
  return new GuestbootError(
    "FILE_TOO_LARGE",
    `the ${role} of ${name} has ${size} bytes; a toolstack like xapi loads at most ${most / MEBIBYTE} MiB (${most} bytes)`,
    { hint: "another release or --flavour may have smaller files; guestboot resolve tells their sizes" },
  );
}

/** Each begins at a multiple of 4 (copy-out.ts). */
function joinedSize(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => Math.ceil(sum / 4) * 4 + size, 0);
}

function deviceOf(folder: string): number | null {
  for (let at = path.resolve(folder); ; at = path.dirname(at)) {
    const found = fs.statSync(at, { throwIfNoEntry: false });
    if (found !== undefined) return found.dev;
    if (at === path.dirname(at)) return null;
  }
}

function inUse(name: string, users: readonly string[]): GuestbootError {
  return new GuestbootError("PRESTAGED_IN_USE", `the image ${name} is what these VMs start from: ${users.join(", ")}`, {
    hint: `guestboot vm finish ${users[0] ?? "ID"} hands the VM to its disk; --force removes the image anyway`,
  });
}

function explain(error: unknown, folder: string): unknown {
  if (error instanceof GuestbootError || !isSystemError(error)) return error;
  if (error.code === "ENOSPC" || error.code === "EDQUOT") return noSpace(folder, null, "the image", error);
  return new GuestbootError("OUTPUT_FAILED", `${folder} cannot be written: ${systemReason(error)}`, {
    cause: error,
    hint: `ls -ld ${folder}`,
  });
}
