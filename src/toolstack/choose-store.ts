/**
 * Where this host's VM records are: in xapi's database where xapi's socket is, else in files. The settings can say
 * otherwise.
 */
import { statSync } from "node:fs";
import { GuestbootError } from "../base/errors.ts";
import type { ToolstackSettings } from "../base/toolstack-settings.ts";
import { openFileStore } from "./file-store.ts";
import type { RecordStore } from "./vm-record.ts";
import type { XapiLogin } from "./xapi/session.ts";

/** A store that may hold a session, which ends with it. */
export interface OpenRecordStore extends RecordStore, AsyncDisposable {
  /**
   * For loaders, before they read: puts back what a killed start left half made, and from now on notes what is changed,
   * until the store is closed.
   */
  recover(id: string): Promise<void>;
  /** Starts the VM through its toolstack. Not there: the toolstack keeps no records of its own. */
  start?(id: string): Promise<void>;
}

export interface StoreChoice {
  readonly stateFolder: string;
  readonly toolstack: ToolstackSettings;
}

/** The socket's place and its older name (CONTRACTS of xapi: the second is a link to the first). */
const SOCKETS = ["/var/lib/xcp/xapi", "/var/xapi/xapi"];

/** @throws SETTINGS_INVALID when xapi is asked for and cannot be where it is said to be */
export async function openRecordStore({ stateFolder, toolstack }: StoreChoice): Promise<OpenRecordStore> {
  const login = xapiLogin(toolstack);
  if (login === null) return openFileStore(stateFolder);
  // Loaded only where there is xapi.
  const { openXapiStore } = await import("./xapi/xapi-store.ts");
  return openXapiStore(login);
}

/** How to log in to xapi; null where records are files. @param sockets where to look for xapi's own */
export function xapiLogin(toolstack: ToolstackSettings, sockets = SOCKETS): XapiLogin | null {
  const { store, remote, socket, timeoutSeconds } = toolstack;
  if (store === "file") return null;
  if (remote !== null) {
    const { host, port, user, password, ca, fingerprints } = remote;
    return { address: { kind: "tls", host, port, trust: { ca, fingerprints } }, user, password, timeoutSeconds };
  }
  const path = socket ?? sockets.find(isSocket);
  if (path !== undefined) return { address: { kind: "socket", path }, user: "", password: "", timeoutSeconds };
  if (store === null) return null;
  throw new GuestbootError("SETTINGS_INVALID", `[toolstack] store = xapi, but none of ${sockets.join(", ")} is there`, {
    hint: "is this host's toolstack up? systemctl status xapi; or set url, user and password in [xapi]",
  });
}

/** What a process must be able to reach that reads or changes records after it was confined. */
export function reachOfToolstack(toolstack: ToolstackSettings): {
  /** A socket of the file system. */
  readonly sockets: boolean;
  /** TCP. */
  readonly ports: readonly number[];
} {
  const address = xapiLogin(toolstack)?.address;
  return { sockets: address?.kind === "socket", ports: address?.kind === "tls" ? [address.port] : [] };
}

function isSocket(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}
