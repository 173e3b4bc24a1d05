/**
 * The log of one start: each step with its VM and how long it took, in the system log, or as JSON lines. No step's
 * words hold kernel arguments or an address's user and password.
 */
import { writeSync } from "node:fs";
import { monotonicMs } from "../base/clock.ts";
import { withoutPasswords, type GuestbootError } from "../base/errors.ts";
import type { LogSettings } from "../base/log-settings.ts";
import { printable } from "../base/printable.ts";
import type { Progress } from "../base/progress.ts";
import { openSystemLog, type Severity } from "../base/system-log.ts";

export interface StartLog {
  /** A step is done; it began when the one before it ended. */
  step(step: string, words?: string): void;
  warn(words: string): void;
  /** The start ends here. */
  fail(error: GuestbootError): void;
}

const SILENT: StartLog = { step() {}, warn() {}, fail() {} };
const STANDARD_ERROR = 2;
/** Characters: a message that the system log cut would be no JSON any more. */
const LONGEST = 1000;

export interface StartLogOptions {
  readonly vm: string | null;
  /** The program's name, for the system log. */
  readonly program: string;
  /** JSON lines go to the standard error; to the system log where that is the toolstack's. */
  readonly ownsStandardError: boolean;
}

/** To be opened before rights are given up; it works after. */
export function openStartLog({ form, socket }: LogSettings, options: StartLogOptions): StartLog {
  const { vm } = options;
  if (form === "none") return SILENT;
  const toStandardError = form === "json" && options.ownsStandardError;
  const write = toStandardError ? writeLine : openSystemLog(socket, options.program);
  if (write === null) return SILENT;
  let last = monotonicMs();
  const say = (severity: Severity, step: string, words: string, more: Readonly<Record<string, string>> = {}) => {
    const now = monotonicMs();
    const ms = Math.round((now - last) * 10) / 10;
    last = now;
    const plain = printable(withoutPasswords(words)).slice(0, LONGEST);
    if (form === "json") {
      const line = { time: new Date().toISOString(), severity, vm, step, ms, message: plain, ...more };
      write(severity, JSON.stringify(line));
    } else write(severity, `VM ${vm ?? "(unnamed)"}: ${step} (${ms} ms)${plain === "" ? "" : `: ${plain}`}`);
  };
  return {
    step: (step, words = "") => say("info", step, words),
    warn: (words) => say("warning", "warning", words),
    fail: (error) => say("error", "failed", `${error.code}: ${error.message}`, { code: error.code }),
  };
}

/** A log that tells what `progress` is told, too. */
export function logged(progress: Progress, log: StartLog): Progress {
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
