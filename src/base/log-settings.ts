/**
 * What an admin sets about the log: `[log]` of /etc/guestboot.conf, and environment variables.
 */
import { GuestbootError } from "./errors.ts";

/** `syslog`: sentences in the system log. `json`: JSON lines in its place. `none`: no log. */
export type LogForm = "syslog" | "json" | "none";

export interface LogSettings {
  readonly form: LogForm;
  /** The system log's datagram socket. */
  readonly socket: string;
}

/** Where each setting stands, in the form of settings.ts. */
export const LOG_KEYS = {
  form: { section: "log", key: "log", variable: "GUESTBOOT_LOG" },
  socket: { section: "log", key: "socket", variable: "GUESTBOOT_LOG_SOCKET" },
} as const;

export type LogKey = keyof typeof LOG_KEYS;

/** Where nothing is set. */
const BY_DEFAULT: LogSettings = { form: "syslog", socket: "/dev/log" };

/**
 * What the environment alone says, where the settings cannot be read: a failure that nobody logs is not found. Never
 * throws.
 */
export function logSettingsOf(environment: Readonly<Record<string, string | undefined>>): LogSettings {
  try {
    return readLogSettings((key) => {
      const { variable } = LOG_KEYS[key];
      const value = environment[variable];
      return value === undefined || value === "" ? null : { value, where: variable };
    });
  } catch {
    return BY_DEFAULT;
  }
}

/** @throws SETTINGS_INVALID */
export function readLogSettings(find: (key: LogKey) => { value: string; where: string } | null): LogSettings {
  const form = find("form");
  const socket = find("socket");
  if (socket !== null && !/^\/[^\0]*$/.test(socket.value)) {
    throw new GuestbootError("SETTINGS_INVALID", `${socket.where}: must be a socket's absolute path`);
  }
  return { form: readLogForm(form), socket: socket?.value ?? BY_DEFAULT.socket };
}

function readLogForm(given: { value: string; where: string } | null): LogForm {
  if (given === null) return BY_DEFAULT.form;
  if (isLogForm(given.value)) return given.value;
  throw new GuestbootError("SETTINGS_INVALID", `${given.where}: must be syslog, json or none`);
}

export function isLogForm(word: string): word is LogForm {
  return word === "syslog" || word === "json" || word === "none";
}
