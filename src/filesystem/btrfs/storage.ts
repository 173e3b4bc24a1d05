/**
 * Where btrfs keeps what: tree blocks and content by logical address, each from the first copy that is as it should be.
 */
import { Budget } from "../../base/budget.ts";
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { ByteCache } from "../byte-cache.ts";
import { ChunkMap, readChunk } from "./chunks.ts";
import { damaged } from "./damage.ts";
import { HEADER, Node, type Key, type NodePointer } from "./node.ts";
import { readSuperblock, type Superblock } from "./superblock.ts";
import { itemsFrom } from "./tree.ts";

/** Bytes of tree blocks that are kept. */
const KEPT_BYTES = 8 * 1024 ** 2;
/** Bytes of tree blocks that are read while one filesystem is open. A boot needs some hundred kilobytes. */
const MAX_SEARCHED = 1024 ** 3;

const CHUNK_ITEM = 228;
const FIRST_CHUNK_TREE = 256;
const KEY_SIZE = 17;
const CHUNK_SIZE = { header: 48, stripe: 32, count: 44 };

/** The checksum that the content at a logical address has, or null where none is kept. */
export type ExpectedChecksum = (logical: number) => Uint8Array | null;

export class Storage {
  readonly source: ByteSource;
  readonly superblock: Superblock;
  /** What an admin should know; grows while reading. */
  readonly notes: string[] = [];
  readonly #nodes = new ByteCache<Node>(KEPT_BYTES, ({ bytes }) => bytes.length);
  readonly #searched = new Budget("bytes of btrfs trees", MAX_SEARCHED);
  #chunks: ChunkMap;

  /** @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED */
  constructor(source: ByteSource) {
    this.source = source;
    this.superblock = readSuperblock(source);
    this.#chunks = this.#systemChunks();
    this.#chunks = this.#allChunks();
  }

  get isPartial(): boolean {
    return this.#chunks.isPartial;
  }

  /** @throws FILESYSTEM_DAMAGED when no copy is what the pointer says, BUDGET_EXCEEDED */
  node(pointer: NodePointer): Node {
    const node = this.#nodes.get(pointer.logical, () => this.#readNode(pointer));
    if (node.level !== pointer.level || node.generation !== pointer.generation) {
      throw damaged(`a block of ${pointer.what} is that of another tree`);
    }
    return node;
  }

  /**
   * Fills `target` with content. With checksums, a sector whose first copy is wrong is taken from another one;
   * `logical` and the length are in whole sectors then.
   * @throws FILESYSTEM_DAMAGED, FEATURE_UNSUPPORTED as `ChunkMap.place`
   */
  readContent(logical: number, target: Uint8Array, expected: ExpectedChecksum | null): void {
    for (let done = 0; done < target.length;) {
      const { length, places } = this.#chunks.place(logical + done, target.length - done);
      this.#readPiece(logical + done, target.subarray(done, done + length), places, expected);
      done += length;
    }
  }

  /** Where content lies on the device, if in one place only. Bytes, at most `length`. */
  soleCopy(logical: number, length: number): { readonly offset: number; readonly length: number } | null {
    const { length: available, places } = this.#chunks.place(logical, length);
    const [offset, another] = places;
    return offset === undefined || another !== undefined ? null : { offset, length: available };
  }

  #readPiece(logical: number, target: Uint8Array, places: readonly number[], expected: ExpectedChecksum | null): void {
    const { sectorSize, checksum } = this.superblock;
    const [first, ...others] = places;
    const isRead = first !== undefined && this.#isReadable(first, target);
    for (let at = 0; at < target.length; at += sectorSize) {
      const sector = target.subarray(at, at + sectorSize);
      const stored = expected?.(logical + at) ?? null;
      const isGood = () => stored === null || checksum.matches(sector, stored);
      if (isRead && isGood()) continue;
      if (others.some((place) => this.#isReadable(place + at, sector) && isGood())) {
        this.#noteBadCopy();
        continue;
      }
      throw damaged(`the content at the logical address ${logical + at} is not what its checksum says`);
    }
  }

