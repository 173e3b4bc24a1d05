/**
 * Members of Linux software RAIDs (md): the superblock, in its old form (0.90) and in the new one at its three places
 * (1.0, 1.1, 1.2), and where the member's data are (https://raid.wiki.kernel.org/index.php/RAID_superblock_formats,
 * md(4)). A member of a RAID 1 holds all of the array's data, so that it can be read as what it holds.
 *
 * Not here: putting arrays together of several disks; superblocks of big-endian machines (0.90); DDF and IMSM.
 */
import { sliceSource, type ByteSource } from "../base/byte-source.ts";
import { CheckedReader } from "../base/checked-reader.ts";

export type RaidMember =
  | { readonly kind: "readable"; readonly what: string; readonly source: ByteSource }
  | { readonly kind: "refused"; readonly what: string; readonly why: string };

const MAGIC = 0xa92b4efc;
const SECTOR = 512;
const OLD_SIZE = 4096;
const OLD_ALIGNMENT = 64 * 1024;
const NEW_SIZE = 256;
const MAX_ROLES = 1920;

/** What a head that is handed in must hold: the superblock of metadata 1.2 is at 4 KiB. */
export const RAID_HEAD_SIZE = 4096 + NEW_SIZE;

/**
 * What the superblock says, or null when none is there.
 * @param head the first `RAID_HEAD_SIZE` bytes, or fewer where the source is smaller
 * @throws DISK_UNREADABLE
 */
export function readRaidMember(source: ByteSource, head: Uint8Array): RaidMember | null {
  const sectors = Math.floor(source.size / SECTOR);
  const places = [
    { version: "1.1", sector: 0 },
    { version: "1.2", sector: 8 },
    // At least 8 KiB before the end, on a boundary of 4 KiB.
    { version: "1.0", sector: sectors - 16 - ((sectors - 16) % 8) },
  ];
  for (const { version, sector } of places) {
    const offset = sector * SECTOR;
    if (sector < 0 || offset + NEW_SIZE > source.size) continue;
    const bytes =
      offset + NEW_SIZE <= head.length ? head.subarray(offset, offset + NEW_SIZE) : source.read(offset, NEW_SIZE);
    const found = readNew(source, bytes, version, sector);
    if (found !== null) return found;
  }
  return readOld(source);
}

/** struct mdp_superblock_1 */
function readNew(source: ByteSource, start: Uint8Array, version: string, sector: number): RaidMember | null {
  const peek = new CheckedReader(start, "RAID superblock");
  if (peek.u32le(0, "magic") !== MAGIC || peek.u32le(4, "major version") !== 1) return null;
  const roles = peek.u32le(220, "number of roles");
  const size = NEW_SIZE + roles * 2;
  if (roles > MAX_ROLES || sector * SECTOR + size > source.size) return null;
  const bytes = source.read(sector * SECTOR, size);
  const block = new CheckedReader(bytes, "RAID superblock");
  if (block.u32le(216, "checksum") !== newChecksum(block)) return null;
  if (block.u32le(148, "own sector, high half") !== 0 || block.u32le(144, "own sector") !== sector) return null;

  const what = levelName(block.u32le(72, "level"), version);
  const device = block.u32le(160, "device number");
  const role = device < roles ? block.u16le(NEW_SIZE + device * 2, "role") : ROLE_SPARE;
  const why = refusal(block.u32le(72, "level"), block.u32le(92, "disks"), role);
  if (why !== null) return { kind: "refused", what, why };
  if ((block.u32le(8, "features") & FEATURE_RECOVERING) !== 0) return { kind: "refused", what, why: REBUILDING };
  const offset = block.u64le(128, "data offset") * SECTOR;
  const used = block.u64le(80, "size") * SECTOR || Infinity;
  const length = Math.min(block.u64le(136, "data size") * SECTOR, used, source.size - offset);
  return readable(source, what, offset, length);
}

const FEATURE_RECOVERING = 2;
const ROLE_SPARE = 0xffff;
const ROLE_FAULTY = 0xfffe;
const ROLE_JOURNAL = 0xfffd;
const REBUILDING = "it was still being rebuilt: its data are not complete";

function newChecksum(block: CheckedReader): number {
  let sum = 0;
  let at = 0;
  for (; at + 4 <= block.length; at += 4) if (at !== 216) sum += block.u32le(at, "checksum");
  if (at < block.length) sum += block.u16le(at, "checksum");
  return fold(sum);
}

/** A sum of 32-bit words, with what ran over added again. */
function fold(sum: number): number {
  return ((sum % 2 ** 32) + Math.floor(sum / 2 ** 32)) % 2 ** 32;
}

/** struct mdp_super_s of <linux/raid/md_p.h> */
function readOld(source: ByteSource): RaidMember | null {
  const offset = source.size - (source.size % OLD_ALIGNMENT) - OLD_ALIGNMENT;
  if (offset < 0) return null;
  const start = new CheckedReader(source.read(offset, 8), "RAID superblock");
  if (start.u32le(0, "magic") !== MAGIC || start.u32le(4, "major version") !== 0) return null;
  const block = new CheckedReader(source.read(offset, OLD_SIZE), "RAID superblock");
  let sum = 0;
  for (let at = 0; at < OLD_SIZE; at += 4) if (at !== OLD_CHECKSUM) sum += block.u32le(at, "checksum");
  if (fold(sum) !== block.u32le(OLD_CHECKSUM, "checksum")) return null;

  const level = block.u32le(28, "level");
  const what = levelName(level, "0.90");
  const state = block.u32le(OLD_THIS_DISK + 16, "state of this disk");
  const role = (state & STATE_FAULTY) !== 0 ? ROLE_FAULTY : (state & STATE_SYNC) === 0 ? ROLE_SPARE : 0;
  const why = refusal(level, block.u32le(40, "disks"), role);
  if (why !== null) return { kind: "refused", what, why };
  return readable(source, what, 0, Math.min(block.u32le(32, "size") * 1024 || offset, offset));
}

const OLD_CHECKSUM = 38 * 4;
/** The descriptor of the disk that the superblock stands on. */
const OLD_THIS_DISK = 992 * 4;
const STATE_FAULTY = 1;
const STATE_SYNC = 4;

function levelName(level: number, version: string): string {
  const name = LEVEL_NAMES[level | 0] ?? `RAID level ${level | 0}`;
  return `Linux ${name} (metadata ${version})`;
}

const LEVEL_NAMES: Readonly<Record<number, string>> = {
  [-5]: "RAID container",
  [-4]: "multipath",
  [-1]: "linear RAID",
  0: "RAID 0",
  1: "RAID 1",
  4: "RAID 4",
  5: "RAID 5",
  6: "RAID 6",
  10: "RAID 10",
};

function refusal(level: number, disks: number, role: number): string | null {
  if (role === ROLE_JOURNAL) return "it is the array's journal";
  if ((level | 0) !== 1) return `only RAID 1 can be read from one of its ${disks} disks`;
  if (role === ROLE_SPARE) return "it is a spare disk of the array and holds none of its data";
  if (role === ROLE_FAULTY) return "the array marked this disk as faulty: its data may be old";
  return null;
}

function readable(source: ByteSource, what: string, offset: number, length: number): RaidMember {
  if (!(length > 0)) return { kind: "refused", what, why: "its superblock says that its data lie outside of it" };
  return { kind: "readable", what, source: sliceSource(source, offset, length, what) };
}
