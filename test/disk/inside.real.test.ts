import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { memorySource } from "../../src/base/byte-source.ts";
import { readVolumes } from "../../src/disk/volumes.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { call } from "../filesystem/call.ts";
import { withLvmDisk } from "./lvm-disk.ts";
import { putNewSuperblock, putOldSuperblock } from "./raid-bytes.ts";
import { putTable } from "./table-bytes.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-inside-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
const MIB = 1024 * 1024;
const image = path.join(folder, "disk.img");

const table = (disk: Uint8Array) =>
  readVolumes({ ...memorySource(disk), onDisk: (offset: number, length: number) => ({ offset, length }) });
const names = (disk: Uint8Array) => table(disk).volumes.map(({ name }) => name);
const why = (disk: Uint8Array) => table(disk).refused.map((volume) => [volume.name, volume.why]);

function filesystemOf(sizeMiB: number, label: string): Buffer {
  const file = path.join(folder, "filesystem");
  makeFilesystemImage({ path: file, type: "ext4", sizeMiB, options: ["-L", label, "-O", "^has_journal"] });
  return fs.readFileSync(file);
}

/** What mdadm says of a superblock that was written here. */
function examine(disk: Uint8Array): string {
  fs.writeFileSync(image, disk);
  return call("mdadm", ["--examine", image], "mdadm");
}

type Version = "0.90" | "1.0" | "1.1" | "1.2";
const VERSIONS: readonly Version[] = ["0.90", "1.0", "1.1", "1.2"];

/** A member of 20 MiB whose data are `data`. */
function member(version: Version, level: number, data: Buffer, role = 0): Buffer {
  const disk = Buffer.alloc(20 * MIB);
  const start = version === "1.1" || version === "1.2" ? 2 * MIB : 0;
  data.copy(disk, start);
  if (version === "0.90") putOldSuperblock(disk, level, data.length, role);
  else putNewSuperblock(disk, version, level, start, data.length, role);
  return disk;
}

describe("a member of a Linux RAID", () => {
  it.each(VERSIONS)("1 (metadata %s) is read as what it holds", (version) => {
    const disk = member(version, 1, filesystemOf(16, "array"));
    expect(examine(disk)).toMatch(/Raid Level : raid1[^]*Checksum : \w+ - correct/);
    const [volume] = table(disk).volumes;
    expect([volume?.name, volume?.inside, volume?.source.size]).toEqual([
      "whole disk",
      [`Linux RAID 1 (metadata ${version})`],
      16 * MIB,
    ]);
    if (volume !== undefined) expect(openFilesystem(volume.source).label).toBe("array");
  });

  it.each(VERSIONS.flatMap((version) => [0, 4, 5, 6, 10].map((level) => [level, version] as const)))(
    "%i (metadata %s) is refused by name",
    (level, version) => {
      const disk = member(version, level, Buffer.alloc(16 * MIB));
      expect(examine(disk)).toContain(`Raid Level : raid${level}`);
      expect(why(disk)).toEqual([["whole disk", expect.stringContaining(`Linux RAID ${level} (metadata ${version})`)]]);
    },
  );

  it.each(VERSIONS)("that is a spare (metadata %s) is refused", (version) => {
    const disk = member(version, 1, Buffer.alloc(16 * MIB), 0xffff);
    expect(why(disk)).toEqual([["whole disk", expect.stringContaining("spare")]]);
  });

  it.each(VERSIONS)("whose superblock's checksum is wrong is none (metadata %s)", (version) => {
    const disk = member(version, 5, Buffer.alloc(16 * MIB));
    const magic = disk.indexOf(Buffer.of(0xfc, 0x4e, 0x2b, 0xa9));
    disk.writeUInt8(0x77, magic + 0x14);
    expect(names(disk)).toEqual(["whole disk"]);
  });

  it.each(VERSIONS)("that holds a partition table is read as its partitions (metadata %s)", (version) => {
    const inside = Buffer.alloc(16 * MIB);
    putTable(inside, 0, [{ type: 0x83, start: 2048, count: 4096 }]);
    // With its superblock at the end, the table is at the disk's own start, and is read as any.
    expect(names(member(version, 1, inside))).toEqual(["partition 1"]);
  });

  it("in a partition keeps its name and number, and may hold LVM", () => {
    fs.rmSync(image, { force: true });
    withLvmDisk(image, 16, (disk) => {
      disk.lvm("pvcreate", "-ff", "-y", disk.device);
      disk.lvm("vgcreate", "-s", "1M", "guest", disk.device);
      disk.lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", "3", "-n", "root", "guest");
    });
    const disk = Buffer.alloc(43 * MIB);
    putTable(disk, 0, [
      { type: 0xfd, start: 2048, count: 40960 },
      { type: 0xfd, start: 2048 + 40960, count: 40960 },
    ]);
    member("1.2", 1, fs.readFileSync(image)).copy(disk, MIB);
    member("1.0", 1, filesystemOf(16, "second")).copy(disk, 21 * MIB);
    expect(table(disk).volumes.map(({ name, number }) => [name, number])).toEqual([
      ["partition 2", 2],
      ["lvm guest/root", null],
    ]);
  });

  it("in a member in a member, and so on, is refused", () => {
    let disk = Buffer.alloc(8 * MIB);
    for (let depth = 0; depth < 7; depth++) {
      const outer = Buffer.alloc(disk.length + MIB);
      disk.copy(outer, MIB / 2);
      putNewSuperblock(outer, "1.2", 1, MIB / 2, disk.length, 0);
      disk = outer;
    }
    expect([names(disk), why(disk)]).toEqual([[], [["whole disk", "it lies in more than 4 others"]]]);
  });
});

