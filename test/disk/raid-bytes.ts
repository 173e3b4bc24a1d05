/** Superblocks of Linux RAIDs, written by their format's description: only a kernel with md could make arrays. */

const MAGIC = 0xa92b4efc;
const SECTOR = 512;
const HEADER = 256;
/** The layout of a RAID 10 with two copies side by side. */
const NEAR_2 = 0x102;

/** struct mdp_superblock_1; `role` 0xffff is a spare */
export function putNewSuperblock(
  disk: Buffer,
  version: "1.0" | "1.1" | "1.2",
  level: number,
  dataStart: number,
  dataSize: number,
  role: number,
): void {
  const sectors = disk.length / SECTOR;
  const sector = version === "1.1" ? 0 : version === "1.2" ? 8 : sectors - 16 - ((sectors - 16) % 8);
  const block = disk.subarray(sector * SECTOR, sector * SECTOR + HEADER + 4);
  block.fill(0);
  block.writeUInt32LE(MAGIC, 0);
  block.writeUInt32LE(1, 4);
  block.fill(0x5a, 16, 32);
  block.write("guest:0", 32, "latin1");
  block.writeInt32LE(level, 72);
  block.writeUInt32LE(level === 10 ? NEAR_2 : 0, 76);
  block.writeBigUInt64LE(BigInt(dataSize / SECTOR), 80);
  block.writeUInt32LE(level === 1 ? 0 : 128, 88);
  block.writeUInt32LE(4, 92);
  block.writeBigUInt64LE(BigInt(dataStart / SECTOR), 128);
  block.writeBigUInt64LE(BigInt(dataSize / SECTOR), 136);
  block.writeBigUInt64LE(BigInt(sector), 144);
  block.fill(0xa5, 168, 184);
  block.writeUInt32LE(2, 220);
  block.writeUInt16LE(role, HEADER);
  block.writeUInt16LE(1, HEADER + 2);
  let sum = 0n;
  for (let at = 0; at < block.length; at += 4) sum += BigInt(block.readUInt32LE(at));
  block.writeUInt32LE(Number(((sum & 0xffffffffn) + (sum >> 32n)) & 0xffffffffn), 216);
}

/** struct mdp_super_s (metadata 0.90) */
export function putOldSuperblock(disk: Buffer, level: number, dataSize: number, role: number): void {
  const at = disk.length - (disk.length % 65536) - 65536;
  const block = disk.subarray(at, at + 4096);
  block.fill(0);
  const words: readonly (readonly [number, number])[] = [
    [0, MAGIC],
    [2, 90],
    [5, 0x5a5a5a5a],
    [7, level],
    [8, dataSize / 1024],
    [9, 4],
    [10, 4],
    [64, level === 10 ? NEAR_2 : 0],
    [65, 65536],
    // This disk: number 0, active and in step, unless it is a spare.
    [992 + 4, role === 0 ? 6 : 0],
  ];
  for (const [word, value] of words) block.writeUInt32LE(value, word * 4);
  let sum = 0n;
  for (let word = 0; word < 1024; word++) sum += BigInt(block.readUInt32LE(word * 4));
  block.writeUInt32LE(Number(((sum & 0xffffffffn) + (sum >> 32n)) & 0xffffffffn), 38 * 4);
}
