/**
 * How a command ends when it fails: words and exit status. Results go to standard output, everything else to
 * standard error.
 */
import { asGuestbootError, type GuestbootError } from "../base/errors.ts";
import { asMemoryExceeded } from "../base/limits.ts";
import { printable } from "../base/printable.ts";
import { helpOf } from "./help.ts";

/** Runs a command's work and reports its failure in guestboot's own way: 1 for a failure, 2 for wrong usage. */
export async function reporting(
  command: string,
  options: { readonly json: boolean },
  work: () => Promise<void> | void,
): Promise<number> {
  const status = await statusOf(command, options, work);
  await written(process.stdout);
  return status;
}

async function statusOf(
  command: string,
  options: { readonly json: boolean },
  work: () => Promise<void> | void,
): Promise<number> {
  try {
    await work();
    return 0;
  } catch (thrown) {
    const error = asMemoryExceeded(thrown) ?? asGuestbootError(thrown);
    if (isBrokenPipe(error.cause)) return 0;
    if (options.json && error.code !== "USAGE") printJson({ error: describe(error) });
    else process.stderr.write(wordsOf(error, error.code === "USAGE" ? helpOf(command) : null));
    return error.code === "USAGE" ? 2 : 1;
  }
}

/** One line a thing: what failed, then what to do. */
function wordsOf(error: GuestbootError, usage: string | null): string {
  const lines = [`guestboot: ${printable(error.message)}`];
  if (error.hint !== undefined) lines.push(`  → ${printable(error.hint)}`);
  if (error.code === "INTERNAL" && process.argv.includes("--debug") && error.cause instanceof Error) {
    lines.push(error.cause.stack ?? "");
  }
  return `${lines.join("\n")}\n${usage === null ? "" : `\n${usage}`}`;
}

function describe(error: GuestbootError): { code: string; message: string; hint?: string } {
  const { code, message, hint } = error;
  return hint === undefined ? { code, message } : { code, message, hint };
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Whoever read our output has had enough (`guestboot … | head`). */
function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}

/** The program ends by `process.exit`, which loses what a slow reader of a pipe has not taken yet. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    // Whoever has had enough (`guestboot … | head`) is no failure.
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}
