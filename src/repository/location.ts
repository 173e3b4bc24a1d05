/**
 * What the `install-repository` key of a VM record names: a transport, an address, and who asks. Pure; nothing is
 * looked up. User and password are kept apart from the address, which is shown in messages and logs.
 */
import { GuestbootError } from "../base/errors.ts";

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** `address` is what may be shown: without user and password, and ending in `/` (but for `cdrom`). */
export type RepositoryLocation =
  | {
      readonly transport: "http" | "https" | "ftp";
      readonly address: string;
      readonly credentials: Credentials | null;
    }
  | { readonly transport: "nfs"; readonly address: string; readonly server: string; readonly path: string }
  | { readonly transport: "file"; readonly address: string; readonly path: string }
  | { readonly transport: "cdrom"; readonly address: "cdrom" };

const SPELLINGS =
  "write it as http://HOST/PATH, https://HOST/PATH, ftp://HOST/PATH, nfs:SERVER:/PATH or cdrom, without method= before it";
const MAX_LENGTH = 4096;

/**
 * Reads an `install-repository` value in any of its spellings.
 * @throws INVALID_SOURCE when it is no address; UNSUPPORTED_INSTALL_METHOD for a transport that nobody knows
 */
export function parseLocation(text: string): RepositoryLocation {
  if (text === "") throw invalid("", "it is empty");
  if (text.length > MAX_LENGTH) throw invalid(text, `it is longer than ${MAX_LENGTH} characters`);
  if (!text.isWellFormed() || /[\x00-\x1f\x7f-\x9f]/.test(text)) throw invalid(text, "it holds a control character");
  if (/\s/.test(text)) throw invalid(text, "it holds a space (a space in a path is written %20)");
  if (text.includes("\\")) throw invalid(text, "it holds a backslash");
  const prefix = /^(?:method|inst\.repo|install|url)=/.exec(text);
  if (prefix !== null)
    throw invalid(text, `it begins with "${prefix[0]}", which is the installer's and not part of it`);

  if (text === "cdrom") return { transport: "cdrom", address: "cdrom" };
  if (text.startsWith("/")) return fileLocation(text, text);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1]?.toLowerCase();
  switch (scheme) {
    case "http":
    case "https":
    case "ftp":
      return urlLocation(scheme, text);
    case "nfs":
      return nfsLocation(text);
    case "file":
      return fileLocation(text, fileUrlPath(text));
    case undefined:
      throw invalid(text, "it names no transport");
    default:
      throw new GuestbootError(
        "UNSUPPORTED_INSTALL_METHOD",
        `the repository address ${shown(text)} names the transport "${scheme}", which is not known`,
        { hint: SPELLINGS },
      );
  }
}

/**
 * The part of an address that a path below a repository becomes: every character that would mean something else in a
 * URL is escaped. Paths come out of repositories' own index files, so one that climbs out is refused.
 * @throws INVALID_SOURCE for a path with a `..`
 */
export function escapePath(path: string): string {
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.includes("..") || !path.isWellFormed()) {
    throw new GuestbootError("INVALID_SOURCE", `the path ${JSON.stringify(path)} does not stay below the repository`);
  }
  const escaped = segments.map((segment) =>
    // encodeURIComponent escapes more than a path asks for (RFC 3986, section 3.3: pchar); mirrors show these as they are.
    encodeURIComponent(segment).replace(/%(?:2B|40|3A|2C|3D|24|26|3B)/g, decodeURIComponent),
  );
  return escaped.join("/") + (path.endsWith("/") && escaped.length > 0 ? "/" : "");
}

function urlLocation(transport: "http" | "https" | "ftp", text: string): RepositoryLocation {
  // The URL parser of the platform is made for browsers and takes http:host and http:///host; nobody means that here.
  const authority = /^[^:]+:\/\/([^/?#]*)/.exec(text)?.[1];
  if (authority === undefined) throw invalid(text, `there is no // after "${transport}:"`);
  const host = authority.slice(authority.lastIndexOf("@") + 1);
  if (host === "" || host.startsWith(":")) throw invalid(text, "it names no host");
  const url = URL.parse(text);
  if (url === null) throw invalid(text, "its host or port is not valid");
  if (/[?#]/.test(text)) throw invalid(text, 'it holds a "?" or "#", and no file can be below that (write %3F or %23)');
  const credentials = credentialsOf(url, text);
  url.username = "";
  url.password = "";
  return { transport, address: withSlash(url.href), credentials };
}

function credentialsOf(url: URL, text: string): Credentials | null {
  if (url.username === "" && url.password === "") return null;
  try {
    const user = decodeURIComponent(url.username);
    // RFC 7617, section 2: the first colon ends the user's name, and control characters are not allowed.
    if (user.includes(":")) throw invalid(text, "its user name holds a colon");
    const password = decodeURIComponent(url.password);
    if (/[\x00-\x1f\x7f]/.test(user + password)) throw invalid(text, "its user or password holds a control character");
    return { user, password };
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    throw invalid(text, "its user or password holds a % that begins no escape (a % itself is written %25)");
  }
}

function nfsLocation(text: string): RepositoryLocation {
  const found = /^nfs:(?:\/\/(\[[0-9a-f:.]+\]|[^:/@]+):?|(\[[0-9a-f:.]+\]|[^:/@]+):)(\/.*)$/i.exec(text);
  const server = found?.[1] ?? found?.[2];
  const path = found?.[3];
  if (server === undefined || path === undefined) throw invalid(text, "it is not nfs:SERVER:/PATH");
  return { transport: "nfs", address: withSlash(`nfs://${server}${path}`), server, path };
}

function fileUrlPath(text: string): string {
  const path = /^file:(?:\/\/(?:localhost)?)?(\/(?!\/)[^?#]*)$/i.exec(text)?.[1];
  if (path === undefined) throw invalid(text, "it is not file:///PATH");
  try {
    return decodeURIComponent(path);
  } catch {
    throw invalid(text, "it holds a % that begins no escape (a % itself is written %25)");
  }
}

function fileLocation(text: string, path: string): RepositoryLocation {
  if (/[\x00-\x1f\x7f]/.test(path)) throw invalid(text, "its path holds a control character");
  const escaped = path
    .split("/")
    .map((segment) => encodeURIComponent(segment))
    .join("/");
  return { transport: "file", address: withSlash(`file://${escaped}`), path };
}

function withSlash(address: string): string {
  return address.endsWith("/") ? address : `${address}/`;
}

function invalid(text: string, why: string): GuestbootError {
  return new GuestbootError("INVALID_SOURCE", `the repository address ${shown(text)} cannot be used: ${why}`, {
    hint: SPELLINGS,
  });
}

/** An address that may be wrong, for a message: no password, no control characters, no flood. */
function shown(text: string): string {
  // A wrong address may hide its password anywhere before the last @, so all of that goes.
  const withoutUser = text.includes("@") ? text.replace(/^([^:]*:(?:\/\/)?)?.*@/s, "$1…@") : text;
  const short = withoutUser.length > 200 ? `${withoutUser.slice(0, 200)}…` : withoutUser;
  return JSON.stringify(short.toWellFormed()).replace(
    /[\x7f-\x9f]/g,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
