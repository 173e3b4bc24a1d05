/**
 * The content of a file or symbolic link as a byte source.
 *
 * What is read here is checked against its checksums, where it has some. What a copier takes from the disk itself
 * (`onDisk`) is not, as on other filesystems; that is offered only for what has one copy and is not compressed.
 */
import { checkRange, targetOf, type ByteSource, type DiskRange } from "../../base/byte-source.ts";
import { ByteCache } from "../byte-cache.ts";
import { ContentChecksums } from "./content-checksums.ts";
import { expandExtent } from "./expand.ts";
import { extentAt, type Extent, type Packing } from "./extents.ts";
import type { Inode } from "./inode.ts";
import type { ExpectedChecksum, Storage } from "./storage.ts";
import type { TreeRoot } from "./tree-root.ts";

/** What a filesystem knows of content that many files may share. */
export class Contents {
  readonly storage: Storage;
  readonly #checksums: ContentChecksums;
  readonly #expanded = new ByteCache<Expanded>(KEPT_BYTES, ({ bytes }) => bytes.length);

  constructor(storage: Storage) {
    this.storage = storage;
    this.#checksums = new ContentChecksums(storage);
  }

  of(tree: TreeRoot, inode: Inode): ByteSource {
    return new FileContent(this, tree, inode);
  }

  /** Reading in whole sectors, checked. @throws FILESYSTEM_DAMAGED */
  read(logical: number, target: Uint8Array, isChecked: boolean): void {
    const expected: ExpectedChecksum | null = isChecked ? (address) => this.#checksums.at(address) : null;
    this.storage.readContent(logical, target, expected);
  }

  /** All of a compressed extent. @throws FILESYSTEM_DAMAGED, DATA_DAMAGED */
  expand(extent: Extract<Extent, { kind: "packed" }>, isChecked: boolean): Uint8Array {
    const { logical, length, packed } = extent;
    const make = (): Expanded => {
      const bytes = new Uint8Array(length);
      this.read(logical, bytes, isChecked);
      return { bytes: this.unpack(bytes, packed), length, packed };
    };
    const kept = this.#expanded.get(logical, make);
    const isSame =
      kept.length === length && kept.packed.size === packed.size && kept.packed.compression === packed.compression;
    // Two files that do not agree on what lies there: somebody made that up.
    return isSame ? kept.bytes : make().bytes;
  }

  unpack(bytes: Uint8Array, packed: Packing): Uint8Array {
    return expandExtent(bytes, packed, this.storage.superblock.sectorSize);
  }
}

interface Expanded {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly packed: Packing;
}

/** Bytes of expanded extents that are kept, of at most 128 KiB each. */
const KEPT_BYTES = 4 * 1024 ** 2;
/** Bytes that are read at once to get at part of a sector. */
const PIECE = 128 * 1024;

class FileContent implements ByteSource {
  readonly size: number;
  readonly #contents: Contents;
  readonly #tree: TreeRoot;
  readonly #inode: Inode;
  #current: Extent | null = null;

  constructor(contents: Contents, tree: TreeRoot, inode: Inode) {
    this.size = inode.size;
    this.#contents = contents;
    this.#tree = tree;
    this.#inode = inode;
  }

  read(offset: number, length: number, into?: Uint8Array): Uint8Array {
    checkRange(offset, length, this.size, this.#what);
    const target = targetOf(length, into);
    for (let done = 0; done < length;) {
      const extent = this.#extentAt(offset + done);
      const count = Math.min(length - done, extent.end - (offset + done));
      this.#copy(extent, offset + done - extent.start, target.subarray(done, done + count));
      done += count;
    }
    return target;
  }

  onDisk(offset: number, length: number): DiskRange | null {
    checkRange(offset, length, this.size, this.#what);
    if (length === 0) return null;
    const extent = this.#extentAt(offset);
    if (extent.kind !== "plain") return null;
    const { storage } = this.#contents;
    const place = storage.soleCopy(extent.logical + (offset - extent.start), Math.min(length, extent.end - offset));
    return place === null ? null : (storage.source.onDisk?.(place.offset, place.length) ?? null);
  }

  get #what(): string {
    return `inode ${this.#inode.number}`;
  }

  #extentAt(position: number): Extent {
    const current = this.#current;
    if (current !== null && position >= current.start && position < current.end) return current;
    return (this.#current = extentAt(this.#contents.storage, this.#tree, this.#inode, position));
  }

  /** Fills `target` with what lies at `position` bytes in the extent. */
  #copy(extent: Extent, position: number, target: Uint8Array): void {
    switch (extent.kind) {
      case "zeros":
        target.fill(0);
        break;
      case "inline": {
        const bytes = extent.packed === null ? extent.bytes : this.#contents.unpack(extent.bytes, extent.packed);
        target.set(bytes.subarray(position, position + target.length));
        break;
      }
      case "plain":
        this.#copySectors(extent.logical + position, target);
        break;
      case "packed": {
        const at = extent.offset + position;
        const bytes = this.#contents.expand(extent, this.#inode.hasChecksums);
        target.set(bytes.subarray(at, at + target.length));
        break;
      }
    }
  }

  /** Whole sectors go to where they shall be; what begins or ends inside a sector is cut out of it. */
  #copySectors(logical: number, target: Uint8Array): void {
    const { hasChecksums } = this.#inode;
    const { sectorSize } = this.#contents.storage.superblock;
    for (let done = 0; done < target.length;) {
      const at = logical + done;
      const before = at % sectorSize;
      const left = target.length - done;
      if (before === 0 && left >= sectorSize) {
        const count = left - (left % sectorSize);
        this.#contents.read(at, target.subarray(done, done + count), hasChecksums);
        done += count;
      } else {
        const sectors = new Uint8Array(Math.ceil(Math.min(before + left, PIECE) / sectorSize) * sectorSize);
        this.#contents.read(at - before, sectors, hasChecksums);
        const piece = sectors.subarray(before, before + left);
        target.set(piece, done);
        done += piece.length;
      }
    }
  }
}
