/**
 * A program beside us whose output is a file's bytes. It is ended when it is silent for too long, when nobody reads it
 * any more, and when we go.
 */
import type { ChildProcess } from "node:child_process";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";

export interface Command {
  /** Absolute. */
  readonly program: string;
  readonly args: readonly string[];
  /** Milliseconds between two pieces of output, as long as we are ready for the next. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/** How a program ended that was not content. */
export class ProgramFailure extends Error {
  override readonly name = "ProgramFailure";
  /** It was ended because nothing came from it. */
  readonly wasSilent: boolean;

  /** @param message what it said itself */
  constructor(message: string, wasSilent: boolean) {
    super(message);
    this.wasSilent = wasSilent;
  }
}

const MOST_COMPLAINTS = 4096;

/**
 * What the program writes, piece by piece; it is started with the first.
 * @throws ProgramFailure when it fails or is silent; REPOSITORY_UNREACHABLE when it cannot be started; the signal's reason
 */
export async function* outputOf({ program, args, timeout, signal }: Command): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  const { spawn } = process.getBuiltinModule("node:child_process");
  const env = { PATH: "/usr/bin:/bin", LC_ALL: "C" };
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
  const ended = endOf(child, program);
  ended.catch(() => undefined);
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaints = (complaints + text).slice(0, MOST_COMPLAINTS);
  });
  const abort = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", abort);
  let wasSilent = false;
  const silence = () => {
    wasSilent = true;
    child.kill("SIGKILL");
  };
  let timer = setTimeout(silence, timeout);
  try {
    const chunks: AsyncIterable<Uint8Array> = child.stdout;
    for await (const chunk of chunks) {
      clearTimeout(timer);
      yield chunk;
      timer = setTimeout(silence, timeout);
    }
    const status = await ended;
    signal?.throwIfAborted();
    if (status !== 0) throw new ProgramFailure(complaints.trim(), wasSilent);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    child.kill("SIGKILL");
  }
}

/** All that the program writes, as text. @throws as `outputOf`; BUDGET_EXCEEDED for more than `most` bytes */
export async function textOf(command: Command, most: number): Promise<string> {
  const parts: Uint8Array[] = [];
  const said = () => Buffer.concat(parts).toString("utf8");
  let size = 0;
  try {
    for await (const part of outputOf(command)) {
      size += part.length;
      if (size > most) throw new GuestbootError("BUDGET_EXCEEDED", `${command.program} said more than ${most} bytes`);
      parts.push(part);
    }
  } catch (error) {
    // Some programs complain on standard output.
    if (error instanceof ProgramFailure && error.message === "") throw new ProgramFailure(said(), error.wasSilent);
    throw error;
  }
  return said();
}

/** Its exit status, null when a signal ended it. */
async function endOf(child: ChildProcess, program: string): Promise<number | null> {
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once("close", resolve);
  child.once("error", (error) => {
    const reason = isSystemError(error) ? systemReason(error) : error.message;
    reject(
      new GuestbootError("REPOSITORY_UNREACHABLE", `${program} could not be started: ${reason}`, { cause: error }),
    );
  });
  return promise;
}
