import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { readVolumes, type VolumeTable } from "../../src/disk/volumes.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { noise } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";
import { onDisk, restoreVolumes, runLvm, withLvmDisk, type LvmDisk, type WrittenVolume } from "./lvm-disk.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-lvm-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
const image = path.join(folder, "disk.img");
const MIB = 1024 * 1024;
beforeEach(() => fs.rmSync(image, { force: true }));

/** A disk of noise, so that every wrong place shows; LVM writes its metadata into it. */
function noisyDisk(sizeMiB: number): void {
  fs.writeFileSync(image, noise(sizeMiB * MIB, 12));
  fs.writeFileSync(path.join(folder, "zeros"), Buffer.alloc(MIB));
  call("dd", [`if=${folder}/zeros`, `of=${image}`, "conv=notrunc", "status=none"], "coreutils");
}

const create = (disk: LvmDisk, ...options: readonly string[]) => {
  disk.lvm("pvcreate", "-ff", "-y", ...options, disk.device);
  disk.lvm("vgcreate", "-s", "1M", "guest", disk.device);
};
const addVolume = (disk: LvmDisk, name: string, extents: number, ...options: readonly string[]) =>
  disk.lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", String(extents), "-n", name, ...options, "guest");

function withTable<T>(work: (table: VolumeTable) => T, file = image): T {
  using disk = openDisk(file);
  return work(readVolumes(disk.source, { sectorSize: disk.sectorSize }));
}

/** The volume's bytes are those that GRUB reads from it. */
function expectAsGrub(table: VolumeTable, volume: string, ...more: readonly string[]): void {
  const found = table.volumes.find(({ name }) => name === `lvm guest/${volume}`);
  if (found === undefined) throw new Error(`${volume} is not there: ${JSON.stringify(table.refused)}`);
  const judge = path.join(folder, "judge");
  const blocks = `(lvm/guest-${volume})0+${found.source.size / 512}`;
  call("grub-fstest", [image, ...more, "-c", String(1 + more.length), "cp", blocks, judge], "grub-common");
  const ours = Buffer.alloc(found.source.size);
  for (let at = 0; at < ours.length; at += 300_001) {
    found.source.read(at, Math.min(300_001, ours.length - at), ours.subarray(at));
  }
  expect(ours.equals(fs.readFileSync(judge))).toBe(true);
}

const names = ({ volumes }: VolumeTable) => volumes.map(({ name }) => name);
const whyNot = ({ refused }: VolumeTable) => Object.fromEntries(refused.map(({ name, why }) => [name, why]));

