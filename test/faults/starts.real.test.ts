/**
 * Whole starts of the built program with a fault at a system call: a few of all points here (all of them:
 * `npm run test:faults`), those that once went wrong, and planted defects that must be found.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeDebianMirror } from "../../fixtures/debian-installer.ts";
import { makeInstallerLookalike } from "../../fixtures/installer-lookalike.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { DIST, programPath, temporaryFolder } from "../program.ts";
import { VM } from "../acceptance/vm-records.ts";
import { judge, type Seen } from "./judge.ts";
import { ownCalls, OWNER_POINTS, type Point } from "./points.ts";
import { runPoint, traceWhole } from "./run-point.ts";
import { diskBoot, installation, type WholeStart } from "./starts.ts";
import type { Call } from "./trace.ts";
import { tryPoints } from "./try-points.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
let mirror: Nginx;
let starts: Readonly<Record<string, { whole: WholeStart; calls: readonly Call[] }>>;

beforeAll(async () => {
  programPath("guestboot");
  makeDebianMirror(at("mirror"), makeInstallerLookalike(at("files")));
  mirror = await startNginx({ root: at("mirror") });
  const both = [
    diskBoot(DIST, at("disk")),
    installation(DIST, at("installation"), { url: mirror.url, mirror: at("mirror") }),
  ];
  const traced: [string, { whole: WholeStart; calls: readonly Call[] }][] = [];
  for (const whole of both) traced.push([whole.name, { whole, calls: await traceWhole(whole) }]);
  starts = Object.fromEntries(traced);
});
afterAll(async () => {
  await mirror[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function startOf(name: string) {
  const found = starts[name];
  if (found === undefined) throw new Error(`no start is called ${name}`);
  return found;
}

/** Files that have the same name in each run, so that strace can count the calls on them alone. */
const SAME_EACH_TIME = /^\/.*(cache\/tmp|vms\/[^./]+\.json|xcp\/xapi|guest\.img)$/;

/** The first call of that name on such a file, from the program's own first call on. */
function pointAt(start: string, call: string, target: RegExp, error: string, calls = startOf(start).calls): Point {
  const own = ownCalls(calls, startOf(start).whole.firstOwn);
  const found = own.find((each) => each.name === call && target.test(each.target));
  if (found === undefined) throw new Error(`the ${start} has no ${call} on ${target}`);
  if (!SAME_EACH_TIME.test(found.target)) return { call, nth: found.nth, error, counted: "thread" };
  return { call, nth: 1, error, counted: { path: found.target } };
}

/** How often the event loop wakes differs between two runs: the call may be a few beside its place. */
const BESIDE = [0, 0, 1, -1, 2, -2, 3, -3, 0];
/** A busy machine changes the order for a while: what was traced on a quiet one is traced again. */
const TRACES = 3;

/** The start with that call failing. @throws Error when it is not met */
async function runUntilMet(start: string, call: string, target: RegExp, error: string): Promise<Seen> {
  const { whole, calls } = startOf(start);
  const met: string[] = [];
  for (let traces = 1; traces <= TRACES; traces += 1) {
    const point = pointAt(start, call, target, error, traces === 1 ? calls : await traceWhole(whole));
    const places = point.counted === "thread" ? BESIDE : [0];
    for (const away of places.filter((each) => point.nth + each > 0)) {
      const seen = await runPoint(whole, { ...point, nth: point.nth + away });
      if (seen.hit?.name === call && target.test(seen.hit.target)) return seen;
      met.push(seen.hit === null ? "none" : `${seen.hit.name} ${seen.hit.target}`);
    }
  }
  throw new Error(`the ${start} met other calls than ${call} on ${target}: ${met.join("; ")}`);
}

it("no start ends wrongly at every so many-th point", async () => {
  const options = {
    programs: DIST,
    call: null,
    part: { k: 1, of: 1 },
    oneError: false,
    lanes: 2,
    onProgress: () => undefined,
  };
  const results = [
    ...(await tryPoints(at("short-installation"), { ...options, starts: ["installation"], every: 60 })),
    ...(await tryPoints(at("short-disk"), { ...options, starts: ["disk"], every: 10 })),
  ];
  expect(results.flatMap(({ tried }) => tried.filter(({ verdict }) => verdict.findings.length > 0))).toEqual([]);
  // Where the event loop was met instead, nothing was tried.
  const counts = results.map(({ tried }) => tried.length);
  expect(counts[0]).toBeGreaterThan(10);
  expect(counts[1]).toBeGreaterThan(4);
}, 240_000);