describe("an encrypted volume", () => {
  it.each(["1", "2"])("is refused by name (LUKS %s)", (version) => {
    fs.writeFileSync(image, "");
    fs.truncateSync(image, 24 * MIB);
    const quick = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"];
    call(
      "cryptsetup",
      ["luksFormat", "-q", "--type", `luks${version}`, ...quick, image, "-"],
      "cryptsetup-bin",
      "word",
    );
    expect(why(fs.readFileSync(image))).toEqual([["whole disk", `it is encrypted (LUKS ${version})`]]);
  });
});

/** Partitions as libblkid reads them: first byte and bytes of those behind number 4, which are the slices. */
function partxSlices(disk: Uint8Array): number[][] {
  fs.writeFileSync(image, disk);
  return call("partx", ["-s", "-g", "-b", "-o", "NR,START,SECTORS", image], "util-linux")
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([number = 0]) => number > 4)
    .map(([, start = 0, count = 0]) => [start * 512, count * 512]);
}

const ourSlices = (disk: Uint8Array) =>
  table(disk)
    .volumes.filter(({ kind }) => kind === "slice")
    .map(({ source }) => [source.onDisk?.(0, 1)?.offset, source.size]);

describe("slices in a partition", () => {
  const START = 2048;

  function bsdDisk(type: number, entries: readonly (readonly [type: number, start: number, count: number])[]): Buffer {
    const disk = Buffer.alloc(16 * MIB);
    putTable(disk, 0, [{ type, start: START, count: 20_000 }]);
    const label = disk.subarray((START + 1) * 512, (START + 2) * 512);
    label.writeUInt32LE(0x82564557, 0);
    label.writeUInt32LE(0x82564557, 132);
    label.writeUInt32LE(512, 40);
    label.writeUInt16LE(entries.length, 138);
    entries.forEach(([kind, start, count], index) => {
      label.writeUInt32LE(count, 148 + index * 16);
      label.writeUInt32LE(start, 148 + index * 16 + 4);
      label.writeUInt8(kind, 148 + index * 16 + 12);
    });
    let sum = 0;
    for (let at = 0; at < 148 + entries.length * 16; at += 2) sum ^= label.readUInt16LE(at);
    label.writeUInt16LE(sum, 136);
    return disk;
  }

  it.each<[string, number, readonly (readonly [number, number, number])[]]>([
    [
      "FreeBSD, counted from the disk's start",
      0xa5,
      [
        [7, START + 16, 8000],
        [1, START + 9000, 500],
        [0, START, 20_000],
      ],
    ],
    [
      "FreeBSD, counted from the partition's start",
      0xa5,
      [
        [7, 16, 8000],
        [1, 9000, 500],
        [0, 0, 20_000],
      ],
    ],
    [
      "NetBSD",
      0xa9,
      [
        [7, START + 64, 8000],
        [1, START + 9000, 500],
        [0, START, 20_000],
        [0, 0, 32_768],
      ],
    ],
    [
      "OpenBSD",
      0xa6,
      [
        [7, START + 64, 8000],
        [1, START + 9000, 500],
        [0, 0, 32_768],
      ],
    ],
  ])("are read as libblkid reads them: %s", (_what, type, entries) => {
    const disk = bsdDisk(type, entries);
    expect(ourSlices(disk)).toEqual(partxSlices(disk));
    expect(names(disk)).toEqual(["partition 1, slice a", "partition 1, slice b"]);
    expect(table(disk).volumes.map(({ number, table: from }) => [number, from])).toEqual([
      [1, "bsd"],
      [1, "bsd"],
    ]);
  });

  it("that reach out of it are left out", () => {
    const disk = bsdDisk(0xa6, [
      [7, START + 64, 8000],
      [17, 10, 100],
      [7, START + 19_000, 5000],
    ]);
    expect([names(disk), table(disk).notes.length]).toEqual([["partition 1, slice a"], 1]);
  });

  it("of Solaris are read as libblkid reads them, that for root first", () => {
    const disk = Buffer.alloc(16 * MIB);
    // The type that libblkid looks into; newer Solaris has 0xbf.
    putTable(disk, 0, [{ type: 0x82, start: START, count: 20_000 }]);
    const vtoc = disk.subarray((START + 1) * 512, (START + 2) * 512);
    vtoc.writeUInt32LE(0x600ddeee, 12);
    vtoc.writeUInt32LE(1, 16);
    vtoc.writeUInt16LE(512, 28);
    vtoc.writeUInt16LE(16, 30);
    const slices = [
      [3, 100, 500],
      [2, 1000, 8000],
      [5, 0, 20_000],
      [8, 9500, 1000],
    ] as const;
    slices.forEach(([tag, start, count], index) => {
      vtoc.writeUInt16LE(tag, 72 + index * 12);
      vtoc.writeUInt32LE(start, 72 + index * 12 + 4);
      vtoc.writeUInt32LE(count, 72 + index * 12 + 8);
    });
    expect(names(disk)).toEqual(["partition 1, slice 1", "partition 1, slice 0", "partition 1, slice 3"]);
    const byStart = (a: readonly (number | undefined)[], b: readonly (number | undefined)[]) =>
      Number(a[0]) - Number(b[0]);
    const whole = (each: readonly number[]) => each[1] !== 20_000 * 512;
    expect(ourSlices(disk).sort(byStart)).toEqual(partxSlices(disk).filter(whole).sort(byStart));
    disk.writeUInt8(0xbf, 446 + 4);
    expect(names(disk).length).toBe(3);
  });
});

