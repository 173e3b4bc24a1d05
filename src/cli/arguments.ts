/**
 * The arguments of guestboot's own commands, through the platform's parser.
 */
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { GuestbootError } from "../base/errors.ts";

/** @throws USAGE in one sentence */
export function readArguments<T extends ParseArgsOptionsConfig>(argv: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GuestbootError("USAGE", reason.replace(/\. To specify a positional argument.*$/s, ""), { cause: error });
  }
}

/** Exactly one operand. @throws USAGE */
export function onlyOperand(operands: readonly string[], what: string): string {
  const [operand, extra] = operands;
  if (operand === undefined) throw new GuestbootError("USAGE", `${what} is missing`);
  if (extra !== undefined) throw new GuestbootError("USAGE", `"${extra}" is one argument too many`);
  return operand;
}

/** Does the command line ask for JSON or help? Known before the rest of it is, so that its errors come in that form. */
export function wants(argv: readonly string[], flag: "--json" | "--help" | "-h" | "--quiet"): boolean {
  const end = argv.indexOf("--");
  return (end === -1 ? argv : argv.slice(0, end)).includes(flag);
}
