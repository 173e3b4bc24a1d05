/**
 * `regexp [--set [NUMBER:]VARIABLE]… PATTERN TEXT`: does it fit, and what do its parentheses hold?
 * https://www.gnu.org/software/grub/manual/grub/grub.html#regexp
 */
import { failed, FAILURE, shown, type Command } from "../machine.ts";
import { compileExpression, matchExpression } from "../extended-expression.ts";
import { optionKinds, readOptions } from "./options.ts";

const REGEXP_OPTIONS = optionKinds([{ name: "set", letter: "s", value: "needed" }]);

export const regexp: Command = (call) => {
  const { environment, run } = call.machine;
  const options = readOptions(call.words, REGEXP_OPTIONS);
  const [pattern, text] = options.operands;
  if (pattern === undefined || text === undefined)
    return failed(call, FAILURE.badArgument, "wants a pattern and a text");
  const compiled = compileExpression(pattern);
  if (compiled === null) return failed(call, FAILURE.badArgument, `${shown(pattern)} is no regular expression`);
  const groups = matchExpression(compiled, text, run.steps);
  if (groups === null) return FAILURE.test;
  for (const target of options.all("set")) {
    const match = /^(?:([0-9]{1,3}):)?([^]+)$/.exec(target ?? "");
    if (match === null) return failed(call, FAILURE.badArgument, `${shown(target ?? "")} names no variable`);
    const [, number, variable = ""] = match;
    const group = groups[number === undefined ? 1 : Number(number)];
    environment.set(variable, group ?? "");
  }
  return 0;
};
