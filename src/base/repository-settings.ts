/**
 * What `/etc/guestboot.conf` says of single repositories and hosts: sections like `[repository "mirror.example"]` with
 * a proxy, a file of certificates, and ports that its servers send on to. Pure: the file has been read and cut into
 * sections already.
 *
 * A section is for a host (`mirror.example`), for all below a domain (`*.example`), for one port of it
 * (`mirror.example:8443`), or for the addresses that begin with its name (`https://mirror.example/debian/`).
 */
import { GuestbootError } from "./errors.ts";

export interface RepositorySettings {
  readonly name: string;
  /** A file of certificates (PEM) of authorities that are trusted there beside the system's; null when not set. */
  readonly caFile: string | null;
  /** URL of an HTTP proxy, which may hold a password: never to be shown. `none`: directly. null when not set. */
  readonly proxy: string | null;
  /**
   * TCP ports, beside the usual ones, that a start may connect to where servers send it on from there. Not given where
   * the section does not say.
   */
  readonly redirectPorts?: readonly number[];
}

/** What a section can hold. */
export const REPOSITORY_KEYS = ["ca-file", "proxy", "redirect-ports"] as const;

const MOST_SECTIONS = 200;
const MOST_PORTS = 20;
/** Dots in a section's name. */
const DEEPEST = 40;

/** Is this one of our sections? The name with its quotes is not cut at its dots yet. */
export function isRepositorySection(section: string): boolean {
  return /^repository(?:\s|"|$)/.test(section);
}

/**
 * The sections, in the order of the file; a sentence for each key that means nothing.
 *
 * @param sections as the `ini` package gives them: it takes each dot of a section's name for a step into it
 * @throws GuestbootError SETTINGS_INVALID naming file, section and key; never a proxy's address
 */
export function readRepositorySections(
  sections: Readonly<Record<string, unknown>>,
  configFile: string,
): { readonly repositories: readonly RepositorySettings[]; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  const repositories = Object.entries(sections)
    .filter(([section]) => isRepositorySection(section))
    .flatMap(([section, content]) => [...leaves(section, content)])
    .map(({ section, keys }) => readSection(section, keys, configFile, warnings));
  if (repositories.length > MOST_SECTIONS) {
    throw new GuestbootError("SETTINGS_INVALID", `${configFile} has more than ${MOST_SECTIONS} [repository] sections`);
  }
  return { repositories, warnings };
}

/** Those that are for `address`, the special before the general: the longest name first. */
export function settingsFor<T extends { readonly name: string }>(settings: readonly T[], address: string): T[] {
  const url = URL.parse(address);
  if (url === null) return [];
  return settings
    .filter(({ name }) => isFor(name, url, address))
    .sort((one, other) => other.name.length - one.name.length);
}

function isFor(name: string, url: URL, address: string): boolean {
  if (name.includes("://")) {
    const base = name.endsWith("/") ? name : `${name}/`;
    return address.startsWith(base) || `${address}/` === base;
  }
  const [, host = "", port] = /^(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(name.toLowerCase()) ?? [];
  if (port !== undefined && port !== (url.port === "" ? (DEFAULT_PORTS[url.protocol] ?? "") : url.port)) return false;
  if (host.startsWith("*.")) return url.hostname.endsWith(host.slice(1));
  return url.hostname === host;
}

const DEFAULT_PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443", "ftp:": "21" };

interface Leaf {
  readonly section: string;
  readonly keys: readonly (readonly [name: string, value: string])[];
}

/** Puts a section together again that was cut at the dots of its name; the pieces between hold nothing of their own. */
export function* leaves(section: string, content: unknown, depth = 0): Generator<Leaf> {
  if (typeof content !== "object" || content === null || depth > DEEPEST) return;
  const entries: readonly (readonly [string, unknown])[] = Object.entries(content);
  const isPiece = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);
  for (const [key, value] of entries) if (isPiece(value)) yield* leaves(`${section}.${key}`, value, depth + 1);
  const keys = entries.filter(([, value]) => !isPiece(value)).map(([key, value]) => [key, String(value)] as const);
  if (keys.length > 0 || entries.length === 0) yield { section, keys };
}

function readSection(section: string, keys: Leaf["keys"], configFile: string, warnings: string[]): RepositorySettings {
  const where = `${configFile}: [${section}]`;
  const name = /^repository\s*"([^"\s]+)"$/.exec(section)?.[1] ?? null;
  if (name === null) {
    throw new GuestbootError("SETTINGS_INVALID", `${where}: the section names no repository`, {
      hint: 'write it as [repository "HOST"] or [repository "https://HOST/PATH/"]',
    });
  }
  let caFile: string | null = null;
  let proxy: string | null = null;
  let redirectPorts: readonly number[] | null = null;
  for (const [key, value] of keys) {
    const known = REPOSITORY_KEYS.find((each) => each === key);
    if (known === "ca-file") caFile = absolutePath(value, where);
    else if (known === "proxy") proxy = value === "" ? null : value;
    else if (known === "redirect-ports") redirectPorts = portNumbers(value, where);
    else warnings.push(`${where} has no key "${key}"; it is ignored`);
  }
  return { name, caFile, proxy, ...(redirectPorts === null ? {} : { redirectPorts }) };
}

function portNumbers(value: string, where: string): number[] {
  const words = value.split(/[\s,]+/).filter((word) => word !== "");
  const ports = words.map((word) => (/^\d{1,5}$/.test(word) ? Number(word) : 0));
  if (ports.length <= MOST_PORTS && ports.every((port) => port >= 1 && port <= 65_535)) return ports;
  throw new GuestbootError(
    "SETTINGS_INVALID",
    `${where} redirect-ports: must be at most ${MOST_PORTS} numbers of ports, from 1 to 65535`,
  );
}

function absolutePath(value: string, where: string): string {
  if (/^\/[^\0]*$/.test(value)) return value;
  throw new GuestbootError(
    "SETTINGS_INVALID",
    `${where} ca-file: must be a file's absolute path, one that starts with "/"`,
  );
}
