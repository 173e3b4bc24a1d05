import { describe, expect, it } from "vitest";
import { catalogFiles } from "../../src/base/program.ts";
import { findFamily } from "../../src/distro/catalog.ts";
import { readInstallRequest } from "../../src/distro/install-request.ts";
import { readCatalog } from "../../src/distro/read-catalog.ts";
import { describeNextStart } from "../../src/pipeline/next-start.ts";
import { changesAfterRound, keepFiles, nextStart, planRound } from "../../src/pipeline/plan.ts";
import { planReinstall } from "../../src/pipeline/reinstall.ts";
import { applyChanges } from "../../src/toolstack/apply-changes.ts";
import { inverseOf, type VmRecord } from "../../src/toolstack/vm-record.ts";

const catalog = readCatalog(catalogFiles(), "/nowhere");
const oneRound = findFamily(catalog, "debianlike");

function record(otherConfig: Record<string, string>, fields: Partial<VmRecord> = {}): VmRecord {
  return {
    uuid: "11111111-2222-3333-4444-555555555555",
    name_label: "guest",
    PV_bootloader: "eliloader",
    PV_bootloader_args: "",
    PV_args: "",
    PV_kernel: "",
    PV_ramdisk: "",
    other_config: otherConfig,
    VBDs: [],
    ...fields,
  };
}

const debian = {
  "install-distro": "debianlike",
  "install-repository": "http://mirror.example/debian",
  "debian-release": "bookworm",
  "install-arch": "amd64",
};

function planOf(vm: VmRecord) {
  const plan = planRound(vm, readInstallRequest(vm.other_config, vm.uuid), oneRound);
  if (plan.kind !== "installer") throw new Error("a first round starts the installer");
  return plan;
}

describe("the plan of an installation round", () => {
  it("targets the record's release and architecture", () => {
    expect(planOf(record(debian)).request).toMatchObject({ family: "debianlike", release: "bookworm", arch: "amd64" });
  });

  it("leaves a record that boots from its disk and asks for no installation any more", () => {
    const vm = record({ ...debian, "install-round": "1", auto_poweron: "true" });
    const after = applyChanges(vm, planOf(vm).changes);
    expect(after.PV_bootloader).toBe("pygrub");
    expect(after.other_config).toEqual({
      "install-repository": "http://mirror.example/debian",
      "debian-release": "bookworm",
      "install-arch": "amd64",
      auto_poweron: "true",
    });
    expect(nextStart(after)).toBe("disk");
  });

  it("can be taken back", () => {
    const vm = record({ ...debian, "install-round": "1" });
    const { changes } = planOf(vm);
    expect(applyChanges(applyChanges(vm, changes), inverseOf(changes))).toEqual(vm);
  });

  it("only counts the round up when another one follows", () => {
    expect(changesAfterRound(record({}), 1, 2)).toEqual([
      { kind: "other_config", key: "install-round", from: null, to: "2" },
    ]);
  });

  it("refuses a round that the distribution does not have", () => {
    expect(() => planOf(record({ ...debian, "install-round": "2" }))).toThrow(/install-round is 2/);
  });

  it("refuses a missing release by the name of its key", () => {
    expect(() => planOf(record({ ...debian, "debian-release": "" }))).toThrow(/release/);
  });

  it("asks for a graphical installation where the record does", () => {
    const { installer } = planOf(record({ ...debian, "install-vnc": "true", "install-vncpasswd": "secret" })).request;
    expect(installer?.graphical).toEqual({ password: "secret" });
    expect(planOf(record({ ...debian, "install-vnc": "false" })).request.installer?.graphical).toBeNull();
  });
});