describe("a logical volume that LVM made", () => {
  it("is read as GRUB reads it: linear, in several pieces, striped", () => {
    noisyDisk(48);
    withLvmDisk(image, 48, (disk) => {
      create(disk);
      addVolume(disk, "root", 5);
      addVolume(disk, "between", 3);
      disk.lvm("lvextend", "-l", "+4", "guest/root");
      addVolume(disk, "striped", 8, "-i", "2", "-I", "64k", "--alloc", "anywhere");
      addVolume(disk, "thirds", 9, "-i", "3", "-I", "4k", "--alloc", "anywhere");
      disk.lvm("lvextend", "-l", "+2", "guest/root");
    });
    withTable((table) => {
      expect([table.table, table.notes, table.refused]).toEqual(["none", [], []]);
      expect(names(table)).toEqual(["root", "between", "striped", "thirds"].map((name) => `lvm guest/${name}`));
      expect(table.volumes[0]).toMatchObject({ kind: "logical volume", table: "lvm", number: null });
      for (const volume of ["root", "between", "striped", "thirds"]) expectAsGrub(table, volume);
    });
  });

  it("in a partition comes after the partitions that can be read", () => {
    fs.writeFileSync(image, "");
    fs.truncateSync(image, 48 * MIB);
    call("sfdisk", ["-q", image], "fdisk", "label: dos\nstart=2048, size=8MiB, type=83\nsize=32MiB, type=8e\n");
    const filesystem = path.join(folder, "part");
    makeFilesystemImage({ path: filesystem, type: "ext4", sizeMiB: 8, options: ["-L", "root", "-O", "^has_journal"] });
    const start = 2048 * 512 + 8 * MIB;
    const dataStart = withLvmDisk(
      image,
      32,
      (disk) => {
        create(disk);
        addVolume(disk, "root", 8);
        return Number(disk.lvm("pvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "pe_start").trim());
      },
      start,
    );
    call(
      "dd",
      [
        `if=${filesystem}`,
        `of=${image}`,
        "bs=64k",
        "oflag=seek_bytes",
        `seek=${start + dataStart}`,
        "conv=notrunc",
        "status=none",
      ],
      "coreutils",
    );
    withTable((table) => {
      expect([table.table, names(table), table.refused]).toEqual(["mbr", ["partition 1", "lvm guest/root"], []]);
      const root = table.volumes[1];
      if (root === undefined) throw new Error("no root");
      expect(openFilesystem(root.source).label).toBe("root");
      // As the bytes lie on the disk, so that they can be sent from there.
      expect(root.source.onDisk?.(5, 10)).toEqual({ offset: start + dataStart + 5, length: 10 });
    });
    expect(call("grub-fstest", [image, "ls", "(lvm/guest-root)/"], "grub-common")).toContain("lost+found");
  });

  it("is found by the metadata that were written last, wherever they stand in their ring", () => {
    fs.writeFileSync(image, "");
    fs.truncateSync(image, 16 * MIB);
    withLvmDisk(image, 16, (disk) => {
      create(disk, "--metadatacopies", "2", "--metadatasize", "8k", "--dataalignment", "64k");
      // Each change writes the text anew behind the last, until it runs over the end of the ring.
      for (let round = 0; round < 48; round++) {
        disk.lvm("vgchange", round % 2 === 0 ? "--addtag" : "--deltag", "tag", "guest");
      }
      addVolume(disk, "root", 3);
    });
    withTable((table) => expect([names(table), table.notes]).toEqual([["lvm guest/root"], []]));
  });

  it.each<[string, readonly number[], readonly string[], readonly string[]]>([
    ["the first copy", [0], ["lvm guest/root"], ["checksum"]],
    ["the second copy", [1], ["lvm guest/root"], ["checksum"]],
    ["both copies", [0, 1], [], ["checksum", "checksum"]],
  ])("is found when of two copies of the metadata is damaged: %s", (_what, damaged, volumes, notes) => {
    fs.writeFileSync(image, "");
    fs.truncateSync(image, 16 * MIB);
    withLvmDisk(image, 16, (disk) => {
      create(disk, "--metadatacopies", "2");
      addVolume(disk, "root", 3);
    });
    const bytes = fs.readFileSync(image);
    const headers = [...bytes.toString("latin1").matchAll(/ LVM2 x\[5A%r0N\*>/g)].map(({ index }) => index - 4);
    expect(headers.length).toBe(2);
    for (const copy of damaged) bytes.writeUInt8(0xff, (headers[copy] ?? 0) + 60);
    fs.writeFileSync(image, bytes);
    withTable((table) => {
      expect([names(table), table.notes]).toEqual([
        volumes,
        notes.map((note) => expect.stringContaining(note) as string),
      ]);
      if (volumes.length === 0) expect(whyNot(table)["whole disk"]).toContain("without readable metadata");
    });
  });

  it("of a group on two partitions is read from both, with its metadata on both or on one", () => {
    const read = (copies: string): Uint8Array[] => {
      noisyDisk(40);
      call("sfdisk", ["-q", image], "fdisk", "label: gpt\nsize=16MiB, type=lvm\nsize=16MiB, type=lvm\n");
      const places = [MIB, 17 * MIB].map((start) => ["--offset", String(start), "--sizelimit", String(16 * MIB)]);
      const devices = places.map((place) => call("losetup", ["--find", "--show", ...place, image], "mount").trim());
      const [first = "", second = ""] = devices;
      try {
        const lvm = (...args: readonly string[]) => runLvm(devices, args);
        lvm("pvcreate", "-ff", "-y", first);
        lvm("pvcreate", "-ff", "-y", "--metadatacopies", copies, second);
        lvm("vgcreate", "-s", "1M", "guest", first, second);
        lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", "8", "-i", "2", "-I", "64k", "-n", "striped", "guest");
        lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", "19", "-n", "both", "guest");
      } finally {
        for (const device of devices) call("losetup", ["--detach", device], "mount");
      }
      return withTable((table) => {
        expect([names(table), table.refused, table.notes]).toEqual([["lvm guest/striped", "lvm guest/both"], [], []]);
        // GRUB does not know physical volumes without metadata.
        if (copies === "1") for (const volume of ["striped", "both"]) expectAsGrub(table, volume);
        return table.volumes.map(({ source }) => source.read(0, source.size));
      });
    };
    const [both, one] = [read("1"), read("0")];
    expect(both.map((bytes, index) => Buffer.compare(bytes, one[index] ?? new Uint8Array()))).toEqual([0, 0]);
  });

  it("is read when the group's other disk is not there, if it does not lie on that", () => {
    const other = path.join(folder, "other.img");
    for (const file of [image, other]) {
      fs.writeFileSync(file, "");
      fs.truncateSync(file, 16 * MIB);
    }
    const devices = [image, other].map((file) => call("losetup", ["--find", "--show", file], "mount").trim());
    const [first = "", second = ""] = devices;
    try {
      const lvm = (...args: readonly string[]) => runLvm(devices, args);
      lvm("pvcreate", "-ff", "-y", ...devices);
      lvm("vgcreate", "-s", "1M", "guest", ...devices);
      lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", "3", "-n", "here", "guest", first);
      lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", "3", "-n", "there", "guest", second);
      lvm("lvcreate", "-an", "-Zn", "-Wn", "-l", "20", "-n", "both", "guest");
    } finally {
      for (const device of devices) call("losetup", ["--detach", device], "mount");
    }
    withTable((table) => {
      expect(names(table)).toEqual(["lvm guest/here"]);
      expect(Object.keys(whyNot(table))).toEqual(["lvm guest/there", "lvm guest/both"]);
      expect(whyNot(table)["lvm guest/there"]).toMatch(/physical volume pv1 \("\w{6}-.*\), which is not on this disk/);
    });
  });
});

describe("a logical volume that a kernel with device mapper makes", () => {
  const mirror =
    'type = "mirror"\nmirror_count = 2\nregion_size = 1024\nmirrors = ["mir_mimage_0", 0, "mir_mimage_1", 0]';
  const raid1 =
    'type = "raid1"\ndevice_count = 2\nregion_size = 1024\nraids = ["r1_rmeta_0", "r1_rimage_0", "r1_rmeta_1", "r1_rimage_1"]';
  const raidParts = (prefix: string, at: number, count: number, extents: number, status: readonly string[] = []) =>
    Array.from({ length: count }, (_, index): WrittenVolume[] => [
      { name: `${prefix}_rmeta_${index}`, hidden: true, segments: [onDisk(1, at + index * (extents + 1))] },
      {
        name: `${prefix}_rimage_${index}`,
        hidden: true,
        status: index === 0 ? status : [],
        segments: [onDisk(extents, at + index * (extents + 1) + 1)],
      },
    ]).flat();
  const refused = { extents: 2 };

  it("is read when it is a mirror of either kind, as GRUB reads it", () => {
    noisyDisk(48);
    withLvmDisk(image, 48, (disk) => {
      create(disk);
      restoreVolumes(disk, "guest", path.join(folder, "backup"), [
        { name: "mir", segments: [{ extents: 3, text: mirror }] },
        { name: "mir_mimage_0", hidden: true, segments: [onDisk(3, 0)] },
        { name: "mir_mimage_1", hidden: true, segments: [onDisk(3, 10)] },
        { name: "r1", segments: [{ extents: 4, text: raid1 }] },
        ...raidParts("r1", 20, 2, 4),
      ]);
      expect(disk.lvm("lvs", "--noheadings", "-o", "lv_name,segtype", "guest").trim().split(/\s+/)).toEqual([
        "mir",
        "mirror",
        "r1",
        "raid1",
      ]);
    });
    withTable((table) => {
      expect([names(table), table.refused]).toEqual([["lvm guest/mir", "lvm guest/r1"], []]);
      expectAsGrub(table, "mir");
      expectAsGrub(table, "r1");
    });
  });

  it("is read from the copy that is complete", () => {
    noisyDisk(32);
    withLvmDisk(image, 32, (disk) => {
      create(disk);
      restoreVolumes(disk, "guest", path.join(folder, "backup"), [
        { name: "r1", segments: [{ extents: 4, text: raid1 }] },
        ...raidParts("r1", 0, 2, 4, ["REBUILD"]),
      ]);
    });
    withTable((table) => {
      const source = table.volumes[0]?.source;
      // The second image: after meta and image of the first, and its own meta.
      expect(source?.onDisk?.(0, 1)?.offset).toBe(MIB + 6 * MIB);
    });
  });

  it("is refused by name when it is of another type", () => {
    noisyDisk(62);
    withLvmDisk(image, 62, (disk) => {
      create(disk);
      const pool =
        'type = "thin-pool"\nmetadata = "pool_tmeta"\npool = "pool_tdata"\ntransaction_id = 1\nchunk_size = 128\ndiscards = "passdown"\nzero_new_blocks = 0';
      restoreVolumes(disk, "guest", path.join(folder, "backup"), [
        { name: "plain", segments: [onDisk(2, 0)] },
        { name: "pool", segments: [{ extents: 2, text: pool }] },
        { name: "pool_tdata", hidden: true, segments: [onDisk(2, 2)] },
        { name: "pool_tmeta", hidden: true, segments: [onDisk(1, 4)] },
        {
          name: "thin",
          segments: [{ ...refused, text: 'type = "thin"\nthin_pool = "pool"\ntransaction_id = 0\ndevice_id = 1' }],
        },
        { name: "snap", segments: [onDisk(2, 6)] },
        {
          name: "snapshot0",
          hidden: true,
          segments: [{ ...refused, text: 'type = "snapshot"\nchunk_size = 8\norigin = "plain"\ncow_store = "snap"' }],
        },
        {
          name: "r5",
          segments: [
            {
              extents: 4,
              text: `type = "raid5_ls"\ndevice_count = 3\nstripe_size = 128\nregion_size = 1024\nraids = [${[0, 1, 2].map((n) => `"r5_rmeta_${n}", "r5_rimage_${n}"`).join(", ")}]`,
            },
          ],
        },
        ...raidParts("r5", 10, 3, 2),
        { name: "lost", segments: [{ ...refused, text: 'type = "error"' }] },
        { name: "empty", segments: [{ ...refused, text: 'type = "zero"' }] },
        {
          name: "cached",
          segments: [
            {
              ...refused,
              text: 'type = "cache"\ncache_pool = "cpool"\norigin = "cached_corig"',
            },
          ],
        },
        { name: "cached_corig", hidden: true, segments: [onDisk(2, 30)] },
        {
          name: "cpool",
          hidden: true,
          segments: [
            {
              ...refused,
              text: 'type = "cache-pool"\ndata = "cpool_cdata"\nmetadata = "cpool_cmeta"\nmetadata_format = 1\nchunk_size = 128\ncache_mode = "writethrough"\npolicy = "smq"',
            },
          ],
        },
        { name: "cpool_cdata", hidden: true, segments: [onDisk(2, 34)] },
        { name: "cpool_cmeta", hidden: true, segments: [onDisk(2, 38)] },
      ]);
    });
    withTable((table) => {
      expect(names(table)).toEqual(["lvm guest/plain", "lvm guest/empty"]);
      expect(table.volumes[1]?.source.read(MIB, 3)).toEqual(new Uint8Array(3));
      const type = (name: string) => expect.stringContaining(`segment type "${name}"`) as string;
      expect(whyNot(table)).toEqual({
        "lvm guest/pool": type("thin-pool"),
        "lvm guest/thin": type("thin"),
        "lvm guest/snap": expect.stringContaining('a snapshot of "plain"') as string,
        "lvm guest/r5": type("raid5_ls"),
        "lvm guest/lost": expect.stringContaining("lost") as string,
        "lvm guest/cached": type("cache"),
      });
      expectAsGrub(table, "plain");
    });
  });
});
