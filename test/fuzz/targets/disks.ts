/** Partition tables, volume managers and disk images. */
import * as fs from "node:fs";
import { crc32 } from "node:zlib";
import { memorySource } from "../../../src/base/byte-source.ts";
import { crcOfLvm } from "../../../src/disk/lvm/checksum.ts";
import { parseMetadata } from "../../../src/disk/lvm/metadata-text.ts";
import { readVolumeGroup, seenVolumes } from "../../../src/disk/lvm/volume-group.ts";
import { readVolumes } from "../../../src/disk/volumes.ts";
import { decodeText } from "../../../src/base/text.ts";
import type { ByteSource } from "../../../src/base/byte-source.ts";
import { noise } from "../../base/seeded.ts";
import { withLvmDisk } from "../../disk/lvm-disk.ts";
import { putNewSuperblock, putOldSuperblock } from "../../disk/raid-bytes.ts";
import { chainDisk } from "../../disk/table-bytes.ts";
import { call } from "../../filesystem/call.ts";
import { openPacked, packImage, tableSize } from "../packed-image.ts";
import { bytesOf, ignoreRefusal, type FuzzTarget } from "../target.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";

const MIB = 1 << 20;
const SECTOR = 512;
const GPT_ENTRIES = 128 * 128;

const packed = { isFixedSize: true, largest: 4 * MIB, fixedHead: tableSize } as const;

/** Reads the beginning of each volume, as whoever looks for a filesystem does. */
function useDisk(source: ByteSource): void {
  for (const { source: volume } of readVolumes(source).volumes) {
    for (const at of [0, 64 * 1024, volume.size - SECTOR]) readIfThere(volume, at);
  }
}

function readIfThere(volume: ByteSource, at: number): void {
  try {
    volume.read(at, SECTOR);
  } catch (error) {
    ignoreRefusal(error);
  }
}

function partitioned(label: "dos" | "gpt", script: string): Uint8Array {
  return inTemporaryFolder((folder) => {
    const image = `${folder}/disk`;
    fs.writeFileSync(image, "");
    fs.truncateSync(image, 8 * MIB);
    call("sfdisk", ["-q", "--no-reread", "--no-tell-kernel", image], "fdisk", `label: ${label}\n${script}`);
    return new Uint8Array(fs.readFileSync(image));
  });
}

const MBR_SCRIPT =
  "start=64,size=100\nstart=200,size=4000,type=5\nstart=264,size=100\nstart=464,size=100\nstart=5000,size=9\n";

/** UEFI Specification, "GUID Partition Table": the checksums of both headers and of their entries. */
function repairGpt(input: Uint8Array): void {
  const { source, blocks } = openPacked(input);
  for (const { at, bytes } of blocks()) {
    if (Buffer.from(bytes.subarray(0, 8)).toString("latin1") !== "EFI PART") continue;
    const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    const entries = at === SECTOR ? 2 * SECTOR : at - GPT_ENTRIES;
    // A mutation may put the signature anywhere.
    if (entries < 0 || entries + GPT_ENTRIES > source.size) continue;
    header.writeUInt32LE(crc32(source.read(entries, GPT_ENTRIES)), 88);
    header.writeUInt32LE(0, 16);
    const size = Math.min(header.readUInt32LE(12), SECTOR);
    header.writeUInt32LE(crc32(header.subarray(0, size)), 16);
  }
}

/** lvm2's on-disk format: the checksums of the label, of each metadata header and of the text that it names. */
function repairLvm(input: Uint8Array): void {
  const { source, blocks } = openPacked(input);
  for (const { at, bytes } of blocks()) {
    const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (block.toString("latin1", 0, 8) === "LABELONE") block.writeUInt32LE(crcOfLvm(block.subarray(20)), 16);
    if (block.toString("latin1", 4, 20) !== " LVM2 x[5A%r0N*>") continue;
    const offset = at + Number(block.readBigUInt64LE(40));
    const size = Number(block.readBigUInt64LE(48));
    if (size < MIB && offset + size <= source.size) {
      block.writeUInt32LE(crcOfLvm(source.read(offset, size)), 56);
    }
    block.writeUInt32LE(crcOfLvm(block.subarray(4)), 0);
  }
}

