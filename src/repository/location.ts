/**
 * What the `install-repository` key of a VM record names: a transport, an address, and who asks. Pure; nothing is
 * looked up. User and password are kept apart from the address, which is shown in messages and logs.
 */
import { GuestbootError } from "../base/errors.ts";

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface UrlLocation {
  readonly transport: "http" | "https" | "ftp";
  readonly address: string;
  readonly credentials: Credentials | null;
}

export interface NfsLocation {
  readonly transport: "nfs";
  readonly address: string;
  /** A name, or an address; IPv6 in brackets. */
  readonly server: string;
  /** Absolute, as the server knows it. */
  readonly path: string;
  /** Mount options as given, each `name` or `name=value` of those that nfs(5) has for clients. */
  readonly options: readonly string[];
}

/** `address` is what may be shown: without user and password, and ending in `/` (but for `cdrom`). */
export type RepositoryLocation =
  | UrlLocation
  | NfsLocation
  /** A folder, a zip of one, or an installation medium's image. */
  | { readonly transport: "file"; readonly address: string; readonly path: string }
  | { readonly transport: "cdrom"; readonly address: "cdrom" }
  /** One repository on several servers, the preferred first; `address` is the first one's. */
  | { readonly transport: "mirrors"; readonly address: string; readonly mirrors: readonly UrlLocation[] };

const SPELLINGS =
  "write it as http://HOST/PATH, https://HOST/PATH, ftp://HOST/PATH, nfs:SERVER:/PATH or cdrom, without method= before it";
const MAX_LENGTH = 4096;
const MOST_MIRRORS = 16;

/**
 * Reads an `install-repository` value in any of its spellings. Mirrors of one repository stand side by side, with
 * blanks between them.
 * @throws INVALID_SOURCE when it is no address; UNSUPPORTED_INSTALL_METHOD for a transport that nobody knows
 */
export function parseLocation(text: string): RepositoryLocation {
  if (text === "") throw invalid("", "it is empty");
  if (text.length > MAX_LENGTH) throw invalid(text, `it is longer than ${MAX_LENGTH} characters`);
  if (!text.isWellFormed() || /[\x00-\x1f\x7f-\x9f]/.test(text)) throw invalid(text, "it holds a control character");
  if (text.includes("\\")) throw invalid(text, "it holds a backslash");
  const prefix = /^(?:method|inst\.repo|install|url)=/.exec(text);
  if (prefix !== null)
    throw invalid(text, `it begins with "${prefix[0]}", which is the installer's and not part of it`);

  if (/\s/.test(text)) return mirrorsLocation(text);
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

function mirrorsLocation(text: string): RepositoryLocation {
  const parts = text.split(" ");
  const schemes = parts.map((part) => /^(https?|ftp):/i.exec(part)?.[1]?.toLowerCase());
  if (schemes.includes(undefined)) {
    throw invalid(
      text,
      "it holds a space, which stands between mirrors on http, https or ftp only (a space in a path is written %20)",
    );
  }
  if (parts.length > MOST_MIRRORS) throw invalid(text, `it names more than ${MOST_MIRRORS} mirrors`);
  const mirrors = parts.map(parseLocation).filter((each): each is UrlLocation => "credentials" in each);
  return { transport: "mirrors", address: mirrors[0]?.address ?? "", mirrors };
}

function urlLocation(transport: UrlLocation["transport"], text: string): UrlLocation {
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

const NFS_SERVER = String.raw`\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9._-]*`;
/** nfs://SERVER/PATH as in RFC 2224, with an empty port as many write it. */
const NFS_URL = new RegExp(`^nfs://(${NFS_SERVER})(?::(\\d{1,5})?)?(/.*)$`, "i");
/** nfs:SERVER:/PATH and nfs:OPTIONS:SERVER:/PATH, which is mount's spelling and knows no escapes. */
const NFS_MOUNT = new RegExp(`^nfs:(?:([^:/@]*):)?(${NFS_SERVER}):(/.*)$`, "i");

function nfsLocation(text: string): NfsLocation {
  const url = NFS_URL.exec(text);
  const [server, path, options] =
    url !== null
      ? [url[1], unescaped(url[3] ?? "", text), url[2] === undefined ? "" : `port=${url[2]}`]
      : mountSpelling(NFS_MOUNT.exec(text));
  if (server === undefined || path === undefined) {
    throw invalid(text, "it is neither nfs:SERVER:/PATH nor nfs:OPTIONS:SERVER:/PATH");
  }
  checkPath(text, path);
  return {
    transport: "nfs",
    address: withSlash(`nfs://${server}${escaped(path)}`),
    server,
    path,
    options: options === undefined || options === "" ? [] : nfsOptions(text, options),
  };
}

function mountSpelling(found: RegExpExecArray | null): (string | undefined)[] {
  return [found?.[2], found?.[3], found?.[1]];
}

/**
 * nfs(5). The record is written by people who may be less than root on this host, so nothing else reaches mount(8).
 * Those that would change how we mount (`rw`, `hard`, `bg`) are taken and have no effect.
 */
const NFS_OPTION =
  /^(?:(?:vers|nfsvers|minorversion|port|mountport|mountvers|rsize|wsize|timeo|retrans|actimeo)=[0-9.]{1,10}|(?:proto|mountproto)=(?:tcp|udp)6?|sec=(?:sys|none|krb5[ip]?)|tcp|udp|nolock|lock|ro|soft|noac|nordirplus|resvport|noresvport)$/;
const NFS_OPTION_WITHOUT_EFFECT = /^(?:rw|hard|softerr|bg|fg|intr|nointr|retry=\d{1,6}|defaults|)$/;

function nfsOptions(text: string, options: string): string[] {
  const given = options.split(",").filter((option) => !NFS_OPTION_WITHOUT_EFFECT.test(option));
  const wrong = given.find((option) => !NFS_OPTION.test(option));
  if (wrong !== undefined) throw invalid(text, `"${wrong}" is no NFS mount option that an installation takes`);
  return given;
}

function fileUrlPath(text: string): string {
  const path = /^file:(?:\/\/(?:localhost)?)?(\/(?!\/)[^?#]*)$/i.exec(text)?.[1];
  if (path === undefined) throw invalid(text, "it is not file:///PATH");
  return unescaped(path, text);
}

function unescaped(path: string, text: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw invalid(text, "it holds a % that begins no escape (a % itself is written %25)");
  }
}

function fileLocation(text: string, path: string): RepositoryLocation {
  checkPath(text, path);
  return { transport: "file", address: withSlash(`file://${escaped(path)}`), path };
}

function checkPath(text: string, path: string): void {
  if (/[\x00-\x1f\x7f]/.test(path)) throw invalid(text, "its path holds a control character");
}

function escaped(path: string): string {
  return path
    .split("/")
    .map((segment) => encodeURIComponent(segment))
    .join("/");
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
