/**
 * Commands over variables and the flow of a script.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#Commands
 */
import { failed, FAILURE, NEXT, shown, type Call, type Command } from "../machine.ts";

export const set: Command = (call) => {
  const [assignment] = call.words;
  // Alone it lists the variables.
  if (assignment === undefined) return 0;
  const equals = assignment.indexOf("=");
  if (equals < 1) return failed(call, FAILURE.badArgument, `${shown(assignment)} is no assignment`);
  call.machine.environment.set(assignment.slice(0, equals), assignment.slice(equals + 1));
  return 0;
};

export const unset: Command = (call) => {
  const [name] = call.words;
  if (name === undefined) return failed(call, FAILURE.badArgument, "names no variable");
  call.machine.environment.unset(name);
  return 0;
};

/** One name, which may not be given a value here. */
export const exportVariable: Command = (call) => {
  const [name, more] = call.words;
  if (name === undefined || more !== undefined) return failed(call, FAILURE.badArgument, "wants one variable's name");
  call.machine.environment.export(name);
  return 0;
};

export const setParameters: Command = ({ machine, words }) => {
  if (machine.positional !== null) machine.positional = words;
  return 0;
};

export const shift: Command = (call) => {
  const { machine, words } = call;
  const count = words[0] === undefined ? 1 : readCount(words[0]);
  if (machine.positional === null) return 0;
  if (count === null || count > machine.positional.length) return failed(call, FAILURE.badArgument, "shifts too far");
  machine.positional = machine.positional.slice(count);
  return 0;
};

export const breakLoop: Command = (call) => leave(call, "break");
export const continueLoop: Command = (call) => leave(call, "continue");

/** `return [N]` from a function; the status of what was run last unless it says. */
export const returnFrom: Command = ({ machine, words }) => {
  // Outside of a function GRUB complains and goes on.
  if (machine.positional === null) return 0;
  machine.flow = { kind: "return" };
  return words[0] === undefined ? Number(machine.environment.get("?") ?? 0) : (readCount(words[0]) ?? 0);
};

/** Nothing after it is run. */
export const end: Command = ({ machine }) => {
  machine.flow = { kind: "end" };
  return 0;
};

export const evaluate: Command = ({ machine, words }) => machine.executeText(machine, words.join(" "));

export const succeed: Command = () => 0;
export const fail: Command = () => FAILURE.test;

function leave({ machine, words }: Call, kind: "break" | "continue"): number {
  const levels = words[0] === undefined ? 1 : (readCount(words[0]) ?? 1);
  // Where there is no loop it does nothing.
  machine.flow = levels < 1 || machine.loops === 0 ? NEXT : { kind, levels };
  return 0;
}

function readCount(word: string): number | null {
  return /^[0-9]{1,6}$/.test(word) ? Number(word) : null;
}

/** `increment NAME`, `decrement NAME`: Fedora's, for its counting of boots. */
export const increment: Command = (call) => count(call, 1);
export const decrement: Command = (call) => count(call, -1);

function count(call: Call, by: number): number {
  const { environment } = call.machine;
  const [name] = call.words;
  if (name === undefined) return failed(call, FAILURE.badArgument, "names no variable");
  const value = environment.get(name) ?? "";
  environment.set(name, String((/^-?[0-9]{1,9}$/.test(value) ? Number(value) : 0) + by));
  return 0;
}