describe("where a start once ended wrongly:", () => {
  it.each<[string, string, string, RegExp, string, number, RegExp]>([
    ["a disk's close fails when all is read", "disk", "close", /guest\.img$/, "EIO", 0, /^$/],
    ["the word to the boot files' owner is interrupted", "disk", "write", /^pipe:/, "EINTR", 0, /^$/],
    ["no process can be made for the owner", "disk", "clone3", /^/, "EAGAIN", 1, /owner.*temporarily unavailable/],
    ["no pipe can be made for the owner", "disk", "pipe2", /^/, "EMFILE", 1, /owner.*too many open files/],
    ["xapi's socket cannot be looked at", "installation", "statx", /xcp\/xapi$/, "EIO", 1, /xcp\/xapi: .*i\/o error/],
    ["the record's folder fails", "installation", "statx", /vms\/[^.]+\.json$/, "EIO", 1, /json.*i\/o error/],
    ["a folder of the cache cannot be listed", "installation", "openat", /cache\/tmp$/, "EIO", 1, /cache\/\w+: .*i\/o/],
    ["no socket is to be had", "installation", "socket", /^AF_INET$/, "EMFILE", 1, /too many open files/],
    ["no link leads from folder to folder", "installation", "link", /content\/sha256/, "EXDEV", 0, /^$/],
    ["a temporary file's close fails", "installation", "close", /cache\/tmp\/[^/]+$/, "EIO", 1, /i\/o error/],
  ])("%s", async (_name, start, call, target, error, status, words) => {
    const seen = await runUntilMet(start, call, target, error);
    expect(judge(seen)).toMatchObject({ kind: status === 0 ? "harmless" : "failed cleanly", findings: [] });
    expect(seen).toMatchObject({ status });
    expect(seen.stderr).toMatch(words);
  });

  it("no pipe can be made for the event loop that goes on without io_uring", async () => {
    const { whole, calls } = startOf("disk");
    const last = ownCalls(calls, whole.firstOwn).findLast(({ name }) => name === "pipe2");
    const point = { call: "pipe2", nth: last?.nth ?? 0, error: "EMFILE", counted: "thread" } as const;
    const seen = await runPoint(whole, point);
    expect(judge(seen)).toMatchObject({ kind: "failed cleanly", findings: [] });
    expect(seen.stderr).toMatch(/rights could not be given up: uv_loop_fork: too many open files/);
  });

  it.each(OWNER_POINTS)("the owner's $call meets $error", async (point) => {
    const seen = await runPoint(startOf("disk").whole, point);
    expect(judge(seen).findings).toEqual([]);
    expect(seen.hit).not.toBeNull();
  });
});

describe("a planted defect is found:", () => {
  const point = () => pointAt("installation", "rename", /\/index\//, "EIO");
  const plant = (changes: Partial<WholeStart>) => ({ ...startOf("installation").whole, ...changes });
  const judged = async (whole: WholeStart) => judge(await runPoint(whole, point())).findings;

  it("none is there", async () => {
    expect(await judged(startOf("installation").whole)).toEqual([]);
  });

  it("a temporary file that the next start does not take away", async () => {
    const { whole } = startOf("installation");
    const again = () => {
      whole.again();
      fs.writeFileSync(path.join(whole.folder, "cache/tmp", "left"), "");
    };
    expect(await judged(plant({ again }))).toEqual(["left behind: tmp/left"]);
  });

  it("a record that was half changed, and a boot file that stayed", async () => {
    const { whole } = startOf("installation");
    const file = path.join(whole.folder, `state/vms/${VM}.json`);
    const record = () => {
      fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace('"console=hvc0"', '"console=hvc1"'));
      fs.writeFileSync(path.join(whole.bootFolder, "boot_kernel.aaaaaa"), "");
      return whole.record();
    };
    const findings = await judged(plant({ record }));
    expect(findings).toContain("the record is neither the one before nor the one after");
    expect(findings).toContain("left in the boot directory: boot_kernel.aaaaaa");
  });

  it("an object of the cache that is not what its name says", async () => {
    const { whole } = startOf("installation");
    const record = () => {
      const shelves = path.join(whole.folder, "cache/content/sha256");
      const names = fs.readdirSync(shelves, { recursive: true, encoding: "utf8" });
      const object = names.find((name) => name.length > 60);
      if (object !== undefined) {
        fs.chmodSync(path.join(shelves, object), 0o644);
        fs.appendFileSync(path.join(shelves, object), "!");
      }
      return whole.record();
    };
    const { findings } = judge(
      await runPoint(plant({ record }), pointAt("installation", "link", /boot_kernel/, "EIO")),
    );
    expect(findings).toContainEqual(expect.stringMatching(/^the cache is not sound: .*/));
  });
});
