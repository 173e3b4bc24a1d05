/**
 * The short way through the body of an entry. Most bodies, also those that `grub-mkconfig` writes, do little that shows
 * in what they boot: modules and messages, comparisons of variables, a search for the config's own volume, a kernel and
 * its ramdisks. That much is done here, without a machine for each entry. Whatever else is in a body, nothing of it has
 * been done, and `execute.ts` runs it from its beginning.
 */
import { COMMANDS } from "./commands.ts";
import { endOfSearch, search } from "./commands/devices.ts";
import { kernelOf, linux, initrd, ramdisksOf } from "./commands/loading.ts";
import { set, succeed } from "./commands/variables.ts";
import { Notes, type Loaded, type Menu, type Run } from "./machine.ts";
import type { Argument, PlainCommand, Statement } from "./syntax.ts";
import type { FileReference } from "../boot-config.ts";

/** What such a body has loaded. */
export interface PlainlyLoaded {
  readonly kernel: NonNullable<Loaded["kernel"]>;
  readonly ramdisks: readonly FileReference[];
  readonly notes: readonly string[];
}

type Functions = ReadonlyMap<string, readonly Statement[]>;

/** Functions that call functions. */
const MAX_CALLS = 3;
/** What takes more is run, step by step under the config's budget. */
const MAX_STEPS = 1000;
/** Of values that are taken as they are. */
const MAX_VALUE = 1000;

interface Walk {
  readonly run: Run;
  readonly menu: Menu;
  readonly functions: Functions;
  /** What `$root` holds. */
  root: string;
  kernel: Loaded["kernel"];
  ramdisks: readonly FileReference[];
  /** null: there are none yet. */
  notes: Notes | null;
  /** As many as running it takes of the config's budget. */
  steps: number;
  calls: number;
}

const NONE: readonly never[] = [];

/**
 * What the body of an entry of that menu loads; null where finding out takes running it.
 * @throws BUDGET_EXCEEDED
 */
export function loadedPlainly(
  run: Run,
  menu: Menu,
  functions: Functions,
  body: readonly Statement[],
): PlainlyLoaded | null {
  const root = menu.environment.get("root") ?? "";
  const walk: Walk = {
    run,
    menu,
    functions,
    root,
    kernel: null,
    ramdisks: NONE,
    notes: null,
    steps: 0,
    calls: 0,
  };
  if (!passes(walk, body) || walk.kernel === null) return null;
  run.steps.spend(walk.steps);
  return { kernel: walk.kernel, ramdisks: walk.ramdisks, notes: walk.notes?.lines() ?? NONE };
}

/** Was everything in it done? */
function passes(walk: Walk, statements: readonly Statement[]): boolean {
  for (let index = 0; index < statements.length; index++) {
    const statement = statements[index];
    if (statement === undefined) break;
    walk.steps += 1;
    if (walk.steps > MAX_STEPS) return false;
    if (statement.kind === "plain" ? !passesCommand(walk, statement) : !passesIf(walk, statement)) return false;
  }
  return true;
}

function passesCommand(walk: Walk, { name, words, block }: PlainCommand): boolean {
  if (block !== null) return false;
  const command = COMMANDS.get(name);
  if (command === succeed) return true;
  const { files } = walk.run;
  if (command === linux) {
    walk.kernel = kernelOf(files, walk.root, words);
    walk.ramdisks = NONE;
    return walk.kernel !== null;
  }
  if (command === initrd) {
    const ramdisks = ramdisksOf(files, walk.root, words);
    if (ramdisks === null) return false;
    walk.ramdisks = ramdisks;
    return true;
  }
  if (command === set) {
    const [assignment = ""] = words;
    if (!assignment.startsWith("root=") || assignment.length > MAX_VALUE) return false;
    walk.root = assignment.slice(5);
    return true;
  }
  if (command === search) return passesSearch(walk, words);
  const body = command === undefined ? walk.functions.get(name) : undefined;
  if (body === undefined || walk.calls === MAX_CALLS) return false;
  walk.calls += 1;
  const isPassed = passes(walk, body);
  walk.calls -= 1;
  return isPassed;
}

/** The entries of a config look for their volume in the same words. */
function passesSearch(walk: Walk, words: readonly string[]): boolean {
  const { files, searches } = walk.run;
  let end = searches.get(words);
  if (end === undefined) {
    end = endOfSearch(files, words);
    searches.set(words, end);
  }
  // How it ended before says nothing of devices that the script has made since.
  if (end === null || (end.found === null && files.loopbacks.size > 0)) return false;
  if (end.found === null) {
    walk.steps += files.volumes.length;
    (walk.notes ??= new Notes()).add(end.note);
  } else {
    walk.steps += 1;
    walk.root = files.nameOf(end.found);
  }
  return true;
}

function passesIf(walk: Walk, statement: Statement): boolean {
  if (statement.kind !== "if") return false;
  for (const { condition, body } of statement.branches) {
    const [comparison, more] = condition;
    if (comparison === undefined || more !== undefined) return false;
    const holds = isEqual(walk, comparison);
    if (holds === null) return false;
    if (holds) return passes(walk, body);
  }
  return passes(walk, statement.otherwise);
}

/** `[ x$variable = xword ]`; null for any other condition. */
function isEqual(walk: Walk, statement: Statement): boolean | null {
  if (statement.kind !== "command" || statement.words.length !== 5) return null;
  const [open, left, operator, right, close] = statement.words;
  if (!isLiteral(open, "[") || !isLiteral(operator, "=") || !isLiteral(close, "]")) return null;
  const one = textOf(walk, left);
  const other = textOf(walk, right);
  if (one === null || other === null) return null;
  walk.steps += 2;
  return one === other;
}

const isLiteral = (word: Argument | undefined, text: string) => word?.kind === "word" && word.literal === text;

/** Such a text is one word, and no operator of `test`. */
const PLAIN_TEXT = /^[A-Za-z0-9][^\s*?]*$/;

/** A word of a comparison as it is when it runs; null where it takes a closer look. */
function textOf(walk: Walk, word: Argument | undefined): string | null {
  if (word?.kind !== "word") return null;
  let text = word.literal ?? "";
  if (word.literal === null) {
    for (const part of word.parts) {
      const piece = part.kind === "text" ? part.text : valueOf(walk, part.name);
      if (piece === null) return null;
      text += piece;
    }
  }
  return text.length <= MAX_VALUE && PLAIN_TEXT.test(text) ? text : null;
}

/** What an entry's own run sets, and what is not set by name, is not known here. */
const UNKNOWN = /^(?:[^A-Za-z_].*|chosen|default)$/;

function valueOf({ menu, root }: Walk, name: string): string | null {
  if (name === "root") return root;
  return UNKNOWN.test(name) ? null : (menu.environment.get(name) ?? "");
}
