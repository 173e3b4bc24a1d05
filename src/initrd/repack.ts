/**
 * An initrd unpacked and packed again in one stream, with an overlay put in: one archive comes out, whatever number of
 * members went in. Nothing but the names of folders and the numbers of hard links is kept in memory.
 *
 * Files of the overlay take the place of the initrd's; folders are merged, with the overlay's rights; a folder of the
 * overlay where the initrd has a symbolic link means the folder behind the link; folders that miss on the way are made.
 * Not here: compression (compress/pack.ts), the early archives, images of ext2 (ext2/write-overlay.ts).
 */
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { encodeText } from "../base/text.ts";
import { readInitrd, type InitrdLimits } from "./members.ts";
import type { Overlay, OverlayEntry } from "./overlay.ts";
import { contentText, type CpioRecord } from "./read-cpio.ts";
import { packRecords, recordHead, recordTail, trailer } from "./write-cpio.ts";

/** As the kernel: MAXSYMLINKS. */
const MOST_LINKS = 40;
/** Bytes. */
const BLOCK = 64 * 1024;
const LARGE = 16 * 1024;

/**
 * The archive, uncompressed, in blocks.
 * @param initrd without its early archives
 * @throws GuestbootError as `readInitrd` and `packRecords`; FEATURE_UNSUPPORTED for an image of a filesystem
 */
export function repackInitrd(
  initrd: ByteSource,
  overlay: Overlay,
  limits: InitrdLimits,
): AsyncGenerator<Uint8Array, void> {
  return inBlocks(repack(initrd, overlay, limits));
}

async function* repack(initrd: ByteSource, overlay: Overlay, limits: InitrdLimits): AsyncGenerator<Uint8Array, void> {
  const merge = new Merge(overlay);
  const inodes = new InodeNumbers();
  for await (const event of readInitrd(initrd, limits)) {
    if (event.what === "begin" && event.member.content === "ext2") {
      throw new GuestbootError("FEATURE_UNSUPPORTED", "the ramdisk is the image of a filesystem and has no archive");
    }
    if (event.what !== "record") continue;
    const { record } = event;
    const attributes = await merge.take(record);
    if (attributes === null) continue;
    const text = attributes.linkText;
    const header = { ...record.header, ...attributes.changed, inode: inodes.of(record, event.archive) };
    yield recordHead({ ...header, format: "newc", checksum: 0 }, record.name);
    if (text !== null) yield encodeText(text);
    else yield* record.content();
    const tail = recordTail(record.header.size);
    if (tail.length > 0) yield tail;
  }
  yield* packRecords(merge.rest(), { firstInode: inodes.next });
  yield trailer();
}

/** What of a record is changed on its way. */
interface Passed {
  readonly changed: Partial<Pick<CpioRecord["header"], "mode" | "uid" | "gid" | "mtime">>;
  /** Where a symbolic link's target had to be read, it is this. */
  readonly linkText: string | null;
}

const AS_IT_IS: Passed = { changed: {}, linkText: null };