describe("the rounds of an installation", () => {
  const disk = { userdevice: "0", type: "Disk", bootable: false } as const;
  const data = { userdevice: "1", type: "Disk", bootable: true } as const;
  const cd = { userdevice: "3", type: "CD", bootable: true } as const;
  const of = (distro: string, config: Record<string, string>, fields: Partial<VmRecord> = {}) =>
    record({ "install-distro": distro, "install-repository": "http://m/", ...config }, fields);
  const roundOf = (vm: VmRecord) => {
    const request = readInstallRequest(vm.other_config, vm.uuid);
    return planRound(vm, request, findFamily(catalog, request.family));
  };

  it.each([
    ["rhlike", {}],
    ["debianlike", { "debian-release": "squeeze" }],
    ["pygrub", { "install-kernel": "vmlinuz" }],
    ["xenserver", {}],
  ])("%s: one, and the record boots from its disk", (distro, config) => {
    const vm = of(distro, config);
    const plan = roundOf(vm);
    expect(plan.kind).toBe("installer");
    const after = applyChanges(vm, plan.changes);
    expect(after.PV_bootloader).toBe("pygrub");
    expect(after.other_config).not.toHaveProperty("install-distro");
    expect(() => roundOf(of(distro, { ...config, "install-round": "2" }))).toThrow(/install-round is 2/);
  });

  it.each(["sleslike", "rhel41", "rhel44"])("%s: two, of which the first only counts", (distro) => {
    const vm = of(distro, {});
    const first = roundOf(vm);
    expect(first.kind).toBe("installer");
    const between = applyChanges(vm, first.changes);
    expect(between).toEqual({ ...vm, other_config: { ...vm.other_config, "install-round": "2" } });
    const second = roundOf(between);
    expect(second.kind).toBe("disk");
    const after = applyChanges(between, second.changes);
    expect(after.PV_bootloader).toBe("pygrub");
    expect(after.other_config).toEqual({ "install-repository": "http://m/" });
    expect(second).toMatchObject({ detachUpdatesDisk: false });
  });

  describe("rhel44's second takes the disk of updates away", () => {
    const first = { ...disk, bootable: true };
    const updates = { userdevice: "1", type: "Disk", bootable: false, mode: "RO" } as const;
    const second = (VBDs: VmRecord["VBDs"], config: Record<string, string> = {}) => {
      const vm = of("rhel44", { "install-round": "2", ...config }, { VBDs });
      const plan = roundOf(vm);
      if (plan.kind !== "disk") throw new Error("a second round boots from the disk");
      const left = applyChanges(vm, plan.changes).VBDs.map((vbd) => vbd.userdevice);
      expect(applyChanges(applyChanges(vm, plan.changes), inverseOf(plan.changes))).toEqual(vm);
      return { left, byHand: plan.detachUpdatesDisk };
    };

    it("where the record names it", () => {
      expect(second([first, data], { "install-updates-disk": "1" })).toEqual({ left: ["0"], byHand: false });
    });

    it("where it is the only one that the guest cannot write to", () => {
      expect(second([first, updates])).toEqual({ left: ["0"], byHand: false });
      expect(second([first, cd, updates])).toEqual({ left: ["0", "3"], byHand: false });
    });

    it("but never one that may hold somebody's data, or the guest's own: a person is told to", () => {
      expect(second([first, data])).toEqual({ left: ["0", "1"], byHand: true });
      const two = [first, updates, { ...updates, userdevice: "2" }];
      expect(second(two)).toEqual({ left: ["0", "1", "2"], byHand: true });
      expect(second([first, data], { "install-updates-disk": "0" })).toEqual({ left: ["0", "1"], byHand: true });
    });

    it("and nothing where there is none", () => {
      expect(second([first, cd])).toEqual({ left: ["0", "3"], byHand: false });
      expect(second([{ ...first, mode: "RO" }])).toEqual({ left: ["0"], byHand: false });
    });
  });

  it("sleslike's second looks for the names that its architecture has", () => {
    const pair = (suffix: string) => ({ kernel: `vmlinuz-${suffix}`, ramdisk: `initrd-${suffix}` });
    const lookup = (config: Record<string, string>) => roundOf(of("sleslike", { "install-round": "2", ...config }));
    expect(lookup({ "install-arch": "x86_64" })).toMatchObject({
      lookup: { folders: ["/", "/boot"], files: [pair("xen")] },
    });
    expect(lookup({ "install-arch": "i386" })).toMatchObject({ lookup: { files: [pair("xenpae")] } });
    expect(lookup({})).toMatchObject({ lookup: { files: [pair("xen"), pair("xenpae")] } });
    expect(roundOf(of("rhel41", { "install-round": "2" }))).toMatchObject({ lookup: null });
  });

  it("what the second round finds is kept in the loader's arguments", () => {
    const vm = of("sleslike", { "install-round": "2" });
    expect(keepFiles(vm, "/boot/vmlinuz-xen", "/boot/initrd-xen")).toEqual([
      {
        kind: "field",
        field: "PV_bootloader_args",
        from: "",
        to: "--kernel /boot/vmlinuz-xen --ramdisk /boot/initrd-xen",
      },
    ]);
    expect(() => keepFiles(vm, "/boot/my kernel", "/i")).toThrow(/cut at blanks/);
  });

  it.each(["rhlike", "sleslike"])(
    "%s from cdrom: the first disk, and no other, is bootable for the next start",
    (distro) => {
      const vm = of(distro, { "install-repository": "cdrom" }, { VBDs: [disk, data, cd] });
      const after = applyChanges(vm, roundOf(vm).changes);
      expect(after.VBDs.map((vbd) => vbd.bootable)).toEqual([true, false, false]);
      expect(applyChanges(after, inverseOf(roundOf(vm).changes))).toEqual(vm);
    },
  );

  it("over the network leaves the disks alone", () => {
    const vm = of("rhlike", {}, { VBDs: [disk, data, cd] });
    expect(applyChanges(vm, roundOf(vm).changes).VBDs).toEqual(vm.VBDs);
  });

  it("the installer's repository goes without user and password", () => {
    const vm = of("rhlike", { "install-repository": "http://u:p@m/x", "install-vnc": "1", "install-vncpasswd": "pw" });
    expect(roundOf(vm)).toMatchObject({
      request: { installer: { repository: "http://m/x/", graphical: { password: "pw" } } },
    });
  });

  it("pygrub over the network needs a path, and one below the repository", () => {
    expect(() => roundOf(of("pygrub", {}))).toThrow(/which kernel/);
    expect(() => roundOf(of("pygrub", { "install-kernel": "../../etc/shadow" }))).toThrow(/no path below/);
    expect(roundOf(of("pygrub", { "install-kernel": "/boot/vmlinuz" }))).toMatchObject({
      request: { files: { kernel: "boot/vmlinuz", ramdisks: [] } },
    });
  });

  it("pygrub from a medium leaves the files to the medium's own config", () => {
    expect(roundOf(of("pygrub", { "install-repository": "cdrom" }))).toMatchObject({
      isChosenByMedium: true,
      request: { files: null },
    });
    expect(roundOf(of("rhlike", { "install-repository": "cdrom" }))).toMatchObject({ isChosenByMedium: false });
  });

  it("debianlike from a medium needs no release", () => {
    expect(roundOf(of("debianlike", { "install-repository": "cdrom" })).kind).toBe("installer");
  });

  it("a restart hands the medium to the loader again", () => {
    const vm = of("rhlike", { "install-repository": "cdrom" }, { VBDs: [disk, cd] });
    const installed = applyChanges(vm, roundOf(vm).changes);
    expect(applyChanges(installed, planReinstall(installed, "rhlike"))).toEqual(vm);
  });
});