function lvmDisk(): Uint8Array {
  return inTemporaryFolder((folder) => {
    const image = `${folder}/disk`;
    withLvmDisk(image, 8, (disk) => {
      disk.lvm("pvcreate", "--metadatacopies", "2", "--metadatasize", "64k", "--dataalignment", "64k", disk.device);
      disk.lvm("vgcreate", "-s", "64k", "guest", disk.device);
      for (const name of ["root", "boot"]) disk.lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", "10", "-n", name, "guest");
    });
    return new Uint8Array(fs.readFileSync(image));
  });
}

function raidDisks(): Uint8Array[] {
  const disks = (["1.0", "1.1", "1.2"] as const).map((version) => {
    const disk = Buffer.alloc(2 * MIB);
    putNewSuperblock(disk, version, 1, MIB / 2, MIB, 0);
    return disk;
  });
  const old = Buffer.alloc(2 * MIB);
  putOldSuperblock(old, 1, MIB, 0);
  return [...disks, old].map((disk) => packImage(disk, SECTOR));
}

/** Linux, `include/uapi/linux/raid/md_p.h`: the sum of all words but itself, of what its own fields say is its length. */
function repairRaid(input: Uint8Array): void {
  for (const { bytes } of openPacked(input).blocks()) {
    const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (block.readUInt32LE(0) !== 0xa92b4efc || block.readUInt32LE(4) !== 1) continue;
    block.writeUInt32LE(0, 216);
    let sum = 0n;
    const length = Math.min(256 + 2 * block.readUInt32LE(220), SECTOR);
    for (let at = 0; at + 4 <= length; at += 4) sum += BigInt(block.readUInt32LE(at));
    if (length % 4 === 2) sum += BigInt(block.readUInt16LE(length - 2));
    block.writeUInt32LE(Number(((sum & 0xffffffffn) + (sum >> 32n)) & 0xffffffffn), 216);
  }
}

/** disklabel(5): the exclusive or of all 16-bit words is 0. */
function repairBsdLabel(input: Uint8Array): void {
  const label = Buffer.from(input.buffer, input.byteOffset, input.length).subarray(17 * SECTOR, 18 * SECTOR);
  if (label.length < SECTOR || label.readUInt32LE(0) !== 0x82564557) return;
  label.writeUInt16LE(0, 136);
  let sum = 0;
  for (let at = 0; at < Math.min(148 + 16 * label.readUInt16LE(138), SECTOR); at += 2) sum ^= label.readUInt16LE(at);
  label.writeUInt16LE(sum, 136);
}

/** An image of a disk of which the half is noise. */
function imageOf(...args: readonly string[]): Uint8Array {
  return inTemporaryFolder((folder) => {
    fs.writeFileSync(`${folder}/raw`, Buffer.concat([noise(70_000, 9), Buffer.alloc(MIB - 70_000)]));
    call("qemu-img", ["convert", "-f", "raw", `${folder}/raw`, `${folder}/image`, ...args], "qemu-utils");
    return packImage(fs.readFileSync(`${folder}/image`), SECTOR);
  });
}

/** VHD specification, "Checksum": the complement of the sum of the other bytes. */
function repairVhd(input: Uint8Array): void {
  for (const { bytes } of openPacked(input).blocks()) {
    const head = Buffer.from(bytes.subarray(0, 8)).toString("latin1");
    const [field, size] = head === "conectix" ? [64, 512] : head === "cxsparse" ? [36, 1024] : [0, 0];
    if (field === 0) continue;
    const block = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(size, input.length - bytes.byteOffset));
    block.writeUInt32BE(0, field);
    block.writeUInt32BE(~block.reduce((sum, byte) => sum + byte, 0) >>> 0, field);
  }
}

