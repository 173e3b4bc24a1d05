import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { readGpt } from "../../src/disk/gpt.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { readVolumes, type VolumeTable } from "../../src/disk/volumes.ts";
import { seeded } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-gpt-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
const image = path.join(folder, "disk.img");
const MIB = 1024 * 1024;

function makeDisk(sizeMiB = 40): void {
  fs.writeFileSync(image, "");
  fs.truncateSync(image, sizeMiB * MIB);
}

const sgdisk = (...args: readonly string[]) => call("sgdisk", [...args, image], "gdisk");

/** Quicker than sgdisk, which waits a second after each table. */
const sfdisk = (...lines: readonly string[]) =>
  call("sfdisk", ["-q", image], "fdisk", ["label: gpt", ...lines, ""].join("\n"));

function ours(file = image): VolumeTable {
  using disk = openDisk(file);
  return readVolumes(disk.source, { sectorSize: disk.sectorSize });
}

const names = ({ volumes }: VolumeTable) => volumes.map(({ name }) => name);

/** Where a volume's first byte lies on the disk. */
const startOf = (volume: VolumeTable["volumes"][number]) => volume.source.onDisk?.(0, 1)?.offset;

interface SfdiskTable {
  readonly sectorsize: number;
  readonly partitions: readonly { node: string; start: number; size: number; uuid: string; name?: string }[];
}

/** As sfdisk reads the same table: number, first byte, bytes, PARTUUID, name. */
function judged(file = image) {
  const text = Buffer.from(call("sfdisk", ["--json", file], "fdisk"), "latin1").toString("utf8");
  const { partitiontable } = JSON.parse(text) as { partitiontable: SfdiskTable };
  const { sectorsize, partitions } = partitiontable;
  return partitions.map(({ node, start, size, uuid, name }) => [
    Number(/\d+$/.exec(node)?.[0]),
    start * sectorsize,
    size * sectorsize,
    uuid.toLowerCase(),
    name ?? null,
  ]);
}

const seen = (table: VolumeTable) =>
  table.volumes
    .map((volume) => [volume.number, startOf(volume), volume.source.size, volume.partitionUuid, volume.partitionLabel])
    .sort((a, b) => Number(a[0]) - Number(b[0]));

describe("a GPT that a tool wrote", () => {
  it.each<[string, readonly string[]]>([
    ["three partitions", ["-n1:0:+5M", "-n2:0:+6M", "-n3:0:0"]],
    [
      "names of all letters",
      ["-n1:0:+5M", "-c1:Wurzel-ö-日本", "-n2:0:+1M", "-c2:123456789012345678901234567890123456"],
    ],
    ["gaps, in no order", ["-n5:30M:+5M", "-n2:2M:+1M", "-n128:20M:+3M"]],
    ["types", ["-n1:0:+5M", "-t1:ef00", "-n2:0:+5M", "-t2:8e00", "-n3:0:+1M", "-t3:ef02"]],
    ["four entries", ["-S4", "-n4:0:+1M"]],
    ["1000 entries", ["-S1000", "-n1:0:+1M", "-n1000:0:+1M"]],
    ["its entries elsewhere", ["-j1000", "-a1", "-n3:5M:+1M"]],
  ])("(%s) is read as sfdisk reads it", (_what, args) => {
    makeDisk();
    sgdisk(...args);
    const table = ours();
    expect([table.table, table.sectorSize, table.notes]).toEqual(["gpt", 512, []]);
    expect(seen(table)).toEqual(judged());
  });

  it("names its types as people do", () => {
    makeDisk();
    sgdisk("-n1:0:+1M", "-t1:ef00", "-n2:0:+1M", "-t2:8300", "-n3:0:+1M", "-t3:fd00");
    sgdisk("-n4:0:+1M", "-t4:11111111-2222-3333-4444-555555555555");
    expect(ours().volumes.map(({ typeName }) => typeName)).toEqual([
      "EFI system",
      "Linux",
      "Linux RAID",
      "11111111-2222-3333-4444-555555555555",
    ]);
  });

  it("puts the partition that a legacy BIOS boots first", () => {
    makeDisk();
    sgdisk("-n1:0:+1M", "-n2:0:+1M", "-n3:0:+1M", "-A2:set:2");
    const table = ours();
    expect(names(table)).toEqual(["partition 2", "partition 1", "partition 3"]);
    expect(table.volumes.map(({ active }) => active)).toEqual([true, false, false]);
  });

  it("beside an MBR that names some of its partitions, too, takes from that which is active", () => {
    makeDisk();
    sgdisk("-n1:0:+5M", "-n2:0:+5M", "-n3:0:+5M");
    sgdisk("--hybrid=2:3");
    // sgdisk asks nothing then, and makes none active: the status of the MBR's entry for partition 3.
    const entries = [1, 2, 3].map((index) => ({ index, type: readByte(446 + index * 16 + 4) }));
    const last = entries.filter(({ type }) => type !== 0 && type !== 0xee).at(-1)?.index ?? 0;
    writeByte(446 + last * 16, 0x80);
    const table = ours();
    expect([table.table, names(table)]).toEqual(["gpt", ["partition 3", "partition 1", "partition 2"]]);
  });

  it("in sectors of 4096 bytes is read from the device and from the bare file", () => {
    makeDisk();
    const device = call("losetup", ["--find", "--show", "--sector-size", "4096", image], "mount").trim();
    try {
      call("sgdisk", ["-n1:0:+5M", "-n2:0:+6M", device], "gdisk");
      expect(ours(device).sectorSize).toBe(4096);
      expect(seen(ours(device))).toEqual(judged(device));
      expect(seen(ours())).toEqual(judged(device));
      expect(ours().sectorSize).toBe(4096);
    } finally {
      call("losetup", ["--detach", device], "mount");
    }
  });
});

