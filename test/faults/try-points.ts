/**
 * All points of the two starts, a few beside each other, and those that were not met once more: how often the event
 * loop wakes differs between two runs, and with it the counts.
 */
import * as path from "node:path";
import { makeDebianMirror } from "../../fixtures/debian-installer.ts";
import { makeInstallerLookalike } from "../../fixtures/installer-lookalike.ts";
import { startNginx } from "../../fixtures/nginx.ts";
import { judge, type Seen, type Verdict } from "./judge.ts";
import { firstErrors, isPossible, listPoints, ownCalls, OWNER_POINTS, type Point } from "./points.ts";
import { runPoint, traceWhole } from "./run-point.ts";
import { diskBoot, installation, type WholeStart } from "./starts.ts";
import { isEventLoop, stepOf, type Call } from "./trace.ts";

export interface Tried {
  readonly point: Point;
  readonly seen: Seen;
  readonly verdict: Verdict;
}

export interface StartResult {
  readonly start: string;
  readonly tried: readonly Tried[];
  /** Calls of the start without a fault that no fault was put into. */
  readonly uncovered: readonly string[];
}

export interface Trying {
  /** The folder of the built program. */
  readonly programs: string;
  readonly starts: readonly string[];
  /** Only every so many-th point. */
  readonly every: number;
  /** The K-th of N equal parts of the points, in their order; all of them are part 1 of 1. */
  readonly part: { readonly k: number; readonly of: number };
  readonly call: string | null;
  /** One error for each call, and not each that the system can give there. */
  readonly oneError: boolean;
  readonly lanes: number;
  readonly onProgress: (line: string) => void;
}

const MOST_PASSES = 4;

export async function tryPoints(folder: string, options: Trying): Promise<StartResult[]> {
  const mirror = path.join(folder, "mirror");
  makeDebianMirror(mirror, makeInstallerLookalike(path.join(folder, "files")));
  await using nginx = await startNginx({ root: mirror });
  const results: StartResult[] = [];
  for (const name of options.starts) {
    const make = (lane: string) =>
      name === "disk"
        ? diskBoot(options.programs, lane)
        : installation(options.programs, lane, { url: nginx.url, mirror });
    const lanes = Array.from({ length: options.lanes }, (_, index) => make(path.join(folder, `${name}-${index}`)));
    results.push(await tryStart(name, lanes, options));
  }
  return results;
}

async function tryStart(name: string, lanes: readonly WholeStart[], options: Trying): Promise<StartResult> {
  const [first] = lanes;
  if (first === undefined) throw new Error("there must be a lane");
  const calls = await traceWhole(first);
  for (const lane of lanes.slice(1)) await traceWhole(lane);
  const folders = lanes.map((lane) => lane.folder);
  const isWanted = (point: Point) => options.call === null || point.call === options.call;
  const listed = [...listPoints(calls, first.firstOwn), ...OWNER_POINTS].filter(isWanted);
  const all = options.oneError ? firstErrors(listed) : listed;
  const { k, of } = options.part;
  const part = all.slice(Math.floor(((k - 1) * all.length) / of), Math.floor((k * all.length) / of));
  const points = part.filter((_, index) => index % options.every === 0);
  /** Only a whole run can say that no call was left out. */
  const isWhole = options.every === 1 && of === 1;
  const tried: Tried[] = [];
  const hits = () => tried.flatMap(({ seen }) => (seen.hit === null ? [] : [seen.hit]));
  let left: readonly Point[] = points;
  for (let pass = 0; pass < MOST_PASSES && left.length > 0; pass += 1) {
    options.onProgress(`${name}: ${left.length} points${pass === 0 ? "" : " that were not met, once more"}`);
    tried.push(...(await inLanes(lanes, left, options.onProgress)));
    if (!isWhole) break;
    const uncovered = uncoveredCalls(ownCalls(calls, first.firstOwn), hits(), folders);
    left = points.filter(({ call, nth }) => uncovered.some((each) => each.name === call && each.nth === nth));
  }
  const own = ownCalls(calls, first.firstOwn).filter(
    ({ name: call }) => options.call === null || call === options.call,
  );
  const uncovered = !isWhole ? [] : uncoveredCalls(own, hits(), folders).map((call) => stepOf(call, folders));
  return { start: name, tried, uncovered };
}

async function inLanes(lanes: readonly WholeStart[], points: readonly Point[], onProgress: Trying["onProgress"]) {
  const waiting = [...points];
  const tried: Tried[] = [];
  await Promise.all(
    lanes.map(async (lane) => {
      for (let point = waiting.shift(); point !== undefined; point = waiting.shift()) {
        const seen = await runPoint(lane, point);
        // Another call than meant was met: one of the runtime's own event loop, or one that the kernel fails otherwise.
        if (seen.hit === null || isEventLoop(seen.hit) || !isPossible(point, seen.hit)) continue;
        const verdict = judge(seen);
        tried.push({ point, seen, verdict });
        for (const finding of verdict.findings) {
          onProgress(`${lane.name}: ${point.call} ${point.nth} ${point.error} ${seen.hit.target}: ${finding}`);
        }
        if (tried.length % 50 === 0) onProgress(`${lane.name}: ${tried.length} tried, ${waiting.length} left`);
      }
    }),
  );
  return tried;
}

/** The calls for which no fault met as many of their kind (that call on that file) as the start has. */
export function uncoveredCalls(calls: readonly Call[], hits: readonly Call[], folders: readonly string[]): Call[] {
  const met = new Map<string, Set<number>>();
  for (const hit of hits) {
    const step = stepOf(hit, folders);
    met.set(step, (met.get(step) ?? new Set()).add(hit.nth));
  }
  const used = new Map<string, number>();
  return calls.filter((call) => {
    const step = stepOf(call, folders);
    const order = (used.get(step) ?? 0) + 1;
    used.set(step, order);
    return order > (met.get(step)?.size ?? 0);
  });
}
