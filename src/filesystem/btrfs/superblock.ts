/**
 * The superblock and its mirrors. All of them are written at every commit; the newest one whose checksum is right counts,
 * among those of one filesystem. A volume is taken for btrfs by the first one only: mirrors outlive a new mkfs.
 * Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "Superblock".
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { nameText, uuidText } from "../volume-names.ts";
import { checksumKind, type ChecksumKind } from "./checksum.ts";
import { damaged } from "./damage.ts";
import { checkFeatures, checkState, featureNames, METADATA_UUID } from "./features.ts";
import type { TreeRoot } from "./tree-root.ts";

export interface Superblock {
  readonly uuid: string;
  /** Names of the incompatible features that are on. */
  readonly features: readonly string[];
  readonly label: string | null;
  /** What tree blocks are signed with, 16 bytes. */
  readonly blockUuid: Uint8Array;
  readonly checksum: ChecksumKind;
  /** Bytes of a block of content, the unit of checksums and of LZO. */
  readonly sectorSize: number;
  /** Bytes of a tree block. */
  readonly nodeSize: number;
  readonly rootTree: TreeRoot;
  readonly chunkTree: TreeRoot;
  /** Is there a log of what was synced since the last commit? */
  readonly hasLog: boolean;
  /** The folder of the root tree that names the default subvolume. */
  readonly rootDirectory: number;
  readonly deviceCount: number;
  /** Which of the devices this is. */
  readonly deviceId: number;
  /** Bytes that the filesystem takes on this device. */
  readonly deviceSize: number;
  /** Chunk items of the chunks that hold the chunk tree, with their keys. */
  readonly systemChunks: Uint8Array;
  /** Did the first superblock have to be passed over? */
  readonly isMirror: boolean;
}

export function hasBtrfsMagic(source: ByteSource): boolean {
  const at = FIRST + MAGIC_AT;
  return at + MAGIC.length <= source.size && Buffer.from(source.read(at, MAGIC.length)).toString("latin1") === MAGIC;
}

/** @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED, OUT_OF_BOUNDS */
export function readSuperblock(source: ByteSource): Superblock {
  let newest: Candidate | null = null;
  for (const place of PLACES) {
    if (place + SIZE > source.size) continue;
    const candidate = readCandidate(source.read(place, SIZE), place);
    if (candidate === null) continue;
    // A mirror of what the disk held before is none of this filesystem.
    if (newest !== null && (candidate.uuid !== newest.uuid || candidate.generation <= newest.generation)) continue;
    newest = candidate;
  }
  if (newest === null) throw damaged("no superblock has a right checksum");
  return decode(newest);
}

const FIRST = 64 * 1024;
const PLACES = [FIRST, 64 * 1024 ** 2, 256 * 1024 ** 3];
const SIZE = 4096;
const MAGIC = "_BHRfS_M";
const MAGIC_AT = 0x40;
const CHECKSUM_SIZE = 32;
const MAX_SYSTEM_CHUNKS = 2048;
const MAX_LABEL = 256;
const MAX_LEVEL = 7;

interface Candidate {
  readonly reader: CheckedReader;
  readonly place: number;
  readonly uuid: string;
  readonly generation: number;
  readonly checksum: ChecksumKind;
}

/** A superblock that says that it lies where it does, with the right checksum; otherwise null. */
function readCandidate(bytes: Uint8Array, place: number): Candidate | null {
  const reader = new CheckedReader(bytes, "btrfs superblock");
  if (Buffer.from(reader.bytes(MAGIC_AT, MAGIC.length, "magic")).toString("latin1") !== MAGIC) return null;
  if (reader.u32le(0x30, "bytenr") !== place % 2 ** 32) return null;
  if (reader.u32le(0x34, "bytenr") !== Math.floor(place / 2 ** 32)) return null;
  const checksum = checksumKind(reader.u16le(0xc4, "csum_type"));
  const stored = reader.bytes(0, CHECKSUM_SIZE, "csum").subarray(0, checksum.size);
  if (!checksum.matches(bytes.subarray(CHECKSUM_SIZE), stored)) return null;
  const generation = reader.u64le(0x48, "generation");
  return { reader, place, uuid: uuidText(reader.bytes(0x20, 16, "fsid")), generation, checksum };
}

function decode({ reader, place, uuid, generation, checksum }: Candidate): Superblock {
  checkState(bitsAt(reader, 0x38, "flags"));
  const incompat = bitsAt(reader, 0xbc, "incompat_flags");
  checkFeatures(incompat);
  const sectorSize = reader.u32le(0x90, "sectorsize");
  const nodeSize = reader.u32le(0x94, "nodesize");
  if (!isSize(sectorSize)) throw damaged(`its sectors have ${sectorSize} bytes`);
  if (!isSize(nodeSize) || nodeSize < sectorSize) throw damaged(`its tree blocks have ${nodeSize} bytes`);
  const systemSize = reader.u32le(0xa0, "sys_chunk_array_size");
  if (systemSize > MAX_SYSTEM_CHUNKS) throw damaged(`its first chunks take ${systemSize} bytes`);
  return {
    uuid,
    features: featureNames(incompat),
    label: nameText(reader.bytes(0x12b, MAX_LABEL, "label")),
    blockUuid: incompat.includes(METADATA_UUID)
      ? reader.bytes(0x23b, 16, "metadata_uuid")
      : reader.bytes(0x20, 16, "fsid"),
    checksum,
    sectorSize,
    nodeSize,
    rootTree: {
      what: "the root tree",
      logical: reader.u64le(0x50, "root"),
      level: levelAt(reader, 0xc6, "root_level"),
      generation,
    },
    chunkTree: {
      what: "the chunk tree",
      logical: reader.u64le(0x58, "chunk_root"),
      level: levelAt(reader, 0xc7, "chunk_root_level"),
      generation: reader.u64le(0xa4, "chunk_root_generation"),
    },
    hasLog: reader.u64le(0x60, "log_root") !== 0,
    rootDirectory: reader.u64le(0x80, "root_dir_objectid"),
    deviceCount: reader.u64le(0x88, "num_devices"),
    deviceId: reader.u64le(0xc9, "dev_item.devid"),
    deviceSize: reader.u64le(0xd1, "dev_item.total_bytes"),
    systemChunks: reader.bytes(0x32b, systemSize, "sys_chunk_array"),
    isMirror: place !== FIRST,
  };
}

function levelAt(reader: CheckedReader, offset: number, field: string): number {
  const level = reader.u8(offset, field);
  if (level > MAX_LEVEL) throw damaged(`its ${field} is ${level}`);
  return level;
}

/** Sectors and tree blocks have 4 to 64 KiB. */
function isSize(bytes: number): boolean {
  return bytes >= 4096 && bytes <= 65536 && (bytes & (bytes - 1)) === 0;
}

function bitsAt(reader: CheckedReader, offset: number, field: string): number[] {
  const [low, high] = [reader.u32le(offset, field), reader.u32le(offset + 4, field)];
  const all = Array.from({ length: 64 }, (_, bit) => bit);
  return all.filter((bit) => (((bit < 32 ? low : high) >>> (bit % 32)) & 1) === 1);
}
