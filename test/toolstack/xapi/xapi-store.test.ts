import * as fs from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { inverseOf, type RecordChange } from "../../../src/toolstack/vm-record.ts";
import { openXapiStore } from "../../../src/toolstack/xapi/xapi-store.ts";
import { temporaryFolder } from "../../program.ts";
import { addVm, Failure, vbdsOf, type SimulatedVm } from "../../xapi/simulated-database.ts";
import { startSimulatedXapi, type SimulatedXapi } from "../../xapi/simulated-xapi.ts";

let folder: ReturnType<typeof temporaryFolder>;
let socket = "";
let xapi: SimulatedXapi;

beforeEach(async () => {
  folder = temporaryFolder();
  socket = join(folder.path, "xapi");
  xapi = await startSimulatedXapi({ socket });
});
afterEach(async () => {
  await xapi[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const UUID = "0c5e7b2a-1d3f-4a6b-8c9d-0123456789ab";

function openStore(timeoutSeconds = 30) {
  return openXapiStore({ address: { kind: "socket", path: socket }, user: "", password: "", timeoutSeconds });
}

/** A VM whose installation from a medium is about to end its only round. */
function addGuest(): SimulatedVm {
  return addVm(xapi.database, {
    uuid: UUID,
    name_label: "web <1> & Zoë",
    fields: { PV_bootloader: "eliloader", PV_args: 'a "quoted" one' },
    other_config: { "install-distro": "rhlike", "install-repository": "cdrom", "install-round": "1", theirs: "x" },
    VBDs: [
      { userdevice: "3", type: "CD", bootable: true, mode: "RO" },
      { userdevice: "0", bootable: false },
      { userdevice: "1", mode: "RO", currently_attached: true },
    ],
  });
}

const LAST_ROUND: readonly RecordChange[] = [
  { kind: "field", field: "PV_bootloader", from: "eliloader", to: "pygrub" },
  { kind: "other_config", key: "install-distro", from: "rhlike", to: null },
  { kind: "other_config", key: "install-round", from: "1", to: "2" },
  { kind: "bootable", userdevice: "3", from: true, to: false },
  { kind: "bootable", userdevice: "0", from: false, to: true },
];

const stateOf = (vm: SimulatedVm) => ({
  PV_bootloader: vm.fields["PV_bootloader"],
  other_config: Object.fromEntries(vm.other_config),
  bootable: vbdsOf(xapi.database, vm).flatMap((vbd) => (vbd.bootable ? [vbd.userdevice] : [])),
  disks: vbdsOf(xapi.database, vm)
    .map((vbd) => vbd.userdevice)
    .sort(),
});

const INSTALLED = {
  PV_bootloader: "pygrub",
  other_config: { "install-repository": "cdrom", "install-round": "2", theirs: "x" },
  bootable: ["0"],
  disks: ["0", "1", "3"],
};

describe("a VM's record in xapi", () => {
  it("is read with its disks in order, by UUID or by name", async () => {
    addGuest();
    await using store = openStore();
    const record = await store.read(UUID);
    expect(record).toEqual({
      uuid: UUID,
      name_label: "web <1> & Zoë",
      PV_bootloader: "eliloader",
      PV_bootloader_args: "",
      PV_args: 'a "quoted" one',
      PV_kernel: "",
      PV_ramdisk: "",
      other_config: { "install-distro": "rhlike", "install-repository": "cdrom", "install-round": "1", theirs: "x" },
      VBDs: [
        { userdevice: "0", type: "Disk", bootable: false, mode: "RW" },
        { userdevice: "1", type: "Disk", bootable: false, mode: "RO" },
        { userdevice: "3", type: "CD", bootable: true, mode: "RO" },
      ],
    });
    expect(await store.read("web <1> & Zoë")).toEqual(record);
    expect(await store.read(UUID.toUpperCase())).toEqual(record);
  });

  it("is not found by a template's name, nor by a name of two VMs", async () => {
    addVm(xapi.database, { name_label: "Debian", is_a_template: true });
    addVm(xapi.database, { name_label: "twin" });
    addVm(xapi.database, { name_label: "twin" });
    await using store = openStore();
    for (const id of ["Debian", "", "00000000-0000-0000-0000-000000000000"]) {
      await expect(store.read(id)).rejects.toMatchObject({ code: "VM_UNKNOWN", hint: "xe vm-list" });
    }
    await expect(store.read("twin")).rejects.toMatchObject({
      code: "VM_UNKNOWN",
      message: expect.stringContaining("2 VMs") as unknown,
    });
  });

  it("takes all the changes of a round, and keeps what others have in it", async () => {
    const vm = addGuest();
    {
      await using store = openStore();
      expect(await store.apply(UUID, LAST_ROUND)).toEqual(LAST_ROUND);
      expect(await store.apply(UUID, LAST_ROUND)).toEqual([]);
    }
    expect(stateOf(vm)).toEqual(INSTALLED);
    expect(xapi.database.sessions.size).toBe(0);
  });

  it("is as it was when what was made is taken back", async () => {
    const vm = addGuest();
    const before = stateOf(vm);
    {
      await using store = openStore();
      const updates = { kind: "disk", userdevice: "1", from: null, to: null } as const;
      const record = await store.read(UUID);
      const disk = record.VBDs.find((vbd) => vbd.userdevice === "1") ?? null;
      const made = await store.apply(UUID, [...LAST_ROUND, { ...updates, from: disk }]);
      expect(stateOf(vm)).toEqual({ ...INSTALLED, disks: ["0", "3"], other_config: expect.anything() as unknown });
      await store.apply(UUID, inverseOf(made));
    }
    expect(stateOf(vm)).toEqual({ ...before, bootable: ["3"] });
    const again = vbdsOf(xapi.database, vm).find((vbd) => vbd.userdevice === "1");
    expect(again).toMatchObject({ mode: "RO", type: "Disk", bootable: false });
  });

  it("gives a disk back with the image that it had", async () => {
    const vm = addGuest();
    const image = vbdsOf(xapi.database, vm).find((vbd) => vbd.userdevice === "1")?.VDI;
    await using store = openStore();
    const disk = (await store.read(UUID)).VBDs.find((vbd) => vbd.userdevice === "1") ?? null;
    const made = await store.apply(UUID, [{ kind: "disk", userdevice: "1", from: disk, to: null }]);
    expect(xapi.database.calls.map((call) => call.method)).toContain("VBD.unplug");
    expect(vbdsOf(xapi.database, vm).map((vbd) => vbd.userdevice)).toEqual(["3", "0"]);
    await store.apply(UUID, inverseOf(made));
    expect(vbdsOf(xapi.database, vm).find((vbd) => vbd.userdevice === "1")?.VDI).toBe(image);
  });

  it("is left alone when somebody has changed it since it was read", async () => {
    const vm = addGuest();
    vm.fields["PV_bootloader"] = "something";
    const before = stateOf(vm);
    await using store = openStore();
    await expect(store.apply(UUID, LAST_ROUND)).rejects.toMatchObject({ code: "VM_CHANGED" });
    expect(stateOf(vm)).toEqual(before);
  });

  it("goes back to what it was when any one of the calls fails", async () => {
    const whole = addGuest();
    {
      await using store = openStore();
      await store.apply(UUID, LAST_ROUND);
    }
    const isWrite = (method: string) => /add_to|remove_from|set_/.test(method);
    const writes = xapi.database.calls.filter((call) => isWrite(call.method)).length;
    // The last write is the note's removal, whose failure nobody's start depends on.
    for (let failing = 1; failing < writes; failing += 1) {
      xapi.database.vms.delete(whole.ref);
      xapi.database.vms.clear();
      const vm = addGuest();
      const before = stateOf(vm);
      let seen = 0;
      xapi.database.before = ({ method }) => {
        if (isWrite(method)) seen += 1;
        if (isWrite(method) && seen === failing) throw new Failure("INTERNAL_ERROR", "made up");
      };
      await using store = openStore();
      const failed = expect(store.apply(UUID, LAST_ROUND)).rejects;
      await failed.toMatchObject({ code: "VM_UNWRITABLE", message: expect.stringContaining("made up") as unknown });
      expect(stateOf(vm), `the failure of write ${failing}`).toEqual(before);
    }
    expect(writes).toBeGreaterThan(7);
  });

  it("says that it is changed by half when not even that can be done, and the next start takes it back", async () => {
    const vm = addGuest();
    const before = stateOf(vm);
    let seen = 0;
    xapi.database.before = ({ method }) => {
      if (/set_/.test(method)) seen += 1;
      if (seen >= 2) throw new Failure("INTERNAL_ERROR", "gone for good");
    };
    {
      await using store = openStore();
      await expect(store.apply(UUID, LAST_ROUND)).rejects.toMatchObject({
        code: "VM_UNWRITABLE",
        message: expect.stringContaining("changed by half") as unknown,
      });
    }
    expect(stateOf(vm)).not.toEqual(before);
    xapi.database.before = () => undefined;
    await using store = openStore();
    expect((await store.read(UUID)).other_config).toEqual(before.other_config);
    await store.recover(UUID);
    expect(stateOf(vm)).toEqual(before);
  });

  it("is changed over a key that somebody else puts in between", async () => {
    const vm = addGuest();
    let times = 0;
    xapi.database.before = ({ method, params }) => {
      if (method === "VM.add_to_other_config" && params[2] === "install-round" && times++ < 2) {
        vm.other_config.set("install-round", "7");
      }
    };
    await using store = openStore();
    await store.apply(UUID, LAST_ROUND);
    expect(vm.other_config.get("install-round")).toBe("2");
  });
});

describe("a note of unfinished changes", () => {
  it("says nothing when somebody has begun the installation anew by hand", async () => {
    const vm = addGuest();
    let note = "";
    xapi.database.before = ({ method, params }) => {
      if (method === "VM.add_to_other_config" && params[2] === "guestboot-unfinished") note = String(params[3]);
    };
    await using store = openStore();
    await store.apply(UUID, LAST_ROUND);
    // What `xe` leaves: the loader and the family are back, the round is not.
    vm.fields["PV_bootloader"] = "eliloader";
    vm.other_config.set("install-distro", "sleslike");
    vm.other_config.delete("install-round");
    vm.other_config.set("guestboot-unfinished", note);
    await using other = openStore();
    expect((await other.read(UUID)).other_config).toMatchObject({ "install-distro": "sleslike" });
    await other.recover(UUID);
    expect(stateOf(vm).other_config).toEqual({
      "install-repository": "cdrom",
      "install-distro": "sleslike",
      theirs: "x",
    });
  });

  it.each([
    "",
    "{",
    "[]",
    "{}",
    '{"changes":[]}',
    '{"changes":[{"kind":"disk"}]}',
    '{"changes":"x"}',
    "x".repeat(70_000),
  ])("that we did not write is passed over: %.20s", async (note) => {
    const vm = addGuest();
    const before = stateOf(vm);
    vm.other_config.set("guestboot-unfinished", note);
    await using store = openStore();
    expect((await store.read(UUID)).other_config).toEqual(before.other_config);
    await store.recover(UUID);
    expect(stateOf(vm)).toEqual(before);
  });
});

describe("the host's own xapi", () => {
  it("that is not there, or is something else, is said to be so", async () => {
    await using store = openStore();
    fs.renameSync(socket, `${socket}.away`);
    await expect(store.read(UUID)).rejects.toMatchObject({
      code: "TOOLSTACK_UNREACHABLE",
      message: expect.stringContaining(socket) as unknown,
      hint: expect.stringContaining("systemctl status xapi") as unknown,
    });
  });

  it("that does not answer is waited for no longer than allowed", async () => {
    addGuest();
    xapi.database.before = ({ method }) => (method === "VM.get_record" ? new Promise(() => undefined) : undefined);
    await using store = openStore(1);
    await expect(store.read(UUID)).rejects.toMatchObject({
      code: "TOOLSTACK_UNREACHABLE",
      message: expect.stringContaining("no answer in 1 s") as unknown,
    });
  });
});
