/**
 * Marks for boot files that no toolstack has been told of yet, so that what a start leaves that was killed together
 * with its owner is known as ours and removed by the next one.
 *
 * A mark is a file in the store's `boots/`: which paths, and which process makes them. It is there before the files
 * are, and goes when the answer has been given: from then on they are the toolstack's. What bears no mark is never
 * touched.
 */
import { lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { namesIn } from "./content.ts";
import { bootId } from "./partial.ts";
import { isAlive, removeIfThere } from "./temporary.ts";

export interface BootMark extends Disposable {
  /** The answer is about to be given: from now on a toolstack may be using the files. */
  told(): void;
}

/** Milliseconds. A toolstack that was told of boot files has read and removed them long before. */
const TOLD_FOR = 3600 * 1000;
const VERSION = 1;

interface Mark {
  readonly paths: readonly string[];
  readonly host: string;
  readonly pid: number;
  /** When the process was started, in the kernel's ticks: numbers of processes are used again. */
  readonly started: string;
  readonly boot: string;
  /** Milliseconds since 1970; null before. */
  readonly toldAt: number | null;
}

/** Marks the paths as made by this process. A store that cannot be written bears no marks. */
export function markBootFiles(storeFolder: string, paths: readonly string[]): BootMark {
  const { randomBytes } = process.getBuiltinModule("node:crypto");
  const folder = join(storeFolder, "boots");
  const file = join(folder, `${process.pid}~${randomBytes(8).toString("hex")}.json`);
  const mark: Mark = {
    paths,
    host: hostname(),
    pid: process.pid,
    started: startOf(process.pid),
    boot: bootId(),
    toldAt: null,
  };
  const write = (content: Mark) => {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o755 });
      const fresh = `${file}.new`;
      writeFileSync(fresh, JSON.stringify({ version: VERSION, ...content }), { mode: 0o600 });
      renameSync(fresh, file);
    } catch {
      // Then the owner alone looks after the files.
    }
  };
  write(mark);
  return {
    told() {
      write({ ...mark, toldAt: Date.now() });
    },
    [Symbol.dispose]() {
      removeIfThere(file);
    },
  };
}

/** Removes the boot files of killed starts of this host that nobody was told of, or was told of long ago. */
export function sweepBootFiles(storeFolder: string): void {
  const folder = join(storeFolder, "boots");
  for (const name of namesIn(folder)) {
    const file = join(folder, name);
    const pid = Number(/^(\d+)~/.exec(name)?.[1]);
    if (name.endsWith(".new")) {
      // Never finished, so nothing was made.
      if (!isAlive(pid)) removeIfThere(file);
      continue;
    }
    const mark = readMark(file);
    if (mark === null || mark.host !== hostname() || isRunning(mark)) continue;
    const mayBeUsed = mark.toldAt !== null && mark.boot === bootId() && Date.now() - mark.toldAt < TOLD_FOR;
    if (mayBeUsed && mark.paths.some(isThere)) continue;
    mark.paths.forEach(removeIfThere);
    removeIfThere(file);
  }
}

/** A link to nothing is there too. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function isRunning({ pid, started, boot }: Mark): boolean {
  return boot === bootId() && isAlive(pid) && startOf(pid) === started;
}

/** proc_pid_stat(5), field 22; the second one is a name in brackets that may hold anything. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function readMark(file: string): Mark | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof parsed !== "object" || parsed === null) return null;
    const fields = new Map<string, unknown>(Object.entries(parsed));
    const [paths, host, pid] = [fields.get("paths"), fields.get("host"), fields.get("pid")];
    const [started, boot, toldAt] = [fields.get("started"), fields.get("boot"), fields.get("toldAt")];
    if (fields.get("version") !== VERSION || !Array.isArray(paths) || paths.length > 16) return null;
    const named = paths.filter((path: unknown): path is string => typeof path === "string" && isBootFile(path));
    if (named.length !== paths.length || typeof host !== "string" || typeof pid !== "number") return null;
    if (typeof started !== "string" || typeof boot !== "string") return null;
    if (toldAt !== null && typeof toldAt !== "number") return null;
    return { paths: named, host, pid, started, boot, toldAt };
  } catch {
    return null;
  }
}

/** Only what is named as we name boot files is ever removed, whatever a mark says. */
function isBootFile(path: string): boolean {
  return /^\/.*\/boot_(?:kernel|ramdisk)\.[a-z0-9]{6}$/s.test(path);
}
