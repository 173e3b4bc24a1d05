/**
 * The real loader against a (simulated) xapi. Killed at each of its calls, before the call is carried out, and after
 * that but before the loader has its answer: each time `guestboot vm show` tells what is to be done, and that done, the
 * next start works. And fifty of them at once.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { environment, parseSimple, programPath, start, temporaryFolder } from "../program.ts";
import { JOURNAL, journalOf } from "../vm-journal.ts";
import { addVm, type SimulatedVm } from "../xapi/simulated-database.ts";
import { stageDebian, startXapiHost, stateOf, type XapiHost } from "./xe-on-xapi.ts";

const folder = temporaryFolder();
let host: XapiHost;
let mirror = "";

beforeAll(async () => {
  host = await startXapiHost(folder.path);
  mirror = await stageDebian(folder.path, path.join(folder.path, "images"), host.settings);
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** Of a family that nothing but `install-distro` names. */
function addGuest(): SimulatedVm {
  return addVm(host.xapi.database, {
    fields: { PV_bootloader: "eliloader", PV_args: "console=hvc0" },
    other_config: {
      "install-distro": "pygrub",
      "install-repository": mirror,
      "install-kernel": "dists/bookworm/main/installer-amd64/current/images/netboot/xen/vmlinuz",
      "install-ramdisk": "dists/bookworm/main/installer-amd64/current/images/netboot/xen/initrd.gz",
    },
    VBDs: [{ userdevice: "0", bootable: true }],
  });
}

/** What the guest was before its only round. */
const JOURNAL_OF_ROUND = {
  version: 1,
  PV_bootloader: ["eliloader", "pygrub"],
  "other_config:install-distro": ["pygrub", null],
};
const journalIn = (vm: SimulatedVm) => journalOf({ other_config: Object.fromEntries(vm.other_config) });

const argv = (vm: SimulatedVm) => ["-q", "--vm", vm.uuid, "/dev/null"];

/** @returns what the loader had answered when it was killed, or its whole answer */
async function startKilledAt(vm: SimulatedVm, fatal: number, isCarriedOut: boolean): Promise<string> {
  const { database } = host.xapi;
  const child = spawn(programPath("eliloader"), argv(vm), {
    env: environment(host.settings),
    stdio: ["ignore", "pipe", "ignore"],
  });
  let answer = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (answer += text));
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once("close", (_status, by) => resolve(by)));
  let seen = 0;
  database.before = async () => {
    seen += 1;
    if (seen !== fatal) return;
    child.kill("SIGKILL");
    await ended;
    if (!isCarriedOut) throw new Error("nobody reads this");
  };
  expect(await ended).toBe("SIGKILL");
  database.before = () => undefined;
  return answer;
}

describe.each([
  ["before it is carried out", false],
  ["after it is carried out", true],
] as const)("a loader that is killed at any call, %s", (_when, isCarriedOut) => {
  it("leaves a record of which vm show tells what to do, and the next start works", async () => {
    const whole = addGuest();
    host.xapi.database.calls.length = 0;
    const good = await start(programPath("eliloader"), argv(whole), host.settings);
    expect(good, good.stderr).toMatchObject({ status: 0, stderr: "" });
    const after = stateOf(host.xapi, whole);
    expect(journalIn(whole)).toEqual(JOURNAL_OF_ROUND);
    const calls = host.xapi.database.calls.map(({ method }) => method);
    expect(calls.length).toBeGreaterThan(8);
    const hints = new Set<string>();

    for (let fatal = 1; fatal <= calls.length; fatal += 1) {
      const where = `killed at call ${fatal}, ${calls[fatal - 1] ?? ""}`;
      const vm = addGuest();
      const answer = await startKilledAt(vm, fatal, isCarriedOut);
      const shown = await host.vm("show", vm.uuid);
      expect(shown, where).toMatchObject({ status: 0, stderr: "" });
      const next = /^next start +(.*)$/m.exec(shown.stdout)?.[1] ?? "";
      if (answer !== "") {
        // The toolstack has its answer: the installer runs, and the disk comes next.
        expect(next, where).toMatch(/^boots from its own disk/);
        continue;
      }
      const hint = `guestboot vm reinstall ${vm.uuid}`;
      if (next.includes(hint)) {
        hints.add(where);
        expect(await host.vm("reinstall", vm.uuid), where).toMatchObject({ status: 0, stderr: "" });
      } else expect(next, where).toBe("installs pygrub");
      expect(vm.fields["PV_bootloader"], `${where}: the next start asks us`).toBe("eliloader");
      const again = await start(programPath("eliloader"), argv(vm), host.settings);
      expect(again, where).toMatchObject({ status: 0, stderr: "" });
      expect(parseSimple(again.stdout).kernel, where).toMatch(/^\//);
      // To the letter, with the journal that the start has written into it.
      expect(stateOf(host.xapi, vm), where).toEqual(after);
    }
    // Only where the record was changed and the answer was not given, a person has something to do.
    expect([...hints].map((where) => where.replace(/.*, /, ""))).toEqual(isCarriedOut ? ["VM.set_PV_bootloader"] : []);
  }, 300_000);
});

it("fifty loaders at once leave fifty right records, their files, and no session", async () => {
  const vms = Array.from({ length: 50 }, addGuest);
  // Loaders that were killed have left theirs, which xapi ends by itself.
  const sessions = host.xapi.database.sessions.size;
  const ended = await Promise.all(vms.map((vm) => start(programPath("eliloader"), argv(vm), host.settings, 240_000)));
  for (const each of ended) expect(each, each.stderr).toMatchObject({ status: 0, stderr: "" });
  const files = ended.flatMap(({ stdout }) => [parseSimple(stdout).kernel, parseSimple(stdout).ramdisk ?? ""]);
  expect(new Set(files).size).toBe(100);
  for (const file of files) expect(fs.readFileSync(file, "utf8")).toMatch(/^a (?:kernel|ramdisk)$/);
  for (const vm of vms) {
    expect(vm.fields).toMatchObject({ PV_bootloader: "pygrub", PV_args: "console=hvc0" });
    expect(journalIn(vm)).toEqual(JOURNAL_OF_ROUND);
    const keys = [...vm.other_config.keys()].filter((key) => key !== JOURNAL);
    expect(keys).toEqual(["install-repository", "install-kernel", "install-ramdisk"]);
  }
  expect(host.xapi.database.sessions.size).toBe(sessions);
}, 300_000);
