import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makePartitionedDisk } from "../../fixtures/disk-images.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { readVolumes } from "../../src/disk/volumes.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { seeded } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";
import { chainDisk, putTable } from "./table-bytes.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-mbr-"));
const image = path.join(folder, "disk.img");
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Number, first byte and bytes of each volume, by number. */
type Places = readonly (readonly [number: number | null, start: number, size: number])[];

/** Where our volumes begin is seen from what is read for their first byte. */
function ourPlaces(file = image): Places {
  using disk = openDisk(file);
  let last = -1;
  const watched = {
    size: disk.source.size,
    read: (offset: number, length: number, into?: Uint8Array) => {
      last = offset;
      return disk.source.read(offset, length, into);
    },
  };
  return readVolumes(watched, { sectorSize: disk.sectorSize })
    .volumes.map(({ number, source }) => {
      source.read(0, 1);
      return [number, last, source.size] as const;
    })
    .sort((a, b) => Number(a[0]) - Number(b[0]));
}

interface SfdiskTable {
  readonly sectorsize: number;
  readonly partitions: readonly { node: string; start: number; size: number; type: string; bootable?: boolean }[];
}

function sfdiskTable(file = image): SfdiskTable {
  const { partitiontable } = JSON.parse(call("sfdisk", ["--json", file], "fdisk")) as { partitiontable: SfdiskTable };
  return partitiontable;
}

const isExtended = (type: string) => ["5", "f", "85"].includes(type);

function sfdiskPlaces(file = image): Places {
  const { sectorsize, partitions } = sfdiskTable(file);
  return partitions
    .filter(({ type }) => !isExtended(type))
    .map(({ node, start, size }) => [Number(/\d+$/.exec(node)), start * sectorsize, size * sectorsize]);
}

/** As libblkid reads the table. */
function partxPlaces(): Places {
  const lines = call("partx", ["-s", "-g", "-b", "-o", "NR,START,SECTORS,TYPE", image], "util-linux").trim();
  return lines
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , type = ""]) => !isExtended(type.replace("0x", "")))
    .map(([number, start, count]) => [Number(number), Number(start) * 512, Number(count) * 512]);
}

function makeEmptyDisk(sizeMiB: number): void {
  fs.rmSync(image, { force: true });
  fs.closeSync(fs.openSync(image, "w"));
  fs.truncateSync(image, sizeMiB * 1024 * 1024);
}

function partition(script: string, file = image): void {
  call("sfdisk", ["-q", "--no-reread", "--no-tell-kernel", file], "fdisk", script);
}

describe("a table that sfdisk wrote", () => {
  const LOGICALS = [5, 6, 7, 8, 9, 10].map((number) => `${number}: size=${number}MiB, type=83`);

  it.each([
    [
      "four primary partitions",
      ["1: size=10MiB, type=83", "2: size=20MiB, type=82", "3: size=1MiB, type=8e", "4: type=7"],
    ],
    ["one with gaps", ["1: start=4096, size=2048, type=83", "3: start=100000, size=50000, type=83"]],
    ["entries in no order", ["1: start=100000, size=2048, type=83", "2: start=4096, size=50000, type=83"]],
    ["logical partitions", ["1: size=10MiB, type=83", "2: type=5", ...LOGICALS]],
    ["logical partitions alone", ["4: type=f", ...LOGICALS]],
    ["an active logical partition", ["1: type=5", "5: size=10MiB, type=83", "6: size=10MiB, type=83, bootable"]],
  ])("(%s) is read as sfdisk and libblkid read it", (_what, lines) => {
    makeEmptyDisk(100);
    partition(["label: dos", ...lines, ""].join("\n"));
    expect(ourPlaces()).toEqual(sfdiskPlaces());
    expect(ourPlaces()).toEqual(partxPlaces());
    using disk = openDisk(image);
    const active = sfdiskTable().partitions.filter(({ bootable }) => bootable === true);
    const ours = readVolumes(disk.source).volumes.filter((volume) => volume.active);
    expect(ours.length).toBe(active.length);
  });

  it("in sectors of 4096 bytes is read in them", () => {
    makeEmptyDisk(100);
    const device = call("losetup", ["--find", "--show", "--sector-size", "4096", image], "mount").trim();
    try {
      partition(
        "label: dos\n1: size=10MiB, type=83\n2: type=5\n5: size=10MiB, type=83\n6: size=9MiB, type=83\n",
        device,
      );
      expect(sfdiskTable(device).sectorsize).toBe(4096);
      expect(ourPlaces(device)).toEqual(sfdiskPlaces(device));
    } finally {
      call("losetup", ["--detach", device], "mount");
    }
  });

  it("leads to the filesystems in its partitions, logical ones too", () => {
    const filesystem = (name: string) => ({ type: "ext4" as const, options: ["-L", name] });
    makePartitionedDisk({
      path: image,
      sizeMiB: 60,
      partitions: [
        { sizeMiB: 8, filesystem: filesystem("first") },
        { sizeMiB: 8, active: true, filesystem: filesystem("active") },
        { sizeMiB: 8, logical: true, filesystem: filesystem("fifth") },
        { sizeMiB: 8, logical: true, filesystem: filesystem("sixth") },
      ],
    });
    using disk = openDisk(image);
    const found = readVolumes(disk.source).volumes.map(({ name, source }) => [name, openFilesystem(source).label]);
    expect(found).toEqual([
      ["partition 2", "active"],
      ["partition 1", "first"],
      ["partition 5", "fifth"],
      ["partition 6", "sixth"],
    ]);
  });
});

describe("a table that no tool writes", () => {
  it("with a chain of 200 is read as libblkid reads it", () => {
    fs.writeFileSync(image, chainDisk(200));
    expect(ourPlaces()).toEqual(partxPlaces());
    expect(ourPlaces().length).toBe(200);
  });

  it("with links that hold no partition, or name the next one first, is read as libblkid reads it", () => {
    const random = seeded(4);
    for (let round = 0; round < 40; round++) {
      const disk = chainDisk(8);
      for (let link = 1; link < 7; link++) {
        const own = { type: 0x83, start: 1 + (random() % 3), count: 4 };
        const next = { type: 5, start: (link + 1) * 8, count: 8 };
        const at = (64 + link * 8) * 512;
        disk.fill(0, at, at + 512);
        putTable(disk, at, [[own, next], [next, own], [next], [own]][random() % (link === 6 ? 4 : 3)] ?? []);
      }
      fs.writeFileSync(image, disk);
      expect(ourPlaces()).toEqual(partxPlaces());
    }
  });
});

describe("a filesystem on the whole disk", () => {
  it.each(["mkfs.ext4", "mkfs.fat"])("is not taken for a table when it has a boot sector (%s)", (mkfs) => {
    makeEmptyDisk(8);
    call(mkfs, [image], mkfs === "mkfs.fat" ? "dosfstools" : "e2fsprogs");
    if (mkfs === "mkfs.ext4") {
      const bytes = fs.readFileSync(image);
      bytes.writeUInt16LE(0xaa55, 510);
      fs.writeFileSync(image, bytes);
    }
    using disk = openDisk(image);
    expect(disk.source.read(510, 2)).toEqual(Uint8Array.of(0x55, 0xaa));
    expect(readVolumes(disk.source).volumes.map(({ name }) => name)).toEqual(["whole disk"]);
  });
});
