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
import { mergeOverlays } from "../initrd/merge-overlays.ts";
import type { Overlay } from "../initrd/overlay.ts";
import { packOverlay } from "../initrd/write-cpio.ts";
import type { Store, StoredFile } from "../store/store.ts";
import { openOverlay } from "./open-overlay.ts";
import { patchedBytes, planPatch } from "./patch-initrd.ts";

export interface RamdiskPatch {
  readonly ramdisk: StoredFile;
  /** Where the maps of fixups and their overlays are; null: none is wanted. */
  readonly fixupsFolder: string | null;
  /** What else is laid over it: an admin's overlays, the answer file. */
  readonly overlays: readonly Overlay[];
  /** Unpacked and packed anew, also where appending would do, and where nothing is laid over it. */
  readonly repack: boolean;
  /** Of the kernel that is started with it; null: not known. */
  readonly kernelVersion: string | null;
  /** What a member of it may expand to, in bytes. */
  readonly maxInitrdSize: number;
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
  using fixed = fixup === null ? null : await openOverlay(fixup.file, signal);
  const overlay = mergeOverlays([...(fixed === null ? [] : [fixed.overlay]), ...patch.overlays]);
  if (overlay.length === 0 && !patch.repack) return ramdisk;
  if (fixup !== null) progress.say(`${ramdisk.url}: laying ${fixup.overlay} over it, as ${fixup.where} says`);

  const how = [fixup?.type ?? "", patch.repack ? "repacked" : "", patch.kernelVersion ?? ""];
  const key = ["patched", ramdisk.digest, digestOf(overlay), ...how].join(":");
  const known = store.find(key);
  if (known !== null) {
    store.use(key);
    return known;
  }
  using original = openDisk(ramdisk.path);
  const limits = { maximumBytes: patch.maxInitrdSize, signal };
  // The old kernels that take an ext2 image are handed it uncompressed.
  const wishes = { repack: patch.repack, compression: fixup?.type === "ext2" ? ("none" as const) : null };
  const all = { ...wishes, kernelVersion: patch.kernelVersion };
  const plan = await planPatch(original.source, overlay, all, limits);
  if (fixup !== null && (plan.how === "ext2") !== (fixup.type === "ext2")) {
    throw new GuestbootError(
      "FIXUP_MAP_INVALID",
      `${fixup.where} says that ${ramdisk.url} is of the type ${fixup.type}, which it is not`,
      { hint: "correct the type in that line" },
    );
  }
  const facts = { url: ramdisk.url, size: null, etag: null, lastModified: null };
  const bytes = patchedBytes(original.source, overlay, plan, limits, temporaryFolder(store));
  const written = await store.write(key, facts, bytes);
  // An answer file may hold passwords: what only root may read stays so.
  if (overlay.some((entry) => entry.kind === "file" && (entry.mode & 0o077) === 0)) fs.chmodSync(written.path, 0o400);
  return written;
}

/** The folder of unfinished files, beside the store's own. */
function temporaryFolder(store: Store): string {
  return `${store.folder}/tmp`;
}

/** A map's line, and the overlay that it names. */
type NamedFixup = Fixup & { readonly file: string };

async function fixupFor({ ramdisk, fixupsFolder, store, signal }: RamdiskPatch): Promise<NamedFixup | null> {
  if (fixupsFolder === null) return null;
  const fixups = readFixups(fixupsFolder);
  if (fixups.length === 0) return null;
  const fixup = findFixup(fixups, await md5OfStored(ramdisk, store, signal));
  return fixup === null ? null : { ...fixup, file: overlayFile(fixupsFolder, fixup) };
}

/** Computed while the bytes came; what was stored without it is read once. */
async function md5OfStored(ramdisk: StoredFile, store: Store, signal: AbortSignal | undefined): Promise<string> {
  if (ramdisk.md5 !== null) return ramdisk.md5;
  const md5 = await md5Of(ramdisk.path, signal);
  try {
    store.touch(ramdisk.key, ramdisk.checkedAt, { md5 });
  } catch (error) {
    // A store that cannot be written does not remember it.
    if (!(error instanceof GuestbootError)) throw error;
  }
  return md5;
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