describe("a hybrid ISO image", () => {
  const content = path.join(folder, "content");
  fs.mkdirSync(content);
  fs.writeFileSync(path.join(content, "kernel"), "kernel");
  fs.writeFileSync(path.join(content, "boot.bin"), Buffer.alloc(4096));
  const hybrid = "/usr/lib/ISOLINUX/isohdpfx.bin";

  it.each<[string, readonly string[]]>([
    ["as isohybrid makes it", ["-isohybrid-mbr", hybrid]],
    ["with its partition behind its first sectors", ["-isohybrid-mbr", hybrid, "-partition_offset", "16"]],
  ])("%s is asked as a whole first", (_what, options) => {
    const iso = path.join(folder, "hybrid.iso");
    const boot = ["-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"];
    call("xorriso", ["-as", "mkisofs", "-quiet", ...options, ...boot, "-o", iso, content], "xorriso");
    const disk = fs.readFileSync(iso);
    expect([disk.readUInt16LE(510), disk.toString("latin1", 0x8001, 0x8006)]).toEqual([0xaa55, "CD001"]);
    const [volume] = table(disk).volumes;
    expect(volume?.name).toBe("whole disk");
    if (volume !== undefined) expect(openFilesystem(volume.source).find("/kernel")).not.toBeNull();
  });

  it("of which only the descriptor is left on a partitioned disk is asked last", () => {
    const disk = Buffer.alloc(8 * MIB);
    putTable(disk, 0, [{ type: 0x83, start: 2048, count: 4096 }]);
    disk.write("\x01CD001", 0x8000, "latin1");
    expect(names(disk)).toEqual(["partition 1", "whole disk"]);
  });
});

describe("an image file of a disk with sectors of 4096 bytes", () => {
  it("has its MBR counted in them when the partitions begin there", () => {
    const filesystem = filesystemOf(8, "large");
    const disk = Buffer.alloc(24 * MIB);
    putTable(disk, 0, [{ type: 0x83, start: 256, count: 2048 }]);
    filesystem.copy(disk, MIB);
    const found = table(disk);
    expect([found.sectorSize, found.volumes[0]?.source.size]).toEqual([4096, 8 * MIB]);
  });

  it("is not taken for one when they begin where 512-byte sectors put them", () => {
    const disk = Buffer.alloc(80 * MIB);
    putTable(disk, 0, [{ type: 0x83, start: 2048, count: 16_384 }]);
    filesystemOf(8, "small").copy(disk, MIB);
    expect(table(disk).sectorSize).toBe(512);
  });
});

it("a PARTUUID of an MBR is made of the disk's signature", () => {
  fs.writeFileSync(image, "");
  fs.truncateSync(image, 64 * MIB);
  const lines = ["label: dos", "label-id: 0xCAFE0123", "size=8MiB", "type=5", "size=8MiB", ""];
  call("sfdisk", ["-q", image], "fdisk", lines.join("\n"));
  expect(table(fs.readFileSync(image)).volumes.map(({ partitionUuid }) => partitionUuid)).toEqual([
    "cafe0123-01",
    "cafe0123-05",
  ]);
});
