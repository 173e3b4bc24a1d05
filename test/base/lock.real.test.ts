/** The lock between real processes. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempDisposableSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withLock } from "../../src/base/lock.ts";
import { RUNTIME_FLAGS } from "../../src/cli/runtime-flags.js";

const MODULE = JSON.stringify(new URL("../../src/base/lock.ts", import.meta.url).href);

let folder: ReturnType<typeof mkdtempDisposableSync>;
let lock: string;
const children = new Set<ChildProcess>();
beforeEach(() => {
  folder = mkdtempDisposableSync(join(tmpdir(), "guestboot-test-"));
  lock = join(folder.path, "state", "vm.lock");
});
afterEach(async () => {
  await Promise.all([...children].map(kill));
  folder.remove();
});

/** A process that runs `body` with `withLock` and `lock` at hand. */
function start(body: string): ChildProcess {
  const script = `import { withLock } from ${MODULE}; import fs from "node:fs"; const lock = ${JSON.stringify(lock)}; ${body}`;
  const child = spawn(process.execPath, [...RUNTIME_FLAGS, "--expose-gc", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  child.once("exit", () => children.delete(child));
  children.add(child);
  return child;
}

async function startHolder(): Promise<ChildProcess> {
  const holder = start(
    `await withLock(lock, () => new Promise(() => { console.log("held"); setInterval(() => {}, 1e6); }));`,
  );
  if (holder.stdout === null) throw new Error("no output");
  await once(holder.stdout, "data");
  return holder;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}

describe("a lock", () => {
  it("lets one process in at a time: no count is lost among six", async () => {
    const counter = join(folder.path, "counter");
    writeFileSync(counter, "0");
    const counters = Array.from({ length: 6 }, () =>
      start(`
        const counter = ${JSON.stringify(counter)};
        for (let round = 0; round < 10; round++) await withLock(lock, async () => {
          const count = Number(fs.readFileSync(counter, "utf8"));
          await new Promise((resolve) => setTimeout(resolve, 2));
          fs.writeFileSync(counter, String(count + 1));
        });`),
    );
    const codes = await Promise.all(counters.map(async (child) => (await once(child, "exit"))[0] as unknown));
    expect(codes).toEqual([0, 0, 0, 0, 0, 0]);
    expect(readFileSync(counter, "utf8")).toBe("60");
  });

  it("lets one piece of work of a process in at a time", async () => {
    let inside = 0;
    const work = async () => {
      inside += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(inside).toBe(1);
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 5 }, () => withLock(lock, work)));
  });

  it("is free at once when its holder is killed, and leaves nothing but itself", async () => {
    const holder = await startHolder();
    expect(readdirSync(join(folder.path, "state"))).toEqual(["vm.lock"]);
    const waiting = withLock(lock, () => Promise.resolve("in"), { timeoutSeconds: 10 });
    const start = performance.now();
    await kill(holder);
    expect(await waiting).toBe("in");
    expect(performance.now() - start).toBeLessThan(1000);
    expect(readdirSync(join(folder.path, "state"))).toEqual(["vm.lock"]);
    expect(statSync(lock).size).toBe(0);
  });

  it("stays held however long its work takes and whatever the garbage collector takes away", async () => {
    const holder = start(`
      await withLock(lock, () => new Promise(() => setTimeout(() => { gc(); console.log("held"); setInterval(() => {}, 1e6); }, 10)));`);
    await once(holder.stdout ?? holder, "data");
    const work = () => Promise.reject(new Error("the work was done all the same"));
    await expect(withLock(lock, work, { timeoutSeconds: 0 })).rejects.toMatchObject({ code: "LOCK_TIMEOUT" });
  });

  it("that stays taken names its file and the process that holds it", async () => {
    const holder = await startHolder();
    const work = () => Promise.reject(new Error("the work was done all the same"));
    await expect(withLock(lock, work, { timeoutSeconds: 0.2 })).rejects.toMatchObject({
      code: "LOCK_TIMEOUT",
      message: `process ${holder.pid ?? "?"} has held the lock ${lock} for more than 0.2 seconds`,
      hint: `see what it is doing: ps -fp ${holder.pid ?? "?"}`,
    });
  });

  it("is not waited for any more when the signal is given", async () => {
    await startHolder();
    const reason = new Error("the start was cancelled");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    const work = () => Promise.reject(new Error("the work was done all the same"));
    await expect(withLock(lock, work, { signal: controller.signal })).rejects.toBe(reason);
  });

  it("is given back when the work fails, and the failure is the work's", async () => {
    await expect(withLock(lock, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await withLock(lock, () => Promise.resolve(7), { timeoutSeconds: 0 })).toBe(7);
  });

  it("stays held while the process opens and closes other files beside it", async () => {
    await withLock(lock, async () => {
      writeFileSync(`${lock}.other`, "x");
      readFileSync(`${lock}.other`);
      const prober = start(
        `await withLock(lock, async () => {}, { timeoutSeconds: 0 }).catch(({ code }) => console.log(code));`,
      );
      const output: unknown = (await once(prober.stdout ?? prober, "data"))[0];
      expect(String(output)).toBe("LOCK_TIMEOUT\n");
    });
  });

  it("that cannot be made says why", async () => {
    writeFileSync(join(folder.path, "file"), "");
    await expect(withLock(join(folder.path, "file/lock"), () => Promise.resolve())).rejects.toMatchObject({
      code: "LOCK_UNUSABLE",
      message: `the lock file ${folder.path}/file/lock cannot be used: ${folder.path}/file is no folder`,
    });
    mkdirSync(lock, { recursive: true });
    await expect(withLock(lock, () => Promise.resolve())).rejects.toMatchObject({ code: "LOCK_UNUSABLE" });
  });

  it("says nothing on standard error", () => {
    const script = `import { withLock } from ${MODULE}; await withLock(${JSON.stringify(lock)}, async () => {});`;
    const command = 'exec "$0" "$@" --input-type=module -e "$SCRIPT" 2>&1';
    const argv = ["-c", command, process.execPath, ...RUNTIME_FLAGS];
    const output = execFileSync("/bin/sh", argv, { env: { ...process.env, SCRIPT: script } });
    expect(output.toString()).toBe("");
  });
});
