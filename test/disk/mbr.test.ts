import { describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { readMbr } from "../../src/disk/mbr.ts";
import { readVolumes } from "../../src/disk/volumes.ts";
import { noise, seeded } from "../base/seeded.ts";
import { chainDisk, putTable, type TableEntry } from "./table-bytes.ts";

const SECTOR = 512;
const LINUX = 0x83;

function diskWith(entries: readonly TableEntry[], sectors = 1000): Buffer {
  const disk = Buffer.alloc(sectors * SECTOR);
  putTable(disk, 0, entries);
  return disk;
}

const volumesOf = (disk: Uint8Array, sectorSize = SECTOR) => readVolumes(memorySource(disk), { sectorSize });
const names = (disk: Uint8Array) => volumesOf(disk).volumes.map(({ name }) => name);

describe("a disk without a partition table", () => {
  it.each([
    ["zeros", Buffer.alloc(8192)],
    ["noise", Buffer.from(noise(8192, 5))],
    ["an empty table", diskWith([])],
    ["a disk smaller than a sector", Buffer.alloc(100)],
    ["a table without its signature", diskWith([{ type: LINUX, start: 1, count: 9 }]).fill(0, 510, 512)],
  ])("(%s) is one volume, the whole disk", (_what, disk) => {
    const { table, volumes, notes } = volumesOf(disk);
    expect([table, notes]).toEqual(["none", []]);
    expect(volumes.map(({ name, number, source }) => [name, number, source.size])).toEqual([
      ["whole disk", null, disk.length],
    ]);
  });

  it("may begin with a boot sector, whose code is not taken for entries", () => {
    const disk = Buffer.alloc(8192);
    disk.write("Non-System disk or disk error. Replace and strike any key when ready. ", 440, "latin1");
    disk.writeUInt16LE(0xaa55, 510);
    expect(names(disk)).toEqual(["whole disk"]);
  });

  it("may have a boot sector with a signature and no entries", () => {
    const disk = Buffer.alloc(8192);
    disk.writeUInt16LE(0xaa55, 510);
    expect(names(disk)).toEqual(["whole disk"]);
  });
});

describe("the order of volumes", () => {
  it("is the table's, with the active one first", () => {
    const entries = [10, 20, 30].map((start) => ({ type: LINUX, start, count: 10 }));
    expect(names(diskWith(entries))).toEqual(["partition 1", "partition 2", "partition 3"]);
    const active = entries.map((entry, index) => ({ ...entry, status: index === 1 ? 0x80 : 0 }));
    expect(names(diskWith(active))).toEqual(["partition 2", "partition 1", "partition 3"]);
  });

  it("is not the disk's: partitions may stand in any order and leave gaps", () => {
    const disk = diskWith([
      { type: LINUX, start: 500, count: 10 },
      { type: 0, start: 0, count: 0 },
      { type: LINUX, start: 100, count: 10 },
    ]);
    expect(volumesOf(disk).volumes.map(({ number }) => number)).toEqual([1, 3]);
  });
});

describe("a partition that the disk does not hold", () => {
  it("whole is cut at the disk's end, with a note", () => {
    const { volumes, notes } = volumesOf(diskWith([{ type: LINUX, start: 990, count: 50 }]));
    expect(volumes.map(({ source }) => source.size)).toEqual([10 * SECTOR]);
    expect(notes).toEqual(["partition 1 reaches past the disk's end"]);
  });

  it("at all is left out, with a note", () => {
    const { volumes, notes } = volumesOf(diskWith([{ type: LINUX, start: 0xffffffff, count: 0xffffffff }]));
    expect(volumes).toEqual([]);
    expect(notes).toEqual(["partition 1 begins past the disk's end"]);
  });
});

describe("a GPT that the table names and that is not there", () => {
  it("is named in a note; the protective partition is no volume", () => {
    const { volumes, notes } = volumesOf(diskWith([{ type: 0xee, start: 1, count: 0xffffffff }]));
    expect(volumes).toEqual([]);
    expect(notes).toEqual([expect.stringContaining("GPT")]);
  });

  it("beside which the old table names partitions leaves those readable", () => {
    const hybrid = diskWith([
      { type: 0xee, start: 1, count: 33 },
      { type: LINUX, start: 34, count: 100 },
    ]);
    expect(names(hybrid)).toEqual(["partition 2"]);
  });
});

describe("the chain of logical partitions", () => {
  it("is read to its end, as far as Linux numbers partitions", () => {
    const two = readMbr(memorySource(chainDisk(200)), SECTOR);
    expect(two?.partitions.map(({ number }) => number)).toEqual(Array.from({ length: 200 }, (_, index) => index + 5));
    expect(two?.partitions[199]).toMatchObject({ start: 64 + 199 * 8 + 2, count: 4 });
    expect(two?.notes).toEqual([]);
    const many = readMbr(memorySource(chainDisk(400)), SECTOR);
    expect(many?.partitions.at(-1)?.number).toBe(255);
    expect(many?.notes).toEqual([expect.stringContaining("longer than")]);
  });

  it("that runs in a circle is read once, with a note", () => {
    const disk = chainDisk(3);
    putTable(disk, (64 + 16) * SECTOR, [
      { type: LINUX, start: 2, count: 4 },
      { type: 5, start: 8, count: 8 },
    ]);
    const mbr = readMbr(memorySource(disk), SECTOR);
    expect(mbr?.partitions.map(({ number }) => number)).toEqual([5, 6, 7]);
    expect(mbr?.notes).toEqual([expect.stringContaining("circle")]);
  });

  it("whose first link names itself is read once, with a note", () => {
    const disk = chainDisk(1);
    putTable(disk, 64 * SECTOR, [
      { type: LINUX, start: 2, count: 4 },
      { type: 5, start: 0, count: 8 },
    ]);
    const mbr = readMbr(memorySource(disk), SECTOR);
    expect(mbr?.partitions.length).toBe(1);
    expect(mbr?.notes).toEqual([expect.stringContaining("circle")]);
  });

  it("that breaks off keeps what was found before, with a note", () => {
    const disk = chainDisk(5);
    disk.fill(0, (64 + 16) * SECTOR, (64 + 17) * SECTOR);
    const mbr = readMbr(memorySource(disk), SECTOR);
    expect(mbr?.partitions.map(({ number }) => number)).toEqual([5, 6]);
    expect(mbr?.notes).toEqual([expect.stringContaining("breaks off")]);
  });

  it("that leads past the disk's end keeps what was found before", () => {
    const disk = chainDisk(2);
    putTable(disk, 64 * SECTOR, [
      { type: LINUX, start: 2, count: 4 },
      { type: 5, start: 0xfffffff0, count: 8 },
    ]);
    expect(readMbr(memorySource(disk), SECTOR)?.partitions.map(({ number }) => number)).toEqual([5]);
  });

  it("may have links without a partition of their own", () => {
    const disk = chainDisk(3);
    const link = (64 + 8) * SECTOR;
    disk.fill(0, link, link + SECTOR);
    putTable(disk, link, [{ type: 5, start: 16, count: 8 }]);
    expect(readMbr(memorySource(disk), SECTOR)?.partitions.map(({ number, start }) => [number, start])).toEqual([
      [5, 66],
      [6, 82],
    ]);
  });

  it.each([0x05, 0x0f, 0x85])("hangs in an extended partition of type %i", (type) => {
    const disk = chainDisk(2);
    disk.writeUInt8(type, 446 + 4);
    expect(readMbr(memorySource(disk), SECTOR)?.partitions.length).toBe(2);
  });
});

describe("the offset that a caller gives", () => {
  const disk = memorySource(diskWith([{ type: LINUX, start: 10, count: 10 }]));

  it("is where the only volume starts, and no table is read", () => {
    const { table, volumes } = readVolumes(disk, { offset: 5120 });
    expect([table, volumes[0]?.name, volumes[0]?.source.size]).toEqual(["none", "offset 5120", 1000 * SECTOR - 5120]);
    expect(readVolumes(disk, { offset: 0 }).volumes[0]?.source.size).toBe(1000 * SECTOR);
  });

  it.each([1000 * SECTOR, 2 ** 60, -1, 0.5, NaN, Infinity])("must be inside the disk: %s is not", (offset) => {
    expect(() => readVolumes(disk, { offset })).toThrow(expect.objectContaining({ code: "OUT_OF_BOUNDS" }));
  });
});

describe("any bytes at all", () => {
  it("give volumes inside the disk, or one of our own errors", () => {
    const random = seeded(77);
    for (let round = 0; round < 2000; round++) {
      const disk = chainDisk(10);
      for (let change = random() % 6; change >= 0; change--) {
        const sector = [0, 64, 72, 80, 88, 96][random() % 6] ?? 0;
        disk[sector * SECTOR + 446 + (random() % 66)] = random() % 3 === 0 ? 0xff : random();
      }
      try {
        for (const { source } of volumesOf(disk, round % 2 === 0 ? SECTOR : 4096).volumes) {
          expect(source.size).toBeLessThanOrEqual(disk.length);
          if (source.size > 0) source.read(source.size - 1, 1);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(GuestbootError);
      }
    }
  });
});
