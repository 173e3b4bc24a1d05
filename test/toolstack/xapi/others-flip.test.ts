/**
 * Somebody else who changes the same fields at the same time: Xen Orchestra's start from a CD sets `PV_bootloader` and
 * `install-distro`, makes the CD the bootable disk, starts the VM, and puts everything back when the start is over,
 * or when it believes so.
 */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withJournal } from "../../../src/pipeline/journal.ts";
import { changesAfterRound } from "../../../src/pipeline/plan.ts";
import { openXapiStore } from "../../../src/toolstack/xapi/xapi-store.ts";
import { temporaryFolder } from "../../program.ts";
import { JOURNAL } from "../../vm-journal.ts";
import { addVm, vbdsOf, type SimulatedVm } from "../../xapi/simulated-database.ts";
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

function openStore() {
  return openXapiStore({ address: { kind: "socket", path: socket }, user: "", password: "", timeoutSeconds: 30 });
}

/** Installed once: it boots from its disk. */
function addInstalled(): SimulatedVm {
  return addVm(xapi.database, {
    fields: { PV_bootloader: "pygrub" },
    other_config: { "install-repository": "cdrom", "install-methods": "cdrom,http" },
    VBDs: [
      { userdevice: "0", bootable: true },
      { userdevice: "3", type: "CD", mode: "RO" },
    ],
  });
}

/** But for the journal, which tells what the loader has met. */
const stateOf = (vm: SimulatedVm) => ({
  PV_bootloader: vm.fields["PV_bootloader"],
  other_config: Object.fromEntries([...vm.other_config].filter(([key]) => key !== JOURNAL)),
  bootable: vbdsOf(xapi.database, vm).flatMap((vbd) => (vbd.bootable ? [vbd.userdevice] : [])),
});

/** What Xen Orchestra sets; what is returned puts it back. */
function setForCd(vm: SimulatedVm): () => void {
  const { PV_bootloader, bootable } = stateOf(vm);
  const distro = vm.other_config.get("install-distro");
  const setBootable = (devices: readonly string[]) => {
    for (const vbd of vbdsOf(xapi.database, vm)) vbd.bootable = devices.includes(vbd.userdevice);
  };
  vm.fields["PV_bootloader"] = "eliloader";
  vm.other_config.set("install-distro", "rhlike");
  setBootable(["3"]);
  return () => {
    vm.fields["PV_bootloader"] = PV_bootloader ?? "";
    if (distro === undefined) vm.other_config.delete("install-distro");
    else vm.other_config.set("install-distro", distro);
    setBootable(bootable);
  };
}

/** A loader's round; `meanwhile` happens while the installer's files are downloaded. */
async function runLoader(vm: SimulatedVm, meanwhile: () => void = () => undefined): Promise<void> {
  await using store = openStore();
  await store.recover(vm.uuid);
  const record = await store.read(vm.uuid);
  expect(record.PV_bootloader).toBe("eliloader");
  meanwhile();
  await store.apply(vm.uuid, withJournal(record, changesAfterRound(record, 1, 1, true)));
}

describe("a start from a CD by Xen Orchestra", () => {
  it("ends with a VM that boots from its disk", async () => {
    const vm = addInstalled();
    const before = stateOf(vm);
    const putBack = setForCd(vm);
    xapi.database.starting = () => runLoader(vm);
    await using store = openStore();
    await store.start(vm.uuid);
    expect(vm.power_state).toBe("Running");
    expect(stateOf(vm), "the loader's own last state").toEqual(before);
    putBack();
    expect(stateOf(vm)).toEqual(before);
  });

  it("that gave up waiting and put everything back during the download ends right", async () => {
    const vm = addInstalled();
    const before = stateOf(vm);
    const putBack = setForCd(vm);
    await runLoader(vm, putBack);
    expect(stateOf(vm)).toEqual(before);
  });

  it("ends right wherever between the loader's calls everything is put back", async () => {
    const startPuttingBackAt = async (at: number) => {
      xapi.database.before = () => undefined;
      const vm = addInstalled();
      const before = stateOf(vm);
      const putBack = setForCd(vm);
      let calls = 0;
      xapi.database.before = () => {
        calls += 1;
        if (calls === at) putBack();
      };
      // Before the loader has read the record there is no installation to be seen: that start says so.
      await runLoader(vm).catch(() => undefined);
      expect(stateOf(vm), `put back before call ${at}`).toEqual(before);
    };
    const vm = addInstalled();
    setForCd(vm);
    await runLoader(vm);
    const calls = xapi.database.calls.length;
    expect(calls).toBeGreaterThan(12);
    for (let at = 1; at <= calls; at += 1) await startPuttingBackAt(at);
  });

  it("that puts an installation back under way is refused when it wants something else than we do", async () => {
    const vm = addInstalled();
    setForCd(vm);
    const meanwhile = () => {
      vm.fields["PV_bootloader"] = "";
    };
    await expect(runLoader(vm, meanwhile)).rejects.toMatchObject({ code: "VM_CHANGED" });
    expect(vm.fields["PV_bootloader"]).toBe("");
    expect(vm.other_config.get("install-distro")).toBe("rhlike");
  });
});

describe("a VM that xapi will not start", () => {
  it("is told of in xapi's words", async () => {
    const vm = addInstalled();
    vm.power_state = "Running";
    await using store = openStore();
    await expect(store.start(vm.uuid)).rejects.toMatchObject({
      code: "TOOLSTACK_REFUSED",
      message: expect.stringContaining("VM_BAD_POWER_STATE") as unknown,
    });
  });
});
