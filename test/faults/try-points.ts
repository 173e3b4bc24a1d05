/**
 * All points of the two starts, a few beside each other. How often the event loop wakes differs between two runs, and
 * with it the counts: what was not met is tried once more, and then with the numbers beside its own.
 */
import * as path from "node:path";
import { makeDebianMirror } from "../../fixtures/debian-installer.ts";
import { makeInstallerLookalike } from "../../fixtures/installer-lookalike.ts";
import { startNginx } from "../../fixtures/nginx.ts";
import { judge, type Seen, type Verdict } from "./judge.ts";
import { firstErrors, isPossible, listPoints, OWNER_POINTS, type Point } from "./points.ts";
import { runPoint, traceWhole } from "./run-point.ts";
import { diskBoot, installation, type WholeStart } from "./starts.ts";
import { isEventLoop, placesOf, type Call } from "./trace.ts";

export interface Tried {
  readonly point: Point;
  readonly seen: Seen;
  readonly verdict: Verdict;
}

export interface StartResult {
  readonly start: string;
  readonly tried: readonly Tried[];
  /** Errors and calls of the start without a fault that did not come together. */
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

/** So many calls beside its place is a point looked for. */
const FARTHEST = 3;
/** A busy machine changes the order for a while. */
const ROUNDS = 2;

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
  const traces: Trace[] = [];
  for (const lane of lanes) traces.push({ calls: await traceWhole(lane), folder: lane.folder });
  const [first] = lanes;
  const [trace] = traces;
  if (first === undefined || trace === undefined) throw new Error("there must be a lane");
  const isWanted = (point: Point) => options.call === null || point.call === options.call;
  const listed = [...listPoints(trace.calls, first.firstOwn), ...OWNER_POINTS].filter(isWanted);
  const all = options.oneError ? firstErrors(listed) : listed;
  const { k, of } = options.part;
  const part = all.slice(Math.floor(((k - 1) * all.length) / of), Math.floor((k * all.length) / of));
  const points = part.filter((_, index) => index % options.every === 0);
  options.onProgress(`${name}: ${points.length} points`);
  const tried = await inLanes(lanes, points, options.onProgress);
  // Only a whole run can say that no call was left out.
  if (options.every > 1 || of > 1) return { start: name, tried, uncovered: [] };

  const wanted = wantedPlaces(points, traces);
  let left = uncoveredPlaces(wanted, tried);
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (let away = 0; away <= FARTHEST && left.length > 0; away += 1) {
      options.onProgress(`${name}: ${left.length} points that were not met, tried ${away} beside their place`);
      const numbers = away === 0 ? [0] : [away, -away];
      const beside = left
        .flatMap(({ point }) => numbers.map((number) => ({ ...point, nth: point.nth + number })))
        .filter(({ nth }) => nth > 0);
      tried.push(...(await inLanes(lanes, beside, options.onProgress)));
      left = uncoveredPlaces(wanted, tried);
    }
    // In the lane of the first trace, whose paths they are.
    const onPaths = left.flatMap(({ onPath }) => (onPath === null ? [] : [onPath]));
    tried.push(...(await inLanes([first], onPaths, options.onProgress)));
    left = uncoveredPlaces(wanted, tried);
  }
  return { start: name, tried, uncovered: left.map(({ point, place }) => `${point.error}, ${place}`) };
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

/** A start without a fault, in a lane's folder. */
export interface Trace {
  readonly calls: readonly Call[];
  readonly folder: string;
}

/** A point, and where in the start it is meant to be. */
export interface WantedPlace {
  readonly point: Point;
  readonly place: string;
  /** The same point, counted among the calls on its file alone; null where it has none of a name that stays. */
  readonly onPath: Point | null;
}

/** Where the points are, by the first trace; those alone that every start has: how often a socket is read differs. */
export function wantedPlaces(points: readonly Point[], traces: readonly Trace[]): WantedPlace[] {
  const [first, ...others] = traces.map(({ calls, folder }) => ({ calls, places: placesOf(calls, [folder]) }));
  const known = others.map(({ places }) => new Set(places));
  return points.flatMap((point) => {
    const index = first?.calls.findIndex(({ name, nth }) => name === point.call && nth === point.nth) ?? -1;
    const [call, place] = [first?.calls[index], first?.places[index]];
    if (call === undefined || place === undefined || isEventLoop(call) || !isPossible(point, call)) return [];
    return known.every((places) => places.has(place)) ? [{ point, place, onPath: onPathOf(point, call, place) }] : [];
  });
}

/** Of a place whose file has another name in each run. */
const CHANGING = /TEMPORARY|PID/;
/** How each place ends. */
const NUMBER = /, number (\d+)$/;

function onPathOf(point: Point, { target }: Call, place: string): Point | null {
  const number = Number(NUMBER.exec(place)?.[1]);
  if (!target.startsWith("/") || CHANGING.test(place) || !Number.isSafeInteger(number)) return null;
  return { ...point, nth: number, counted: { path: target } };
}

export function uncoveredPlaces(wanted: readonly WantedPlace[], tried: readonly Tried[]): WantedPlace[] {
  const met = new Set(tried.map(({ seen, point }) => `${point.error} ${seen.place ?? ""}`));
  return wanted.filter(({ point, place }) => !met.has(`${point.error} ${place}`));
}