  #readNode(pointer: NodePointer): Node {
    const { nodeSize, sectorSize } = this.superblock;
    const { logical, what } = pointer;
    if (logical % sectorSize !== 0) throw damaged(`a block of ${what} lies at ${logical}`);
    const { length, places } = this.#chunks.place(logical, nodeSize);
    if (length < nodeSize) throw damaged(`a block of ${what} at ${logical} reaches out of its chunk`);
    for (const [index, place] of places.entries()) {
      this.#searched.spend(nodeSize);
      const bytes = new Uint8Array(nodeSize);
      if (!this.#isReadable(place, bytes) || !this.#isWhatItShouldBe(bytes, pointer)) continue;
      if (index > 0) this.#noteBadCopy();
      return new Node(bytes, what);
    }
    throw damaged(`a block of ${what} at ${logical} is not what it should be (by its checksum or its header)`);
  }

  /** A copy that cannot be read is as bad as one that is wrong. */
  #isReadable(place: number, target: Uint8Array): boolean {
    try {
      this.source.read(place, target.length, target);
      return true;
    } catch (error) {
      if (error instanceof GuestbootError && UNREADABLE.includes(error.code)) return false;
      throw error;
    }
  }

  #isWhatItShouldBe(bytes: Uint8Array, { logical, level, generation }: NodePointer): boolean {
    const { checksum, blockUuid } = this.superblock;
    const stored = bytes.subarray(HEADER.checksum, checksum.size);
    const header = new DataView(bytes.buffer, bytes.byteOffset, HEADER.size);
    return (
      header.getUint8(HEADER.level) === level &&
      header.getBigUint64(HEADER.logical, true) === BigInt(logical) &&
      header.getBigUint64(HEADER.generation, true) === BigInt(generation) &&
      Buffer.compare(bytes.subarray(HEADER.uuid, HEADER.uuid + blockUuid.length), blockUuid) === 0 &&
      checksum.matches(bytes.subarray(HEADER.uuid), stored)
    );
  }

  #noteBadCopy(): void {
    if (this.notes.includes(BAD_COPY)) return;
    this.notes.push(BAD_COPY);
  }

  /** The chunks that hold the chunk tree are in the superblock, so that it can be found. */
  #systemChunks(): ChunkMap {
    const { systemChunks, deviceId, deviceCount } = this.superblock;
    const reader = new CheckedReader(systemChunks, "btrfs sys_chunk_array");
    const found = [];
    for (let at = 0; at < systemChunks.length;) {
      const count = reader.u16le(at + KEY_SIZE + CHUNK_SIZE.count, "num_stripes");
      const length = CHUNK_SIZE.header + count * CHUNK_SIZE.stripe;
      const item = reader.bytes(at + KEY_SIZE, length, "chunk");
      found.push(readChunk(reader.u64le(at + 9, "key.offset"), new CheckedReader(item, "btrfs chunk")));
      at += KEY_SIZE + length;
    }
    const map = new ChunkMap(deviceId, deviceCount);
    for (const chunk of found.sort((left, right) => left.start - right.start)) map.add(chunk);
    return map;
  }

  #allChunks(): ChunkMap {
    const { deviceId, deviceCount, chunkTree } = this.superblock;
    const map = new ChunkMap(deviceId, deviceCount);
    const from: Key = { objectid: FIRST_CHUNK_TREE, type: CHUNK_ITEM, offset: 0 };
    for (const { key, data } of itemsFrom(this, chunkTree, from)) {
      if (key.objectid === FIRST_CHUNK_TREE && key.type === CHUNK_ITEM) map.add(readChunk(key.offset, data));
    }
    return map;
  }
}

const BAD_COPY = "a copy of something in it is damaged, and another was read: run btrfs scrub in the guest";
const UNREADABLE: readonly string[] = ["OUT_OF_BOUNDS", "DISK_UNREADABLE"];
