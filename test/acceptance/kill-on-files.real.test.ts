/**
 * The real loader on a record that is a file. Killed at each system call on the record, on what lies beside it and on
 * its answer: each time `guestboot vm show` tells what is to be done, and that done, the next start works.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { MIRROR_PATHS } from "../../fixtures/debian-installer.ts";
import { readTrace, type Call } from "../faults/trace.ts";
import { parseSimple, programPath, run, start, temporaryFolder, type Ended } from "../program.ts";
import { checkedJournal } from "../vm-journal.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";
import { stageDebian } from "./xe-on-xapi.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = {
  GUESTBOOT_STATE_DIR: at("state"),
  GUESTBOOT_CACHE_DIR: at("cache"),
  GUESTBOOT_BOOT_DIR: at("boot"),
  GUESTBOOT_STORE: "file",
  GUESTBOOT_LOG: "none",
};
const vms = at("state/vms");
const TOUCHED = [`${VM}.json`, `.${VM}.json.new`, `.${VM}.cut-off`].map((name) => path.join(vms, name));
let before = installRecord("");

beforeAll(async () => {
  // Of a family that nothing but `install-distro` names.
  const config = {
    "install-distro": "pygrub",
    "install-repository": await stageDebian(folder.path, at("images"), set),
    "install-kernel": MIRROR_PATHS.kernel,
    "install-ramdisk": MIRROR_PATHS.initrd,
  };
  before = { ...installRecord(""), other_config: config };
});
afterAll(() => folder[Symbol.dispose]());

const argv = [`--output=${at("answer")}`, "--output-format=simple", "-q", `--vm=${VM}`, "/dev/null"];
const answer = () => fs.readFileSync(at("answer"), "utf8");
const vm = (verb: string) => run(programPath("guestboot"), ["vm", verb, VM], set);

function startAnew(): void {
  for (const name of ["state", "boot"]) fs.rmSync(at(name), { recursive: true, force: true });
  writeRecord(at("state"), before);
  fs.writeFileSync(at("answer"), "");
}

/** A start under strace(1), which sees the calls on those files alone. */
async function traced(options: readonly string[]): Promise<{ ended: Ended; calls: Call[] }> {
  startAnew();
  const paths = [...TOUCHED, at("answer")].flatMap((file) => ["-P", file]);
  const own = [programPath("guestboot"), "boot", ...argv];
  // The boot files' owner outlives the loader, and does its work in a moment.
  const ended = await start("strace", ["-D", "-qq", "-y", "-o", at("trace"), ...paths, ...options, ...own], set);
  return { ended, calls: readTrace(fs.readFileSync(at("trace"), "utf8")) };
}

it("a loader that is killed at any call leaves a record of which vm show tells what to do", async () => {
  const whole = await traced([]);
  expect(whole.ended.status, whole.ended.stderr).toBe(0);
  expect(parseSimple(answer()).kernel).toMatch(/^\//);
  const after = readRecord(at("state"));
  const kept = Object.fromEntries(Object.entries(before.other_config).filter(([key]) => key !== "install-distro"));
  expect(checkedJournal(after, before)).toEqual({ ...before, PV_bootloader: "pygrub", other_config: kept });
  expect(vm("show").stdout).toMatch(/^next start +boots from its own disk$/m);
  expect(whole.calls.map(({ name }) => name)).toEqual(expect.arrayContaining(["rename", "write", "unlink"]));

  const toldToReinstall: string[] = [];
  for (const { name, nth, target } of whole.calls) {
    const where = `killed at ${name} ${nth}, ${target}`;
    const { ended } = await traced(["-e", `inject=${name}:signal=SIGKILL:when=${nth}`]);
    expect(ended.signal, where).toBe("SIGKILL");
    const shown = vm("show");
    expect(shown, where).toMatchObject({ status: 0, stderr: "" });
    const next = /^next start +(.*)$/m.exec(shown.stdout)?.[1] ?? "";
    const isChanged = readRecord(at("state"))["PV_bootloader"] === "pygrub";
    expect(readRecord(at("state")), where).toEqual(isChanged ? after : before);
    if (!isChanged) expect(next, where).toBe("installs pygrub");
    else if (answer() !== "") {
      // The toolstack has its answer: the installer runs, and the disk comes next.
      expect(next, where).toMatch(/^boots from its own disk/);
      continue;
    } else {
      toldToReinstall.push(name);
      expect(next, where).toContain(`guestboot vm reinstall ${VM}`);
      expect(vm("reinstall"), where).toMatchObject({ status: 0, stderr: "" });
      expect(readRecord(at("state")), where).toEqual(before);
    }
    fs.writeFileSync(at("answer"), "");
    const again = await start(programPath("guestboot"), ["boot", ...argv], set);
    expect(again, where).toMatchObject({ status: 0, stderr: "" });
    expect(parseSimple(answer()).kernel, where).toMatch(/^\//);
    expect(readRecord(at("state")), where).toEqual(after);
    expect(fs.readdirSync(vms).sort(), where).toEqual([`.${VM}.lock`, `${VM}.json`]);
  }
  // Between the record's change and the answer there is at least one call.
  expect(toldToReinstall).not.toEqual([]);
}, 600_000);
