/**
 * A ramdisk of an installation with what it needs laid over it: the control domain's fixup for this very ramdisk, and
 * the installation's answer file. The result is kept in the store beside the original, by what went into it, so that
 * the next start finds it there.
 */
import * as fs from "node:fs";
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import { openDisk } from "../disk/open-disk.ts";
import { findFixup, overlayFile, readFixups, type Fixup } from "../initrd/fixup-map.ts";
import { DEFAULT_MAXIMUM_BYTES } from "../initrd/members.ts";
import { mergeOverlays } from "../initrd/merge-overlays.ts";
import type { Overlay } from "../initrd/overlay.ts";
import { packOverlay } from "../initrd/write-cpio.ts";
import type { Store, StoredFile } from "../store/store.ts";
import { openOverlay, type OpenOverlay } from "./open-overlay.ts";
import { patchedBytes, planPatch } from "./patch-initrd.ts";

export interface RamdiskPatch {
  readonly ramdisk: StoredFile;
  /** The ramdisk's MD5 where it was computed while its bytes came; null: it is computed where a map needs it. */
  readonly md5: string | null;
  /** Where the maps of fixups and their overlays are. */
  readonly fixupsFolder: string;
  /** What else is laid over it: the answer file. */
  readonly overlays: readonly Overlay[];
  /** Of the kernel that is started with it; null: not known. */
  readonly kernelVersion: string | null;
  readonly store: Store;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The ramdisk to hand out: the given one where nothing is to be laid over it.
 * @throws GuestbootError FIXUP_MAP_INVALID, SUPPORT_PACKAGE_MISSING, and as `patchedBytes` and the store
 */
export async function patchRamdisk(patch: RamdiskPatch): Promise<StoredFile> {
  const { ramdisk, store, progress, signal } = patch;
  const fixup = await fixupFor(patch);
  using fixed = fixup === null ? null : await openFixup(patch.fixupsFolder, fixup, signal);
  const overlay = mergeOverlays([...(fixed === null ? [] : [fixed.overlay]), ...patch.overlays]);
  if (overlay.length === 0) return ramdisk;
  if (fixup !== null) progress.say(`${ramdisk.url}: laying ${fixup.overlay} over it, as ${fixup.where} says`);

  const key = ["patched", ramdisk.digest, digestOf(overlay), fixup?.type ?? "", patch.kernelVersion ?? ""].join(":");
  const known = store.find(key);
  if (known !== null) return known;
  using original = openDisk(ramdisk.path);
  const limits = { maximumBytes: DEFAULT_MAXIMUM_BYTES, signal };
  // The old kernels that take an ext2 image are handed it uncompressed.
  const wishes = { repack: false, compression: fixup?.type === "ext2" ? ("none" as const) : null };
  const plan = await planPatch(original.source, { ...wishes, kernelVersion: patch.kernelVersion }, limits);
  if (fixup !== null && (plan.how === "ext2") !== (fixup.type === "ext2")) {
    throw new GuestbootError(
      "FIXUP_MAP_INVALID",
      `${fixup.where} says that ${ramdisk.url} is of the type ${fixup.type}, which it is not`,
      { hint: "correct the type in that line" },
    );
  }
  const facts = { url: ramdisk.url, size: null, etag: null, lastModified: null };
  const bytes = patchedBytes(original.source, overlay, plan, limits, temporaryFolder(store));
  return await store.write(key, facts, bytes);
}

/** The folder of unfinished files, beside the store's own. */
function temporaryFolder(store: Store): string {
  return `${store.folder}/tmp`;
}

async function openFixup(folder: string, fixup: Fixup, signal: AbortSignal | undefined): Promise<OpenOverlay> {
  return openOverlay(overlayFile(folder, fixup), signal);
}

async function fixupFor({ ramdisk, md5, fixupsFolder, signal }: RamdiskPatch): Promise<Fixup | null> {
  const fixups = readFixups(fixupsFolder);
  if (fixups.length === 0) return null;
  return findFixup(fixups, md5 ?? (await md5Of(ramdisk.path, signal)));
}

/** Of a file that lies here already. */
export async function md5Of(file: string, signal?: AbortSignal): Promise<string> {
  const hash = process.getBuiltinModule("node:crypto").createHash("md5");
  const chunks: AsyncIterable<Uint8Array> = fs.createReadStream(file, { signal, highWaterMark: 1024 * 1024 });
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

function digestOf(overlay: Overlay): string {
  const hash = process.getBuiltinModule("node:crypto").createHash("sha256");
  for (const piece of packOverlay(overlay)) hash.update(piece);
  return hash.digest("hex");
}
