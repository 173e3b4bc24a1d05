/**
 * The log of an admin's command, as the starts of VMs have one: the same forms, chosen by `--log` or the settings.
 */
import { asGuestbootError, GuestbootError } from "../base/errors.ts";
import { isLogForm, type LogForm, type LogSettings } from "../base/log-settings.ts";
import { quote } from "../base/printable.ts";
import { openStartLog, type StartLog } from "./start-log.ts";

export const LOG_OPTION = { log: { type: "string" } } as const;

export interface LoggedCommand {
  /** Its word: "fetch". */
  readonly command: string;
  /** What `--log` was given. */
  readonly form: string | undefined;
  readonly settings: LogSettings;
}

/** Does a command's work with its log, which is told a failure too. @throws USAGE, and what `work` throws */
export async function withCommandLog<T>(about: LoggedCommand, work: (log: StartLog) => Promise<T>): Promise<T> {
  const { command, settings } = about;
  const form = readLogForm(about.form) ?? settings.form;
  const log = openStartLog({ ...settings, form }, { vm: null, command, program: "guestboot", ownsStandardError: true });
  try {
    return await work(log);
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    log.fail(error);
    throw error;
  }
}

/** `--log`'s value; null: as the settings say. @throws USAGE */
export function readLogForm(word: string | undefined): LogForm | null {
  if (word === undefined || isLogForm(word)) return word ?? null;
  throw new GuestbootError("USAGE", `--log is syslog, json or none, and not ${quote(word)}`);
}
