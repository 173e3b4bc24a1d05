import { describe, expect, test } from "vitest";
import { readDiskRenames, renameDisks } from "../../src/bootconfig/map-disk.ts";

describe("--map-disk", () => {
  test.for([
    ["root=/dev/hda1 ro", "root=/dev/xvda1 ro"],
    ["ro root=/dev/hda resume=/dev/hda2 quiet", "ro root=/dev/xvda resume=/dev/xvda2 quiet"],
    ["root=hda3", "root=xvda3"],
    ["root=/dev/hdb1", "root=/dev/hdb1"],
    ["root=/dev/hdaa1", "root=/dev/hdaa1"],
    ["root=/dev/hda1x", "root=/dev/hda1x"],
    ["root=UUID=hda1 resume=LABEL=hda", "root=UUID=hda1 resume=LABEL=hda"],
    ["root=/dev/mapper/hda-root", "root=/dev/mapper/hda-root"],
    ["bigroot=/dev/hda1 noresume=/dev/hda2 rootfstype=ext4", "bigroot=/dev/hda1 noresume=/dev/hda2 rootfstype=ext4"],
    ["disk=/dev/hda1", "disk=/dev/hda1"],
    ["root=/dev/hda1  ro\troot=/dev/hda2", "root=/dev/xvda1  ro\troot=/dev/xvda2"],
    ["", ""],
  ] as const)("hda=xvda makes of %j %j", ([before, after]) => {
    expect(renameDisks(before, readDiskRenames(["hda=xvda"]))).toBe(after);
  });

  test("disks can change their names with each other", () => {
    expect(renameDisks("root=/dev/hda1 resume=/dev/hdb1", readDiskRenames(["hda=hdb", "hdb=hda"]))).toBe(
      "root=/dev/hdb1 resume=/dev/hda1",
    );
  });

  test("names that end in a number have a p before the partition", () => {
    expect(renameDisks("root=/dev/cciss/c0d0p2", readDiskRenames(["/dev/cciss/c0d0=xvda"]))).toBe("root=/dev/xvda2");
    expect(renameDisks("root=/dev/sda2", readDiskRenames(["sda=/dev/nvme0n1"]))).toBe("root=/dev/nvme0n1p2");
  });

  test.for(["", "hda", "hda=", "=xvda", "hda=xvda=b", "hda=../x", "hda=xv da", "hda=x;y"])(
    "%j is wrong usage",
    (words) => {
      expect(() => readDiskRenames([words])).toThrow(/--map-disk=.*must name two disks/);
    },
  );

  test("one disk cannot get two names", () => {
    expect(() => readDiskRenames(["hda=xvda", "hda=xvdb"])).toThrow(/two names/);
  });

  test("a megabyte of arguments is searched in no time", () => {
    const long = "root=".repeat(200_000);
    expect(renameDisks(long, readDiskRenames(["hda=xvda"])).length).toBe(long.length);
  });
});