describe("what a record's next start is", () => {
  it.each([
    ["eliloader", {}, "installation"],
    ["/usr/bin/eliloader", {}, "installation"],
    ["pygrub", debian, "disk"],
    ["guestboot", debian, "installation"],
    ["guestboot", {}, "disk"],
    ["", {}, "disk"],
  ] as const)("PV_bootloader %j with %j: %s", (loader, config, expected) => {
    expect(nextStart(record(config, { PV_bootloader: loader }))).toBe(expected);
  });

  it("is an error for a loader that nobody knows", () => {
    expect(() => nextStart(record({}, { PV_bootloader: "grub2" }))).toThrow(/"grub2" is not known/);
  });

  it("is told in words", () => {
    expect(describeNextStart(record(debian))).toBe("installs debianlike bookworm amd64");
    expect(describeNextStart(record({}, { PV_bootloader: "pygrub" }))).toBe("boots from its own disk");
    expect(describeNextStart(record({}))).toMatch(/^fails: .*no repository/);
    expect(describeNextStart(record({ ...debian, "install-distro": "sleslike", "install-round": "2" }))).toMatch(
      /^boots from its own disk to end the installation of sleslike .*\(round 2; .*guestboot vm reinstall \S+\)$/,
    );
  });
});

describe("restarting an installation", () => {
  it("undoes what the last round did and what an earlier second round left", () => {
    const vm = record(debian, { PV_bootloader_args: "--kernel /boot/vmlinuz-xen" });
    const installed = applyChanges(vm, planOf(vm).changes);
    const again = applyChanges(installed, planReinstall(installed, null));
    expect(again.PV_bootloader).toBe("eliloader");
    expect(again.PV_bootloader_args).toBe("");
    expect(again.other_config).toEqual(debian);
  });

  it("asks for the family where the record no longer tells it", () => {
    expect(() => planReinstall(record({ "install-repository": "http://m/" }), null)).toThrow(
      /does not tell which distribution/,
    );
    expect(planReinstall(record({ "install-repository": "http://m/" }), "rhlike")).toContainEqual({
      kind: "other_config",
      key: "install-distro",
      from: null,
      to: "rhlike",
    });
  });
});

describe("reading what is to be installed", () => {
  it("fills in xapi's defaults", () => {
    expect(readInstallRequest({ "install-repository": "http://m/" }, "vm")).toEqual({
      repository: "http://m/",
      family: "rhlike",
      release: null,
      arch: null,
      round: 1,
      graphical: false,
      password: null,
      proxy: null,
      files: null,
    });
  });

  it("names the key that is missing", () => {
    expect(() => readInstallRequest({}, "vm")).toThrow(/no repository/);
  });

  it.each(["0", "two", "-1", "1e1", " "])("refuses the round %j", (round) => {
    expect(() => readInstallRequest({ "install-repository": "http://m/", "install-round": round }, "vm")).toThrow(
      /no round/,
    );
  });
});
