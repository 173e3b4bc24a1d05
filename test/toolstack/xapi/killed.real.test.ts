/**
 * Loaders as processes against the simulated xapi: killed between any two of their calls, and fifty at once.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RUNTIME_FLAGS } from "../../../src/cli/runtime-flags.js";
import { temporaryFolder } from "../../program.ts";
import { JOURNAL } from "../../vm-journal.ts";
import { addVm, vbdsOf, type SimulatedVm } from "../../xapi/simulated-database.ts";
import { startSimulatedXapi, type SimulatedXapi } from "../../xapi/simulated-xapi.ts";

const SRC = join(import.meta.dirname, "../../../src");
const ANSWER = "kernel /k\n";

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

/** What a round does with the record: recovered, read, planned, changed, answered. It prints what it had read. */
function program(uuid: string): string {
  return `
    const { openXapiStore } = await import(${JSON.stringify(join(SRC, "toolstack/xapi/xapi-store.ts"))});
    const { changesAfterRound } = await import(${JSON.stringify(join(SRC, "pipeline/plan.ts"))});
    const { withJournal } = await import(${JSON.stringify(join(SRC, "pipeline/journal.ts"))});
    const address = { kind: "socket", path: ${JSON.stringify(socket)} };
    await using store = openXapiStore({ address, user: "", password: "", timeoutSeconds: 60 });
    await store.recover(${JSON.stringify(uuid)});
    const record = await store.read(${JSON.stringify(uuid)});
    const round = Number(record.other_config["install-round"] ?? "1");
    const fromCdrom = record.other_config["install-repository"] === "cdrom";
    await store.apply(record.uuid, withJournal(record, changesAfterRound(record, round, 2, fromCdrom)));
    process.stdout.write(${JSON.stringify(ANSWER)});`;
}

interface Loader {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly status: number | string | null; readonly output: string }>;
}

function startLoader(uuid: string): Loader {
  const child = spawn(process.execPath, [...RUNTIME_FLAGS, "--input-type=module", "-e", program(uuid)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data.toString()));
  child.stderr.on("data", (data: Buffer) => (output += data.toString()));
  const ended = new Promise<{ status: number | string | null; output: string }>((resolve) => {
    child.once("close", (status, signal) => resolve({ status: status ?? signal, output }));
  });
  return { child, ended };
}

/** What the journal says: the medium was the bootable disk; and what the rounds change besides. */
const FROM_MEDIUM = { "bootable:0": [false, true], "bootable:3": [true, false] };
const OF_FIRST_ROUND = { version: 1, ...FROM_MEDIUM, "other_config:install-round": [null, "2"] };
const OF_LAST_ROUND = {
  ...{ version: 1, ...FROM_MEDIUM },
  PV_bootloader: ["eliloader", "pygrub"],
  "other_config:install-distro": ["sleslike", null],
};

/** In the round `round` of two, from a medium. */
function addGuest(round: number): SimulatedVm {
  const isFirst = round === 1;
  return addVm(xapi.database, {
    fields: { PV_bootloader: "eliloader" },
    other_config: {
      "install-distro": "sleslike",
      "install-repository": "cdrom",
      ...(isFirst ? {} : { "install-round": "2", [JOURNAL]: JSON.stringify(OF_FIRST_ROUND) }),
    },
    VBDs: [
      { userdevice: "0", bootable: !isFirst },
      { userdevice: "3", type: "CD", bootable: isFirst, mode: "RO" },
    ],
  });
}

const stateOf = (vm: SimulatedVm) => ({
  PV_bootloader: vm.fields["PV_bootloader"],
  other_config: withJournalRead(Object.fromEntries(vm.other_config)),
  bootable: vbdsOf(xapi.database, vm).flatMap((vbd) => (vbd.bootable ? [vbd.userdevice] : [])),
});

/** By its content: in which order it names the places says nothing. */
function withJournalRead({ [JOURNAL]: journal, ...config }: Record<string, string>): Record<string, unknown> {
  return journal === undefined ? config : { ...config, [JOURNAL]: JSON.parse(journal) as unknown };
}

/** What each round must leave. */
const AFTER = [
  {
    PV_bootloader: "eliloader",
    other_config: {
      "install-distro": "sleslike",
      "install-repository": "cdrom",
      "install-round": "2",
      [JOURNAL]: OF_FIRST_ROUND,
    },
    bootable: ["0"],
  },
  {
    PV_bootloader: "pygrub",
    other_config: { "install-repository": "cdrom", [JOURNAL]: OF_LAST_ROUND },
    bootable: ["0"],
  },
];

const NOTE = "guestboot-unfinished";

describe("a loader that is killed", () => {
  it.each([1, 2])(
    "between any two calls of round %i leaves a record from which the next start works",
    async (round) => {
      const whole = addGuest(round);
      expect(await startLoader(whole.uuid).ended).toEqual({ status: 0, output: ANSWER });
      expect(stateOf(whole)).toEqual(AFTER[round - 1]);
      const calls = xapi.database.calls.map((call) => call.method);
      expect(calls.at(-1)).toBe("session.logout");
      const decides = round === 1 ? "VM.add_to_other_config" : "VM.set_PV_bootloader";
      const deciding = calls.lastIndexOf(decides) + 1;

      for (let fatal = 1; fatal <= calls.length; fatal += 1) {
        const where = `killed at call ${fatal}, ${calls[fatal - 1] ?? ""}`;
        const vm = addGuest(round);
        const before = stateOf(vm);
        let seen = 0;
        let loader: Loader | null = null;
        xapi.database.before = async () => {
          seen += 1;
          if (seen !== fatal) return;
          loader?.child.kill("SIGKILL");
          await loader?.ended;
          throw new Error("nobody reads this");
        };
        loader = startLoader(vm.uuid);
        const { status, output } = await loader.ended;
        expect([status, output], where).toEqual(["SIGKILL", fatal > deciding ? ANSWER : ""]);
        xapi.database.before = () => undefined;

        const left = stateOf(vm);
        const { [NOTE]: note, ...config } = left.other_config;
        expect(left.bootable.length, where).toBeGreaterThan(0);
        if (fatal > deciding) {
          // The round is over for the record, and its answer was given.
          expect({ ...left, other_config: config }, where).toEqual(AFTER[round - 1]);
          continue;
        }
        expect(left.PV_bootloader, `${where}: the next start asks us`).toBe("eliloader");
        if (note === undefined) expect(left, where).toEqual(before);
        expect(await startLoader(vm.uuid).ended, where).toEqual({ status: 0, output: ANSWER });
        expect(stateOf(vm), where).toEqual(AFTER[round - 1]);
      }
      expect(calls.length).toBeGreaterThan(12);
    },
    300_000,
  );
});

describe("fifty VMs that start at once", () => {
  it("leave fifty right records and no session", async () => {
    const vms = Array.from({ length: 50 }, () => addGuest(2));
    const ended = await Promise.all(vms.map((vm) => startLoader(vm.uuid).ended));
    expect(ended).toEqual(vms.map(() => ({ status: 0, output: ANSWER })));
    for (const vm of vms) expect(stateOf(vm)).toEqual(AFTER[1]);
    expect(xapi.database.sessions.size).toBe(0);
    expect(xapi.database.calls.filter((call) => call.method === "session.logout")).toHaveLength(50);
  }, 300_000);
});