export const diskTargets: readonly FuzzTarget[] = [
  {
    ...packed,
    name: "MBR",
    seeds: () => [partitioned("dos", MBR_SCRIPT), chainDisk(5)].map((disk) => packImage(disk, SECTOR)),
    dictionary: [
      Uint8Array.of(0x55, 0xaa),
      Uint8Array.of(0x05),
      Uint8Array.of(0xee),
      Uint8Array.of(0xa5),
      Uint8Array.of(0x82),
    ],
    run: (input) => useDisk(openPacked(input).source),
  },
  {
    ...packed,
    name: "GPT",
    seeds: () => [packImage(partitioned("gpt", "start=2048,size=100,name=boot\nstart=4096\n"), SECTOR)],
    repair: repairGpt,
    run: (input) => useDisk(openPacked(input).source),
  },
  {
    ...packed,
    name: "LVM",
    seeds: () => [packImage(lvmDisk(), SECTOR)],
    dictionary: [
      '"striped"',
      '"raid1"',
      '"mirror"',
      '"thin-pool"',
      "stripes = [",
      "segment_count = ",
      "extent_count = ",
    ],
    repair: repairLvm,
    run: (input) => useDisk(openPacked(input).source),
  },
  {
    name: "LVM metadata",
    seeds: () => [metadataText(lvmDisk())],
    dictionary: ["{", "}", "[", "]", "=", '"', "#", "\n", "segment1", "stripe_count = 2", "raids = [", "mirrors = ["],
    run: (input) => {
      const text = decodeText(input);
      parseMetadata(text);
      seenVolumes(readVolumeGroup(text));
    },
  },
  { ...packed, name: "RAID", seeds: raidDisks, repair: repairRaid, run: (input) => useDisk(openPacked(input).source) },
  {
    ...packed,
    name: "VHD",
    seeds: () => [imageOf("-O", "vpc", "-o", "subformat=dynamic"), imageOf("-O", "vpc", "-o", "subformat=fixed")],
    repair: repairVhd,
    run: (input) => useImage(openPacked(input).source),
  },
  {
    ...packed,
    name: "QCOW2",
    seeds: () => [
      imageOf("-O", "qcow2", "-o", "cluster_size=512"),
      imageOf("-O", "qcow2", "-o", "compat=0.10"),
      imageOf("-O", "qcow2", "-c"),
      imageOf("-O", "qcow2", "-c", "-o", "compression_type=zstd"),
    ],
    run: (input) => useImage(openPacked(input).source),
  },
  {
    name: "BSD and Solaris labels",
    seeds: () => [bsdLabel(), solarisLabel()],
    isFixedSize: true,
    largest: 64 * 1024,
    repair: repairBsdLabel,
    run: (input) => useDisk(memorySource(input)),
  },
];

/** The last text of the first copy. */
function metadataText(disk: Uint8Array): Uint8Array {
  const text = Buffer.from(disk).toString("latin1");
  const start = text.lastIndexOf("guest {\nid", MIB);
  return bytesOf(text.slice(start, text.indexOf("\0", start)));
}

function useImage(source: ByteSource): void {
  const [whole] = readVolumes(source, { offset: 0 }).volumes;
  for (let at = 0; whole !== undefined && at < Math.min(whole.source.size, MIB); at += 64 * 1024) {
    readIfThere(whole.source, at);
  }
}

/** disklabel(5) of FreeBSD: magic, partitions, in the second sector of a slice of type 0xa5. */
function bsdLabel(): Uint8Array {
  const disk = slicedDisk(0xa5);
  const label = disk.subarray(16 * SECTOR + SECTOR);
  label.writeUInt32LE(0x82564557, 0);
  label.writeUInt32LE(SECTOR, 40);
  label.writeUInt32LE(0x82564557, 132);
  label.writeUInt16LE(2, 138);
  label.writeUInt32LE(32, 148);
  label.writeUInt32LE(20, 152);
  label.writeUInt8(7, 160);
  label.writeUInt32LE(8, 164);
  label.writeUInt32LE(60, 168);
  label.writeUInt8(17, 176);
  repairBsdLabel(disk);
  return disk;
}

/** The x86 VTOC of Solaris, in the second sector of a slice of type 0xbf. */
function solarisLabel(): Uint8Array {
  const disk = slicedDisk(0xbf);
  const label = disk.subarray(16 * SECTOR + SECTOR);
  label.writeUInt32LE(0x600ddeee, 12);
  label.writeUInt32LE(1, 16);
  label.writeUInt16LE(512, 28);
  label.writeUInt16LE(2, 30);
  label.writeUInt16LE(2, 72);
  label.writeUInt32LE(4, 76);
  label.writeUInt32LE(40, 80);
  label.writeUInt16LE(0xdabe, 508);
  return disk;
}

function slicedDisk(type: number): Buffer {
  const disk = Buffer.alloc(128 * SECTOR);
  disk.writeUInt8(0x80, 446);
  disk.writeUInt8(type, 450);
  disk.writeUInt32LE(16, 454);
  disk.writeUInt32LE(100, 458);
  disk.writeUInt16BE(0x55aa, 510);
  return disk;
}