function readByte(at: number): number {
  return fs.readFileSync(image)[at] ?? 0;
}

function writeByte(at: number, value: number): void {
  write(at, Buffer.of(value));
}

function write(at: number, bytes: Buffer): void {
  const fd = fs.openSync(image, "r+");
  fs.writeSync(fd, bytes, 0, bytes.length, at);
  fs.closeSync(fd);
}

describe("a GPT whose first copy is damaged", () => {
  it.each<[string, () => void, string]>([
    ["its header", () => writeByte(512 + 40, 0xff), "its header's checksum is wrong"],
    ["its entries", () => writeByte(1024 + 60, 0xff), "its entries' checksum is wrong"],
    ["all of it", () => write(512, Buffer.alloc(34 * 512)), "is missing"],
    ["its size", () => writeByte(512 + 13, 0xff), "its header has"],
  ])("(%s) is read by its second, with a note", (_what, damage, words) => {
    makeDisk();
    sfdisk("size=5MiB, name=name", "size=8MiB");
    const before = seen(ours());
    damage();
    const table = ours();
    expect(seen(table)).toEqual(before);
    expect(table.notes).toEqual([expect.stringContaining(words)]);
    expect(table.notes).toEqual([expect.stringContaining("backup")]);
  });

  it("and its second, too, names no partitions, with a note", () => {
    makeDisk();
    sfdisk("size=5MiB");
    writeByte(512 + 40, 0xff);
    writeByte(40 * MIB - 512 + 40, 0xff);
    const table = ours();
    expect([table.volumes, table.notes]).toEqual([[], [expect.stringContaining("GPT is damaged")]]);
  });

  it("whose second is not at the disk's end, because the disk has grown, is read by its first", () => {
    makeDisk();
    sfdisk("size=5MiB");
    fs.truncateSync(image, 80 * MIB);
    expect([names(ours()), ours().notes]).toEqual([["partition 1"], []]);
  });
});

describe("a disk with a GPT and no protective MBR", () => {
  it("is asked as a whole first: the table may be left from before", () => {
    makeDisk();
    sfdisk("size=5MiB");
    write(0, Buffer.alloc(512));
    const table = ours();
    expect([names(table), table.notes]).toEqual([
      ["whole disk", "partition 1"],
      [expect.stringContaining("without the protective MBR")],
    ]);
  });
});

describe("a GPT with a right checksum and wrong content", () => {
  /** The table of a disk of 1 MiB, changed and under a checksum that fits. */
  function forged(change: (header: Buffer, entries: Buffer) => void): Buffer {
    makeDisk(1);
    sfdisk("first-lba: 34", "start=40, size=61", "start=200, size=101");
    const disk = fs.readFileSync(image);
    const header = disk.subarray(512, 512 + 92);
    const entries = disk.subarray(1024, 1024 + 128 * 128);
    change(header, entries);
    header.writeUInt32LE(crc(entries), 88);
    header.writeUInt32LE(0, 16);
    header.writeUInt32LE(crc(header), 16);
    // The backup would tell the truth.
    disk.fill(0, disk.length - 512);
    return disk;
  }
  const crc = (bytes: Buffer) => process.getBuiltinModule("node:zlib").crc32(bytes);
  const table = (disk: Buffer) => readVolumes(memorySource(disk));

  it.each<[string, (header: Buffer, entries: Buffer) => void]>([
    ["4 billion entries", (header) => header.writeUInt32LE(0xffffffff, 80)],
    ["entries of 4 GiB", (header) => header.writeUInt32LE(0xffffff80, 84)],
    ["entries of no bytes", (header) => header.writeUInt32LE(0, 84)],
    ["entries past the disk's end", (header) => header.writeBigUInt64LE(1n << 40n, 72)],
    ["entries past 2^53", (header) => header.writeBigUInt64LE(1n << 63n, 72)],
    ["another's place", (header) => header.writeBigUInt64LE(7n, 24)],
  ])("(%s) is damaged", (_what, change) => {
    expect(table(forged(change))).toMatchObject({ volumes: [], notes: [expect.stringContaining("damaged") as string] });
  });

  it.each<[string, bigint, bigint, string]>([
    ["begins past the disk's end", 1n << 20n, 1n << 21n, "partition 1 begins past the disk's end"],
    ["begins past 2^53", 1n << 62n, 1n << 63n, "partition 1 begins past the disk's end"],
    ["ends past 2^53", 40n, (1n << 64n) - 1n, "partition 1 reaches past the disk's end"],
    ["ends before it begins", 100n, 40n, "partition 1 ends before it begins"],
  ])("(a partition that %s) leaves the others readable, with a note", (_what, first, last, note) => {
    const disk = forged((_header, entries) => {
      entries.writeBigUInt64LE(first, 32);
      entries.writeBigUInt64LE(last, 40);
    });
    const { volumes, notes } = table(disk);
    expect(notes).toEqual([note]);
    expect(volumes.at(-1)?.name).toBe("partition 2");
  });

  it("or bytes changed by chance never fails without a reason", () => {
    const random = seeded(6);
    const disk = forged(() => undefined);
    for (let round = 0; round < 300; round++) {
      const bad = Buffer.from(disk);
      for (let change = 0; change < 3; change++) bad.writeUInt8(random() & 0xff, 512 + (random() % 800));
      try {
        readGpt(memorySource(bad.subarray(0, 600 + (random() % (bad.length - 600)))), [512, 4096]);
        table(bad);
      } catch (error) {
        expect(error).toBeInstanceOf(GuestbootError);
      }
    }
  });
});
