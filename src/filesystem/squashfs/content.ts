/**
 * The content of a file: blocks one behind the other, each compressed by itself, and for the end of most files a part of
 * a block that several share (a fragment). A block of no bytes is a hole.
 * Specification: https://dr-emann.github.io/squashfs/squashfs.html#_data_and_fragment_blocks
 */
import { checkRange, targetOf, type ByteSource, type DiskRange } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { damaged } from "./damage.ts";
import type { FileInode } from "./inode.ts";
import { MetadataCursor } from "./metadata.ts";
import type { Storage, StoredBlock } from "./storage.ts";

export function contentOf(storage: Storage, inode: FileInode, what: string): ByteSource {
  return new BlockedContent(storage, inode, what);
}

/** Of one file whose list of blocks is in memory; 256 GiB in blocks of 128 KiB. */
const MAX_BLOCKS = 2 ** 21;
const WORD_SIZE = 4;
const FRAGMENT_ENTRY = 16;
const POINTER_SIZE = 8;
const FRAGMENTS_PER_BLOCK = 512;

class BlockedContent implements ByteSource {
  readonly size: number;
  readonly #storage: Storage;
  readonly #inode: FileInode;
  readonly #what: string;
  readonly #blockCount: number;
  /** The blocks so far: the list is read as far as the file is. */
  readonly #blocks: StoredBlock[] = [];
  #list: MetadataCursor | null = null;
  #fragment: StoredBlock | null = null;

  constructor(storage: Storage, inode: FileInode, what: string) {
    const { blockSize } = storage.superblock;
    this.size = inode.size;
    this.#storage = storage;
    this.#inode = inode;
    this.#what = what;
    this.#blockCount = inode.fragment === null ? Math.ceil(inode.size / blockSize) : Math.floor(inode.size / blockSize);
  }

  read(offset: number, length: number, into?: Uint8Array): Uint8Array {
    checkRange(offset, length, this.size, this.#what);
    const target = targetOf(length, into);
    const { blockSize } = this.#storage.superblock;
    for (let done = 0; done < length;) {
      const position = offset + done;
      const index = Math.floor(position / blockSize);
      const within = position % blockSize;
      const size = Math.min(blockSize, this.size - index * blockSize);
      const count = Math.min(length - done, size - within);
      const piece = target.subarray(done, done + count);
      const bytes = this.#bytesOf(index, size);
      if (bytes === null) piece.fill(0);
      else piece.set(bytes.subarray(within, within + count));
      done += count;
    }
    return target;
  }

  onDisk(offset: number, length: number): DiskRange | null {
    checkRange(offset, length, this.size, this.#what);
    const { blockSize } = this.#storage.superblock;
    const index = Math.floor(offset / blockSize);
    const within = offset % blockSize;
    if (length === 0 || index >= this.#blockCount) return null;
    const block = this.#block(index);
    if (block.length <= within || block.isCompressed) return null;
    const available = Math.min(length, block.length - within, this.size - offset);
    return this.#storage.source.onDisk?.(block.offset + within, available) ?? null;
  }

  /** The `size` bytes of a block of the file; null when they are zeros. May be longer. */
  #bytesOf(index: number, size: number): Uint8Array | null {
    if (index < this.#blockCount) {
      const block = this.#block(index);
      return block.length === 0 ? null : this.#storage.content(block, size);
    }
    const { fragment } = this.#inode;
    if (fragment === null) throw damaged(`${this.#what} ends before its size`);
    this.#fragment ??= readFragment(this.#storage, fragment.index);
    const bytes = this.#storage.content(this.#fragment, fragment.offset + size);
    return bytes.subarray(fragment.offset, fragment.offset + size);
  }

  #block(index: number): StoredBlock {
    if (index >= MAX_BLOCKS) {
      throw new GuestbootError("BUDGET_EXCEEDED", `${this.#what} has more than ${MAX_BLOCKS} blocks: gave up`);
    }
    const list = (this.#list ??= this.#inode.rest());
    for (let last = this.#blocks.at(-1); this.#blocks.length <= index; last = this.#blocks.at(-1)) {
      const offset = last === undefined ? this.#inode.start : last.offset + last.length;
      const word = list.take(WORD_SIZE, "squashfs block list").u32le(0, "block_sizes");
      this.#blocks.push(this.#storage.storedBlock(offset, word));
    }
    const block = this.#blocks[index];
    if (block === undefined) throw damaged(`${this.#what} has no block ${index}`);
    return block;
  }
}

/** A table of entries, in blocks of metadata to which a list of pointers leads. */
function readFragment(storage: Storage, index: number): StoredBlock {
  const { fragmentCount, fragmentTable } = storage.superblock;
  if (index >= fragmentCount) throw damaged(`there is no fragment ${index} of ${fragmentCount}`);
  const at = fragmentTable + Math.floor(index / FRAGMENTS_PER_BLOCK) * POINTER_SIZE;
  const pointer = new CheckedReader(storage.source.read(at, POINTER_SIZE), "squashfs fragment table");
  const offset = (index % FRAGMENTS_PER_BLOCK) * FRAGMENT_ENTRY;
  const cursor = new MetadataCursor(storage, pointer.u64le(0, "block"), offset);
  const entry = cursor.take(FRAGMENT_ENTRY, "squashfs fragment");
  const block = storage.storedBlock(entry.u64le(0, "start"), entry.u32le(8, "size"));
  if (block.length === 0) throw damaged(`the fragment ${index} is empty`);
  return block;
}
