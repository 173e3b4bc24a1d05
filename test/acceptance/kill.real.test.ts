/**
 * Starts that are killed at three hundred random moments, several at once: the cache stays good, each record is the one
 * before or the one after, nothing stays for longer than the next start, and that one succeeds.
 *
 * Only starts that were still running count: rounds go on until there are three hundred of them.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeDebianMirror } from "../../fixtures/debian-installer.ts";
import { makeInstallerLookalike } from "../../fixtures/installer-lookalike.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { environment, programPath, run, start, temporaryFolder } from "../program.ts";
import { checkedJournal } from "../vm-journal.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const KILLS = 300;
const AT_ONCE = 6;
/** A bound, should hardly any start be met while it runs. */
const MOST_ROUNDS = 120;
const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };
let mirror: Nginx;

beforeAll(async () => {
  const files = makeInstallerLookalike(at("files"));
  // Large enough for a transfer that can be met, and continued.
  fs.appendFileSync(files.initrd, Buffer.alloc(4 * 1024 * 1024, "padding of an initrd "));
  makeDebianMirror(at("mirror"), files);
  mirror = await startNginx({ root: at("mirror"), extra: "limit_rate 20m;" });
});
afterAll(async () => {
  await mirror[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const names = (name: string) => (fs.existsSync(at(name)) ? fs.readdirSync(at(name)) : []);

describe("starts that are killed", () => {
  it(`at ${KILLS} random moments leave nothing wrong`, async () => {
    const [eliloader, guestboot] = [programPath("eliloader"), programPath("guestboot")];
    const vms = Array.from({ length: AT_ONCE }, (_, index) => VM.replace(/^0a/, `e${index}`));
    const before = (vm: string) => ({ ...installRecord(mirror.url), uuid: vm, name_label: vm });
    /** What the round makes of the record, but for its journal: nothing else, to the letter. */
    const after = (vm: string) => {
      const rounds = ["install-distro", "install-round"];
      const kept = Object.entries(before(vm).other_config).filter(([name]) => !rounds.includes(name));
      return { ...before(vm), PV_bootloader: "pygrub", other_config: Object.fromEntries(kept) };
    };
    let killed = 0;
    let finished = 0;
    let longest = 500;
    for (let round = 0; killed < KILLS && round < MOST_ROUNDS; round += 1) {
      // Every third round is one with a warm cache.
      if (round % 3 !== 0) fs.rmSync(at("cache"), { recursive: true, force: true });
      fs.rmSync(at("boot"), { recursive: true, force: true });
      for (const vm of vms) writeRecord(at("state"), before(vm), vm);
      await Promise.all(
        vms.map(async (vm) => {
          const child = spawn(eliloader, ["-q", "--vm", vm, "/dev/null"], {
            env: environment(set),
            stdio: "ignore",
          });
          const ended = once(child, "exit");
          await Promise.race([ended, wait(Math.random() * longest)]);
          child.kill("SIGKILL");
          const [, signal] = (await ended) as [number | null, string | null];
          if (signal === "SIGKILL") killed += 1;
        }),
      );
      expect(run(guestboot, ["cache", "verify"], set)).toMatchObject({ status: 0, stdout: "" });
      for (const vm of vms) {
        const record = readRecord(at("state"), vm);
        const wanted = record.PV_bootloader === "eliloader" ? before(vm) : after(vm);
        expect(checkedJournal(record, before(vm))).toEqual(wanted);
      }
      const done = vms.filter((vm) => readRecord(at("state"), vm).PV_bootloader === "pygrub").length;
      finished += done;
      await expect.poll(() => names("boot").length, { timeout: 10_000 }).toBeLessThanOrEqual(2 * done);
      // What was answered for is the toolstack's; the rest goes by itself, or with the next start.
      fs.rmSync(at("boot"), { recursive: true, force: true });
      const next = vms[round % AT_ONCE] ?? VM;
      writeRecord(at("state"), before(next), next);
      const begun = performance.now();
      const ended = await start(eliloader, ["-q", "--vm", next, "/dev/null"], set);
      expect(ended).toMatchObject({ status: 0, stderr: "" });
      expect(checkedJournal(readRecord(at("state"), next), before(next))).toEqual(after(next));
      longest = Math.max(300, 2 * (performance.now() - begun));
      expect(names("cache/tmp")).toEqual([]);
      expect(names("cache/partial")).toEqual([]);
      expect(names("cache/boots")).toEqual([]);
      // A record that was being written goes with that VM's next start.
      expect(
        names("state/vms")
          .filter((name) => name.includes(next))
          .sort(),
      ).toEqual([`.${next}.lock`, `${next}.json`]);
      expect(names("boot")).toHaveLength(2);
    }
    expect(killed).toBeGreaterThanOrEqual(KILLS);
    // Some were met after their last step, others before: the moments were spread over all of a start.
    expect(finished).toBeGreaterThan(0);
  }, 900_000);
});
