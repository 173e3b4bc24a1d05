/**
 * Runs the statements of a GRUB 2 script as GRUB does: a command that fails or is not known does not end anything, only
 * its status remains. Every statement costs a step of the config's budget, so that no script runs for ever.
 */
import { GuestbootError } from "../../base/errors.ts";
import { COMMANDS } from "./commands.ts";
import { expand } from "./expand.ts";
import { NEXT, shown, type Call, type Machine } from "./machine.ts";
import { parseScript } from "./parser.ts";
import type { Block, PlainCommand, SimpleCommand, Statement } from "./syntax.ts";

/** Functions that call functions, and files that read files. */
const MAX_DEPTH = 50;

/**
 * @returns the status of the last statement; 0 where there is none
 * @throws BUDGET_EXCEEDED
 */
export function execute(machine: Machine, statements: readonly Statement[]): number {
  let status = 0;
  // Counted, as in all that runs for each entry: an iterator takes an object a step.
  for (let index = 0; index < statements.length; index++) {
    const statement = statements[index];
    if (statement === undefined) break;
    status = executeOne(machine, statement);
    if (machine.flow !== NEXT) return status;
  }
  return status;
}

/** A script by its text: a config, a file that it reads, or what `eval` was given. @throws BUDGET_EXCEEDED */
export function executeText(machine: Machine, text: string): number {
  machine.run.configs.spend(text.length);
  let status = 0;
  for (const unit of parseScript(text)) {
    if (unit.kind === "error") {
      machine.notes.add(`line ${unit.line} is no GRUB script and is passed over: ${unit.reason}`);
      continue;
    }
    status = execute(machine, unit.statements);
    if (machine.flow.kind !== "next") return status;
  }
  return status;
}

function executeOne(machine: Machine, statement: Statement): number {
  machine.run.steps.spend();
  switch (statement.kind) {
    case "plain":
      return executePlain(machine, statement);
    case "command":
      return executeCommand(machine, statement);
    case "if":
      return executeIf(machine, statement);
    case "for":
      return looping(machine, () => executeFor(machine, statement));
    case "while":
      return looping(machine, () => executeWhile(machine, statement));
    case "function":
      // One that is running is not replaced (CVE-2020-15706).
      if (machine.calling.includes(statement.name)) return 1;
      if (!machine.ownsFunctions) machine.functions = new Map(machine.functions);
      machine.ownsFunctions = true;
      machine.functions.set(statement.name, statement.body);
      return 0;
  }
}

function executeIf(machine: Machine, statement: Statement & { readonly kind: "if" }): number {
  for (const { condition, body } of statement.branches) {
    const status = execute(machine, condition);
    if (machine.flow.kind !== "next") return status;
    if (status === 0) return execute(machine, body);
  }
  // "If no branch is taken, the status is 0."
  setStatus(machine, 0);
  return execute(machine, statement.otherwise);
}

function executeFor(machine: Machine, statement: Statement & { readonly kind: "for" }): number {
  let status = 0;
  for (const text of expand(machine, statement.words)) {
    machine.run.steps.spend();
    machine.environment.set(statement.name, text);
    status = execute(machine, statement.body);
    if (endsLoop(machine)) break;
  }
  return status;
}

function executeWhile(machine: Machine, statement: Statement & { readonly kind: "while" }): number {
  let status = 0;
  for (;;) {
    machine.run.steps.spend();
    const holds = execute(machine, statement.condition) === 0;
    if (machine.flow.kind !== "next" || holds === statement.until) return status;
    status = execute(machine, statement.body);
    if (endsLoop(machine)) return status;
  }
}

function looping(machine: Machine, loop: () => number): number {
  machine.loops += 1;
  try {
    return loop();
  } finally {
    machine.loops -= 1;
  }
}

/** After a loop's body: is the loop over? Takes a `break` or `continue` that is meant for this loop. */
function endsLoop(machine: Machine): boolean {
  const { flow } = machine;
  if (flow.kind !== "break" && flow.kind !== "continue") return flow.kind !== "next";
  if (flow.levels > 1) {
    machine.flow = { kind: flow.kind, levels: flow.levels - 1 };
    return true;
  }
  machine.flow = NEXT;
  return flow.kind === "break";
}

function executePlain(machine: Machine, { name, words, block }: PlainCommand): number {
  const status = runNamed(machine, name, words, block);
  setStatus(machine, status);
  return status;
}

function executeCommand(machine: Machine, { words }: SimpleCommand): number {
  const last = words.at(-1);
  const block = last?.kind === "block" ? last : null;
  const texts = expand(machine, block === null ? words : words.slice(0, -1));
  const start = texts.findIndex((text) => text !== "!");
  const name = texts[start];
  // Nothing but `!`, or variables that hold nothing.
  if (name === undefined) return 0;
  const status = runNamed(machine, name, texts.slice(start + 1), block);
  // One `!` or more turn the answer round.
  const answer = start === 0 ? status : status === 0 ? 1 : 0;
  setStatus(machine, answer);
  return answer;
}

/** @param block the last argument, behind `words` */
function runNamed(machine: Machine, name: string, words: readonly string[], block: Block | null): number {
  const command = COMMANDS.get(name);
  if (command !== undefined) {
    const call: Call = { machine, name, words, block };
    try {
      return command(call);
    } catch (error) {
      // A file that is damaged fails one command; a budget ends the whole.
      if (!(error instanceof GuestbootError) || error.code === "BUDGET_EXCEEDED") throw error;
      machine.notes.add(`${name}: ${error.message}`);
      return 1;
    }
  }
  const body = machine.functions.get(name);
  if (body !== undefined) {
    return callFunction(machine, name, body, block === null ? words : [...words, block.text]);
  }
  const equals = name.indexOf("=");
  if (equals > 0) {
    machine.environment.set(name.slice(0, equals), name.slice(equals + 1));
    return 0;
  }
  // GRUB says "can't find command" and goes on as if it had gone well.
  machine.notes.add(`${shown(name)} is no command that is known: passed over`);
  return 0;
}

function callFunction(machine: Machine, name: string, body: readonly Statement[], words: readonly string[]): number {
  const { positional, loops } = machine;
  machine.loops = 0;
  machine.calling.push(name);
  machine.positional = words;
  try {
    const status = nested(machine, () => execute(machine, body));
    if (machine.flow.kind === "return") machine.flow = NEXT;
    return status;
  } finally {
    machine.calling.pop();
    machine.positional = positional;
    machine.loops = loops;
  }
}

/** @throws BUDGET_EXCEEDED when calls are nested too deep */
export function nested<T>(machine: Machine, work: () => T): T {
  machine.depth += 1;
  if (machine.depth > MAX_DEPTH) {
    throw new GuestbootError("BUDGET_EXCEEDED", `the boot config calls itself more than ${MAX_DEPTH} deep: gave up`);
  }
  try {
    return work();
  } finally {
    machine.depth -= 1;
  }
}

function setStatus(machine: Machine, status: number): void {
  machine.environment.status = status;
}
