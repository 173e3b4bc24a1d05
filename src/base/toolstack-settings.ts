/**
 * What an admin sets about the toolstack: where VM records are, and how xapi is reached from a host that is not its
 * own. Read from `[toolstack]` and `[xapi]` of /etc/guestboot.conf, and from environment variables.
 */
import { readFileSync } from "node:fs";
import { GuestbootError, systemReason } from "./errors.ts";

export interface ToolstackSettings {
  /** null: xapi where its socket is, else files. */
  readonly store: "xapi" | "file" | null;
  /** null: where xapi's socket usually is. */
  readonly socket: string | null;
  /** null: by the socket. */
  readonly remote: XapiRemote | null;
  /** Seconds that one call of xapi may take. */
  readonly timeoutSeconds: number;
}

export interface XapiRemote {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** PEM text of the authorities whose certificates are believed; null: those that the runtime brings. */
  readonly ca: string | null;
  /** SHA-256 of the certificates that are believed whoever signed them: 64 lower-case hexadecimal digits each. */
  readonly fingerprints: readonly string[];
}

/** Where each setting stands, in the form of settings.ts. */
export const TOOLSTACK_KEYS = {
  store: { section: "toolstack", key: "store", variable: "GUESTBOOT_STORE" },
  socket: { section: "xapi", key: "socket", variable: "GUESTBOOT_XAPI_SOCKET" },
  url: { section: "xapi", key: "url", variable: "GUESTBOOT_XAPI_URL" },
  user: { section: "xapi", key: "user", variable: "GUESTBOOT_XAPI_USER" },
  password: { section: "xapi", key: "password", variable: "GUESTBOOT_XAPI_PASSWORD" },
  ca: { section: "xapi", key: "ca", variable: "GUESTBOOT_XAPI_CA" },
  fingerprint: { section: "xapi", key: "fingerprint", variable: "GUESTBOOT_XAPI_FINGERPRINT" },
  timeout: { section: "xapi", key: "timeout", variable: "GUESTBOOT_XAPI_TIMEOUT" },
} as const;

export type ToolstackKey = keyof typeof TOOLSTACK_KEYS;

/** A setting as given, and where, for the error. */
interface Given {
  readonly value: string;
  readonly where: string;
}

const DEFAULT_TIMEOUT_SECONDS = 30;

/**
 * @param find a setting as the file or the environment gives it; null when neither does
 * @throws SETTINGS_INVALID; no message holds the password
 */
export function readToolstackSettings(find: (key: ToolstackKey) => Given | null): ToolstackSettings {
  return {
    store: readStore(find("store")),
    socket: readPath(find("socket")),
    remote: readRemote(find),
    timeoutSeconds: readTimeout(find("timeout")),
  };
}

function readStore(given: Given | null): "xapi" | "file" | null {
  if (given === null) return null;
  const { value } = given;
  if (value === "xapi" || value === "file") return value;
  throw invalid(given, "xapi or file");
}

function readPath(given: Given | null): string | null {
  if (given === null || /^\/[^\0]*$/.test(given.value)) return given?.value ?? null;
  throw invalid(given, 'an absolute path, one that starts with "/"');
}

function readRemote(find: (key: ToolstackKey) => Given | null): XapiRemote | null {
  const given = find("url");
  if (given === null) return null;
  const url = URL.canParse(given.value) ? new URL(given.value) : null;
  const isAddress = url?.protocol === "https:" && url.username === "" && url.password === "" && url.pathname === "/";
  if (!isAddress) throw new GuestbootError("SETTINGS_INVALID", "[xapi] url: must be https://HOST or https://HOST:PORT");
  const user = find("user")?.value ?? "";
  if (user === "") {
    throw new GuestbootError(
      "SETTINGS_INVALID",
      "[xapi] url is set, but user is not: a login over the network needs one",
    );
  }
  const ca = readPath(find("ca"));
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? 443 : Number(url.port),
    user,
    password: find("password")?.value ?? "",
    ca: ca === null ? null : readCertificates(ca),
    fingerprints: readFingerprints(find("fingerprint")),
  };
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new GuestbootError("SETTINGS_INVALID", `[xapi] ca = ${file} cannot be read: ${systemReason(error)}`, {
      cause: error,
    });
  }
}

/** As `openssl x509 -fingerprint -sha256` prints them, or without the colons; several are parted by commas. */
function readFingerprints(given: Given | null): readonly string[] {
  if (given === null) return [];
  const fingerprints = given.value.split(",").map((each) => each.trim().replaceAll(":", "").toLowerCase());
  if (fingerprints.every((each) => /^[0-9a-f]{64}$/.test(each))) return fingerprints;
  throw invalid(
    given,
    "the SHA-256 fingerprint of a certificate, 64 hexadecimal digits, or several with commas between",
  );
}

function readTimeout(given: Given | null): number {
  if (given === null) return DEFAULT_TIMEOUT_SECONDS;
  const seconds = /^[0-9]{1,4}$/.test(given.value) ? Number(given.value) : 0;
  if (seconds >= 1) return seconds;
  throw invalid(given, "a whole number of seconds from 1 to 9999");
}

function invalid(given: Given, allowed: string): GuestbootError {
  return new GuestbootError("SETTINGS_INVALID", `${given.where}: must be ${allowed}`);
}
