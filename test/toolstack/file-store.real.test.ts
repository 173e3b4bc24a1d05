import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFileStore } from "../../src/toolstack/file-store.ts";
import type { RecordChange } from "../../src/toolstack/vm-record.ts";
import { RUNTIME_FLAGS } from "../../src/cli/runtime-flags.js";

const UUID = "0f3a1b2c-1111-2222-3333-444455556666";
const STORE = join(import.meta.dirname, "../../src/toolstack/file-store.ts");
let state = "";
let vms = "";
let file = "";
let isMounted = false;

beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), "guestboot-state-"));
  vms = join(state, "vms");
  file = join(vms, `${UUID}.json`);
  mkdirSync(vms);
});

afterEach(() => {
  if (isMounted) execFileSync("umount", [vms]);
  isMounted = false;
  rmSync(state, { recursive: true, force: true });
});

/** Runs `code` in a process of its own, with `store` and `UUID` at hand. Its exit: status, or the signal. */
function start(code: string): { kill: () => void; ended: Promise<number | string | null>; output: () => string } {
  const program = `const { openFileStore } = await import(${JSON.stringify(STORE)});
    const UUID = ${JSON.stringify(UUID)}; const store = openFileStore(${JSON.stringify(state)}); ${code}`;
  const child = spawn(process.execPath, [...RUNTIME_FLAGS, "--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output += data.toString()));
  return {
    kill: () => child.kill("SIGKILL"),
    ended: new Promise((resolve) => child.once("close", (status, signal) => resolve(status ?? signal))),
    output: () => output,
  };
}

/** A filesystem of its own for the records; only root can have one. */
function mountRecords(size: string): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "none", vms]);
  isMounted = true;
}

describe("several processes and one VM record", () => {
  it("never lose a change", async () => {
    writeFileSync(file, JSON.stringify({ uuid: UUID }));
    const processes = Array.from({ length: 6 }, (_, number) =>
      start(`for (let n = 0; n < 10; n++)
        await store.apply(UUID, [{ kind: "other_config", key: "p${number}-" + n, from: null, to: "x" }]);`),
    );
    for (const { ended, output } of processes) expect([await ended, output()]).toEqual([0, ""]);
    const record = await openFileStore(state).read(UUID);
    expect(Object.keys(record.other_config).length).toBe(60);
    expect(readdirSync(vms).sort()).toEqual([`.${UUID}.lock`, `${UUID}.json`]);
  });

  it("let one of two conflicting starts win and tell the other", async () => {
    writeFileSync(file, JSON.stringify({ uuid: UUID, PV_bootloader: "eliloader" }));
    const processes = ["pygrub", "guestboot"].map((to) =>
      start(`await store.apply(UUID, [{ kind: "field", field: "PV_bootloader", from: "eliloader", to: "${to}" }])
        .then(() => console.log("done"), (error) => console.log(error.code));`),
    );
    for (const { ended } of processes) expect(await ended).toBe(0);
    expect(processes.map(({ output }) => output().trim()).sort()).toEqual(["VM_CHANGED", "done"]);
  });

  it("find the old record or the new one, whenever a writer is killed", async () => {
    const padding = "x".repeat(100_000);
    writeFileSync(file, JSON.stringify({ uuid: UUID, PV_args: "0", padding }));
    for (let round = 0; round < 8; round++) {
      const writer = start(`for (let n = Number((await store.read(UUID)).PV_args);; n++) {
        await store.apply(UUID, [{ kind: "field", field: "PV_args", from: String(n), to: String(n + 1) }]);
        process.stdout.write("."); }`);
      while (writer.output().length < 5) await new Promise((resolve) => setTimeout(resolve, 5));
      await new Promise((resolve) => setTimeout(resolve, round));
      writer.kill();
      expect(await writer.ended).toBe("SIGKILL");
      const record: unknown = JSON.parse(readFileSync(file, "utf8"));
      expect(record).toMatchObject({ uuid: UUID, padding });
      expect(writer.output()).toMatch(/^\.+$/);
    }
    const change: RecordChange = { kind: "other_config", key: "after", from: null, to: "all" };
    await openFileStore(state).apply(UUID, [change]);
    expect(readdirSync(vms).sort()).toEqual([`.${UUID}.lock`, `${UUID}.json`]);
  });
});

describe("a record that cannot be written", () => {
  const CHANGE: RecordChange = { kind: "field", field: "PV_bootloader", from: "eliloader", to: "pygrub" };
  const RECORD = JSON.stringify({ uuid: UUID, PV_bootloader: "eliloader", padding: "x".repeat(20_000) });

  it("is left as it was when the disk is full, and no file is left behind", async () => {
    mountRecords("28k");
    writeFileSync(file, RECORD);
    await expect(openFileStore(state).apply(UUID, [CHANGE])).rejects.toThrow(
      expect.objectContaining({
        code: "NO_SPACE",
        message: `the VM's record ${file} cannot be changed: no space left on device`,
      }),
    );
    expect(readFileSync(file, "utf8")).toBe(RECORD);
    expect(readdirSync(vms)).not.toContain(`.${UUID}.json.new`);
  });

  it("is left as it was when the folder is read-only, and can still be read", async () => {
    mountRecords("1m");
    writeFileSync(file, RECORD);
    writeFileSync(join(vms, `.${UUID}.lock`), "");
    execFileSync("mount", ["-o", "remount,ro", vms]);
    const failure = expect.objectContaining({ message: expect.stringContaining(vms) as string }) as Error;
    await expect(openFileStore(state).apply(UUID, [CHANGE])).rejects.toThrow(failure);
    expect((await openFileStore(state).read(UUID)).PV_bootloader).toBe("eliloader");
  });
});
