import { describe, expect, it } from "vitest";
import { parseFamily } from "../../src/distro/catalog.ts";
import { readInstallRequest } from "../../src/distro/install-request.ts";
import { describeNextStart } from "../../src/pipeline/next-start.ts";
import { changesAfterRound, nextStart, planInstallation } from "../../src/pipeline/plan.ts";
import { planReinstall } from "../../src/pipeline/reinstall.ts";
import { applyChanges } from "../../src/toolstack/apply-changes.ts";
import { inverseOf, type VmRecord } from "../../src/toolstack/vm-record.ts";

const oneRound = parseFamily(
  "distros/test.json",
  JSON.stringify({
    family: "debianlike",
    arches: { amd64: "amd64" },
    rounds: 1,
    layouts: [{ name: "only", flavour: "xen", kernel: "k", ramdisks: ["r"] }],
    releases: [],
  }),
);

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

const planOf = (vm: VmRecord) => planInstallation(vm, readInstallRequest(vm.other_config, vm.uuid), oneRound);

describe("the plan of an installation round", () => {
  it("targets the record's release and architecture", () => {
    expect(planOf(record(debian)).target).toEqual({ release: "bookworm", arch: "amd64", flavour: null });
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

  it("adds no installer arguments for Debian", () => {
    expect(planOf(record(debian)).arguments).toBe("");
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

  it("refuses a graphical installation, which Debian's installer does not have over VNC", () => {
    expect(() => planOf(record({ ...debian, "install-vnc": "true" }))).toThrow(/install-vnc/);
    expect(() => planOf(record({ ...debian, "install-vnc": "false" }))).not.toThrow();
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
      arch: "i386",
      round: 1,
      graphical: false,
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
