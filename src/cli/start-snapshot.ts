/**
 * What the single executable is made from: a heap in which the modules of a start from disk are loaded and their
 * functions compiled. Functions are compiled when they first run, and that is most of what our own code costs in a
 * process that runs each once; so the build walks the way of a start from disk on a small image. Functions that have
 * run and do not run in a start are in the way: they are dropped again.
 *
 * All else is in parts outside the snapshot (see `scripts/parts.ts`), whose code the build keeps too: it lets the
 * finished executable run command lines, once, and write down what was compiled for them. Only that executable can do
 * it, since V8 takes kept code for a heap like the one that it was compiled in.
 */
import * as fs from "node:fs";
import { inspect } from "node:util";
import * as v8 from "node:v8";
import { keepCode, wantsCode } from "program-parts";
import { main, run } from "./main.ts";
import { enterStage, rehearseStarts } from "./rehearsal.ts";
import { warmUpGrub2 } from "./warm-up-grub2.ts";
// Not called here, but part of every start from disk: they are loaded into the snapshot.
import "./boot.ts";
import "./pygrub.ts";

/** @throws Error: this file is for the build only */
function given(variable: string): string {
  const value = process.env[variable];
  if (value === undefined) throw new Error(`${variable} is not set: this file is for the build only`);
  return value;
}

/** What works no more in a program, or in a thread of it, that was started from a snapshot which has it. */
function checkLoaded(): void {
  const loaded = loadedBuiltins();
  const bad = ["crypto", "child_process"].find((name) => loaded.includes(name));
  if (bad !== undefined) throw new Error(`${bad} must not be loaded into the start-up snapshot`);
}

/** A command line that the build lets the program run: its name, and what comes behind it. */
type CommandLine = readonly [program: string, ...argv: string[]];

const BUILTIN = "NativeModule ";

/** The runtime's own modules that are loaded, by their names within Node. */
function loadedBuiltins(): readonly string[] {
  const listed: unknown = Reflect.get(process, "moduleLoadList");
  const loaded: readonly unknown[] = Array.isArray(listed) ? listed : [];
  return loaded.flatMap((name) =>
    typeof name === "string" && name.startsWith(BUILTIN) ? [name.slice(BUILTIN.length)] : [],
  );
}

/**
 * Runs them one after the other, on a stage: the walls of one would stand in the next one's way.
 * @param folder holds `commands.json`; what is kept goes there too, and in `builtins.json` which modules of the
 * runtime's own were loaded, but for those that are in the snapshot
 */
async function runAndKeep(folder: string): Promise<never> {
  const commands = JSON.parse(fs.readFileSync(`${folder}/commands.json`, "utf8")) as readonly CommandLine[];
  const inSnapshot = new Set(loadedBuiltins());
  const written = keepCode(folder);
  // Opened before the last command gives up the right to.
  const list = fs.openSync(`${folder}/builtins.json`, "w");
  // Every start from disk loads it, and the stage has a prop for it.
  process.getBuiltinModule("node:ffi");
  enterStage();
  for (const [program, ...argv] of commands) {
    const status = await run(program, argv);
    if (status === 0) continue;
    process.stderr.write(`${[program, ...argv].join(" ")}: ended with ${status}\n`);
    process.exit(1);
  }
  written();
  const builtins = loadedBuiltins().filter((name) => !inSnapshot.has(name));
  fs.writeSync(list, JSON.stringify(builtins));
  process.exit(0);
}

/** Where V8 keeps the code that it compiles (bytecode). */
const CODE_SPACE = "trusted_space";
/** Of the code, what may be left of it. */
const MOST_LEFT = 0.75;
/** Arrays. */
const MOST_GARBAGE = 2000;
const HELD = 20;

/**
 * Drops the code that was compiled so far: most of it has begun the runtime or loaded our modules, and runs no more, but
 * each start would fill a megabyte with it. V8 drops what has not run between some collections of garbage; here one is
 * enough, and garbage is made until that has come.
 * @throws Error when it does not come
 */
function dropCompiledCode(): void {
  const before = codeBytes();
  v8.setFlagsFromString("--bytecode-old-age=1");
  let garbage: number[][] = [];
  for (let made = 0; codeBytes() > before * MOST_LEFT; made++) {
    if (made === MOST_GARBAGE) throw new Error("the runtime keeps the code that it has compiled");
    // What is dropped at once is collected with the young alone.
    if (made % HELD === 0) garbage = [];
    // 8 MB. What is not filled is not made.
    garbage.push(new Array<number>(1_000_000).fill(made));
  }
  // V8's own.
  v8.setFlagsFromString("--bytecode-old-age=6");
}

function codeBytes(): number {
  const space = v8.getHeapSpaceStatistics().find(({ space_name: name }) => name === CODE_SPACE);
  if (space === undefined) throw new Error(`the runtime's heap has no ${CODE_SPACE}`);
  return space.space_used_size;
}

async function prepareSnapshot(): Promise<void> {
  await warmUp();
  dropCompiledCode();
  // What a start runs is compiled again, and nothing else.
  await warmUp();
  checkLoaded();
}

async function warmUp(): Promise<void> {
  warmUpGrub2();
  await rehearseStarts(given("GUESTBOOT_WARM_UP_IMAGE"), given("GUESTBOOT_WARM_UP_FOLDER"));
}

prepareSnapshot().catch((error: unknown) => {
  process.stderr.write(`${inspect(error)}\n`);
  process.exit(1);
});
v8.startupSnapshot.setDeserializeMainFunction(() => {
  const folder = wantsCode();
  void (folder === null ? main() : runAndKeep(folder));
});
