import { describe, expect, test } from "vitest";
import { parseDevice, splitDevice } from "../../src/bootconfig/grub-device.ts";

const disk = (number: number, partition: number | null) => ({
  kind: "disk",
  device: { disk: number, partition },
});

// Expected values: the GRUB legacy manual, "Device syntax" (partitions from 0), and the GRUB 2 manual, "Device syntax"
// (partitions from 1, with the partition table's name in front of them).
describe("device names", () => {
  test("GRUB legacy counts partitions from 0", () => {
    expect(parseDevice("(hd0,0)")).toEqual(disk(0, 1));
    expect(parseDevice("(hd2,4)")).toEqual(disk(2, 5));
  });
  test("a device without a partition is the whole disk", () => {
    expect(parseDevice("(hd0)")).toEqual(disk(0, null));
  });
  test("GRUB 2 counts partitions from 1, with or without the table's name", () => {
    expect(parseDevice("(hd0,1)", "grub2")).toEqual(disk(0, 1));
    expect(parseDevice("(hd0,msdos1)", "grub2")).toEqual(disk(0, 1));
    expect(parseDevice("(hd1,gpt2)", "grub2")).toEqual(disk(1, 2));
  });
  test("a partition with its table's name counts from 1 in GRUB legacy too", () => {
    expect(parseDevice("(hd0,msdos1)")).toEqual(disk(0, 1));
  });
  test("there is no partition 0 in GRUB 2", () => {
    expect(parseDevice("(hd0,0)", "grub2")).toEqual({ kind: "other", name: "(hd0,0)" });
  });
  test("the parentheses may be missing, as upstream pygrub allows after root", () => {
    expect(parseDevice("hd0,0")).toEqual(disk(0, 1));
  });
  test.for(["(cd)", "(nd)", "(fd0)", "(hd0,a)", "(hd0,0,a)", "(hd)", "(hd0,)", "()", "(hd-1)", "(hd99999999999)"])(
    "%s is known by its name only",
    (name) => {
      expect(parseDevice(name)).toEqual({ kind: "other", name });
    },
  );
});

describe("file names", () => {
  test("a file name with a device comes apart", () => {
    expect(splitDevice("(hd0,1)/boot/vmlinuz")).toEqual({ device: disk(0, 2), path: "/boot/vmlinuz" });
  });
  test("a file name without a device has none", () => {
    expect(splitDevice("/boot/vmlinuz")).toEqual({ device: null, path: "/boot/vmlinuz" });
  });
  test("a device alone leaves an empty path", () => {
    expect(splitDevice("(hd0,1)")).toEqual({ device: disk(0, 2), path: "" });
  });
  test("an open parenthesis is no device of the guest", () => {
    expect(splitDevice("(hd0,1/boot")).toEqual({ device: { kind: "other", name: "(hd0,1/boot" }, path: "" });
  });
});
