import { describe, expect, it } from "vitest";
import { applyChanges } from "../../src/toolstack/apply-changes.ts";
import { inverseOf, type RecordChange, type VmRecord } from "../../src/toolstack/vm-record.ts";

const RECORD: VmRecord = {
  uuid: "0f3a1b2c-1111-2222-3333-444455556666",
  name_label: "web",
  PV_bootloader: "eliloader",
  PV_bootloader_args: "",
  PV_args: "",
  PV_kernel: "",
  PV_ramdisk: "",
  other_config: { "install-distro": "debianlike", "install-round": "1", keep: "me" },
  VBDs: [
    { userdevice: "0", type: "Disk", bootable: false },
    { userdevice: "3", type: "CD", bootable: true },
  ],
};

const CHANGES: readonly RecordChange[] = [
  { kind: "field", field: "PV_bootloader", from: "eliloader", to: "pygrub" },
  { kind: "other_config", key: "install-distro", from: "debianlike", to: null },
  { kind: "other_config", key: "install-round", from: "1", to: "2" },
  { kind: "other_config", key: "new", from: null, to: "" },
  { kind: "bootable", userdevice: "0", from: false, to: true },
  { kind: "bootable", userdevice: "3", from: true, to: false },
];

describe("a disk that is taken away", () => {
  const extra = { userdevice: "1", type: "Disk", bootable: false, mode: "RO" } as const;
  const record: VmRecord = { ...RECORD, VBDs: [...RECORD.VBDs, extra] };
  const detach: RecordChange = { kind: "disk", userdevice: "1", from: extra, to: null };

  it("is gone, and comes back by the inverse", () => {
    const without = applyChanges(record, [detach]);
    expect(without).toEqual(RECORD);
    expect(applyChanges(without, inverseOf([detach]))).toEqual(record);
  });

  it("is no change where it is gone already, or has come back", () => {
    expect(applyChanges(RECORD, [detach])).toEqual(RECORD);
    expect(applyChanges(record, inverseOf([detach]))).toEqual(record);
  });
});

describe("changes to a VM record", () => {
  it("are all applied, and the record given stays as it was", () => {
    const before = structuredClone(RECORD);
    expect(applyChanges(RECORD, CHANGES)).toEqual({
      ...RECORD,
      PV_bootloader: "pygrub",
      other_config: { "install-round": "2", keep: "me", new: "" },
      VBDs: [
        { userdevice: "0", type: "Disk", bootable: true },
        { userdevice: "3", type: "CD", bootable: false },
      ],
    });
    expect(RECORD).toEqual(before);
  });

  it("count as applied where they already stand, so that applying twice is applying once", () => {
    const once = applyChanges(RECORD, CHANGES);
    expect(applyChanges(once, CHANGES)).toEqual(once);
  });

  it("are taken back by their inverse", () => {
    expect(applyChanges(applyChanges(RECORD, CHANGES), inverseOf(CHANGES))).toEqual(RECORD);
  });

  it.each<[string, RecordChange, string]>([
    [
      "a field",
      { kind: "field", field: "PV_bootloader", from: "x", to: "y" },
      'PV_bootloader was "x", should become "y", and now it is "eliloader"',
    ],
    [
      "a key that came",
      { kind: "other_config", key: "keep", from: null, to: "a" },
      'other-config:keep was not set, should become "a", and now it is "me"',
    ],
    [
      "a key that went",
      { kind: "other_config", key: "gone", from: "a", to: "b" },
      'other-config:gone was "a", should become "b", and now it is not set',
    ],
    [
      "a disk that went",
      { kind: "bootable", userdevice: "9", from: false, to: true },
      "bootable of disk 9 was false, should become true, and now the disk is gone",
    ],
  ])("are refused when somebody else changed %s", (_what, change, message) => {
    expect(() => applyChanges(RECORD, [change])).toThrow(
      expect.objectContaining({ code: "VM_CHANGED", message: expect.stringContaining(message) as string }),
    );
  });

  it("treat a key that every object inherits as any other key", () => {
    for (const key of ["__proto__", "constructor"]) {
      const changes: RecordChange[] = [{ kind: "other_config", key, from: null, to: "x" }];
      const after = applyChanges(RECORD, changes);
      expect(Object.entries(after.other_config)).toContainEqual([key, "x"]);
      expect(applyChanges(after, inverseOf(changes))).toEqual(RECORD);
    }
  });
});