/** The overlay on its way into the stream of the initrd's records. */
class Merge {
  readonly #wanted: ReadonlyMap<string, OverlayEntry>;
  readonly #overlay: Overlay;
  /** Overlay folders that the initrd has, so that nothing is to be added for them. */
  readonly #merged = new Set<string>();
  /** Folders of the initrd, and symbolic links. */
  readonly #folders = new Set<string>([""]);
  /** Symbolic links of the initrd where the overlay has folders, with what they lead to. */
  readonly #links = new Map<string, string>();
  /** Files with several names, one of which the overlay replaces. */
  readonly #shared = new Set<string>();

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
    this.#wanted = new Map(overlay.map((entry) => [entry.path, entry]));
  }

  /** The initrd's next record: what of it goes on, or null when the overlay's takes its place. */
  async take(record: CpioRecord): Promise<Passed | null> {
    const { path, kind, header } = record;
    if (this.#isBelowReplaced(path)) return null;
    const entry = this.#wanted.get(path);
    if (kind === "directory") {
      if (entry !== undefined && entry.kind !== "directory") return null;
      this.#folders.add(path);
      if (entry === undefined) return AS_IT_IS;
      this.#merged.add(path);
      const { uid, gid, mtime, mode } = entry;
      return { changed: { uid, gid, mtime, mode: (header.mode & ~0o7777) | (mode & 0o7777) }, linkText: null };
    }
    // What it leads to may be a folder: none is to be made in its place.
    if (kind === "symlink") this.#folders.add(path);
    if (entry === undefined) return AS_IT_IS;
    if (entry.kind === "directory" && kind === "symlink") {
      const target = await contentText(record);
      this.#links.set(path, joined(path, target));
      return { changed: {}, linkText: target };
    }
    // Its content may be the one that its other names have as well.
    if (kind !== "file" || header.links < 2) return null;
    this.#shared.add(path);
    return AS_IT_IS;
  }

  /** What is to be added behind the initrd's records. */
  rest(): Overlay {
    const rest: OverlayEntry[] = [];
    for (const entry of this.#overlay) {
      if (this.#merged.has(entry.path) || (entry.kind === "directory" && this.#links.has(entry.path))) continue;
      const path = this.#behindLinks(entry.path);
      rest.push(...this.#missingFolders(path, entry));
      // A name of a file that has others must be another kind of thing for a moment, or their content changes too.
      if (this.#shared.has(entry.path))
        rest.push({ ...entry, path, kind: "fifo", mode: 0o600, content: null, size: 0 });
      if (entry.kind === "directory") this.#folders.add(path);
      const target = entry.kind === "hard link" ? this.#behindLinks(entry.target ?? "") : entry.target;
      rest.push({ ...entry, path, ...(target === undefined ? {} : { target }) });
    }
    return rest;
  }

  #isBelowReplaced(path: string): boolean {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
      const above = this.#wanted.get(path.slice(0, end));
      if (above !== undefined && above.kind !== "directory") return true;
    }
    return false;
  }

  #missingFolders(path: string, { uid, gid, mtime }: OverlayEntry): OverlayEntry[] {
    const missing: OverlayEntry[] = [];
    for (let end = path.indexOf("/"); end !== -1; end = path.indexOf("/", end + 1)) {
      const folder = path.slice(0, end);
      if (this.#folders.has(folder) || this.#wanted.has(folder)) continue;
      this.#folders.add(folder);
      missing.push({ path: folder, kind: "directory", mode: 0o755, uid, gid, mtime, size: 0, content: null });
    }
    return missing;
  }

  /** The path with every link on its way to the last name taken. */
  #behindLinks(path: string): string {
    let now = path;
    for (let taken = 0; taken < MOST_LINKS; taken++) {
      const link = this.#links
        .keys()
        .find((each) => now.startsWith(`${each}/`) || (each === now && this.#wanted.get(path)?.kind === "directory"));
      if (link === undefined) return now;
      const rest = now.slice(link.length + 1);
      now = [this.#links.get(link) ?? "", rest].filter((part) => part !== "").join("/");
    }
    throw new GuestbootError("LINK_LOOP", `the initrd's symbolic links on the way to "${path}" go round in a circle`);
  }
}

/** Where a symbolic link at `path` leads, below the root. */
function joined(path: string, target: string): string {
  const start = target.startsWith("/") ? [] : path.split("/").slice(0, -1);
  for (const component of target.split("/")) {
    if (component === "..") start.pop();
    else if (component !== "" && component !== ".") start.push(component);
  }
  return start.join("/");
}

/** Archives number their files each for itself; in one archive the numbers must not meet. */
class InodeNumbers {
  readonly #known = new Map<string, number>();
  next = 1;

  of({ header, kind }: CpioRecord, archive: number): number {
    if (header.links < 2 || kind === "directory") return this.next++;
    const key = [archive, header.deviceMajor, header.deviceMinor, header.inode].join(":");
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.next);
    return this.next++;
  }
}

/** Small pieces joined: each one costs a compressor, and a write, as much as a large one. */
export async function* inBlocks(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let small: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    // Large ones go on as they are: a copy of each would fill the memory faster than it is freed.
    const isLarge = piece.length >= LARGE;
    if (size > 0 && (isLarge || size + piece.length > BLOCK)) {
      yield Buffer.concat(small, size);
      small = [];
      size = 0;
    }
    if (isLarge) yield piece;
    else {
      small.push(piece);
      size += piece.length;
    }
  }
  if (size > 0) yield Buffer.concat(small, size);
}
