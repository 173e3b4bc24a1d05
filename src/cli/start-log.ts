/**
 * The log of one start or command: each step with its VM and how long it took, in the system log, or as JSON lines. No
 * step's words hold kernel arguments or an address's user and password.
 */
import { writeSync } from "node:fs";
import { monotonicMs } from "../base/clock.ts";
import type { GuestbootError } from "../base/errors.ts";
import { logSettingsOf, type LogSettings } from "../base/log-settings.ts";
import { printable } from "../base/printable.ts";
import type { Progress } from "../base/progress.ts";
import { withoutSecrets } from "../base/secrets.ts";
import { readSettings } from "../base/settings.ts";
import { openSystemLog, type Severity, type WriteLog } from "../base/system-log.ts";

export interface StartLog {
  /** A step is done; it began when the one before it ended. */
  step(step: string, words?: string): void;
  warn(words: string): void;
  /** The start ends here; of a command that goes on with other things, `what` has failed. */
  fail(error: GuestbootError, what?: string): void;
}

const STANDARD_ERROR = 2;
/** Characters: a message that the system log cut would be no JSON any more. */
const LONGEST = 1000;

export interface StartLogOptions {
  readonly vm: string | null;
  /** Which of guestboot's commands it is, where it starts no VM. */
  readonly command?: string;
  /** The program's name, for the system log. */
  readonly program: string;
  /** JSON lines go to the standard error; to the system log where that is the toolstack's. */
  readonly ownsStandardError: boolean;
  /** Say the steps on standard error too, whatever else is set. Not for one that is the toolstack's. */
  readonly saysSteps?: boolean;
}

/** Failures that stand in a log. */
const logged = new WeakSet<GuestbootError>();

/** To be opened before rights are given up; it works after. */
export function openStartLog(settings: LogSettings, options: StartLogOptions): StartLog {
  const { vm, command } = options;
  const writers = writersOf(settings, options);
  const subject = command ?? `VM ${vm ?? "(unnamed)"}`;
  let last = monotonicMs();
  const say = (severity: Severity, step: string, words: string, more: Readonly<Record<string, string>> = {}) => {
    if (writers.length === 0) return;
    const now = monotonicMs();
    const ms = Math.round((now - last) * 10) / 10;
    last = now;
    // Cut before it is looked through: a guest's path can be as long as it likes.
    const plain = printable(withoutSecrets(words.slice(0, 4 * LONGEST))).slice(0, LONGEST);
    const of = command === undefined ? { vm } : { vm, command };
    const line = { time: new Date().toISOString(), severity, ...of, step, ms, message: plain, ...more };
    const sentence = `${subject}: ${step} (${ms} ms)${plain === "" ? "" : `: ${plain}`}`;
    for (const { form, write } of writers) write(severity, form === "json" ? JSON.stringify(line) : sentence);
  };
  return {
    step: (step, words = "") => say("info", step, words),
    warn: (words) => say("warning", "warning", words),
    fail(error, what) {
      logged.add(error);
      say("error", "failed", `${what === undefined ? "" : `${what}: `}${error.code}: ${error.message}`, {
        code: error.code,
      });
    },
  };
}

interface Writer {
  readonly form: "sentences" | "json";
  readonly write: WriteLog;
}

function writersOf(
  { form, socket }: LogSettings,
  { program, ownsStandardError, saysSteps }: StartLogOptions,
): Writer[] {
  const toStandardError = form === "json" && ownsStandardError;
  const system = form === "none" || toStandardError ? null : openSystemLog(socket, program);
  return [
    ...(toStandardError ? [{ form: "json" as const, write: writeLine }] : []),
    ...(saysSteps === true && !toStandardError ? [{ form: "sentences" as const, write: writeLine }] : []),
    ...(system === null ? [] : [{ form: form === "json" ? ("json" as const) : ("sentences" as const), write: system }]),
  ];
}

/**
 * Logs a failure that came before the start's own log was opened: a wrong command line, settings or a record that
 * cannot be read. One that stands in a log already is not logged again.
 *
 * @param form in place of what the settings say
 */
export async function logFailedStart(
  error: GuestbootError,
  options: StartLogOptions & { readonly environment: NodeJS.ProcessEnv; readonly form?: LogSettings["form"] | null },
): Promise<void> {
  if (logged.has(error)) return;
  const { environment } = options;
  const settings = await readSettings(environment).then(
    ({ log }) => log,
    () => logSettingsOf(environment),
  );
  openStartLog({ ...settings, form: options.form ?? settings.form }, options).fail(error);
}

/** The VM that a loader's command line names, which may be wrong in all else. */
export function vmNamedIn(argv: readonly string[]): string | null {
  const at = argv.findIndex((word) => /^--vm(?:=|$)/.test(word));
  const word = argv[at];
  if (word === undefined) return null;
  return (word === "--vm" ? argv[at + 1] : word.slice("--vm=".length)) ?? null;
}

/** A log that tells what `progress` is told, too. */
export function withLog(progress: Progress, log: StartLog): Progress {
  return {
    say(line) {
      progress.say(line);
      if (line.startsWith("trust: ")) log.step("trust", line.slice("trust: ".length));
    },
    warn(line) {
      progress.warn(line);
      log.warn(line);
    },
    step: (step, words) => log.step(step, words),
    transfer(label, total) {
      const begun = monotonicMs();
      const transfer = progress.transfer(label, total);
      let bytes = 0;
      return {
        advance(more) {
          bytes += more;
          transfer.advance(more);
        },
        end(outcome) {
          transfer.end(outcome);
          const seconds = ((monotonicMs() - begun) / 1000).toFixed(3);
          const step = outcome === "done" ? "fetched" : "fetch failed";
          log.step(step, `${bytes} bytes in ${seconds} s: ${label}`);
        },
      };
    },
  };
}

function writeLine(_severity: Severity, line: string): void {
  try {
    writeSync(STANDARD_ERROR, `${line}\n`);
  } catch {
    // As in the system log: nobody's start fails for its log.
  }
}
