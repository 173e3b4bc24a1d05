/**
 * Which proxy a request goes through. Pure: the environment is handed in as plain data.
 *
 * `install-proxy` of a VM's record is for all of its installation; what `/etc/guestboot.conf` says of a host comes next
 * (`none` for no proxy); the environment's variables are read as curl and
 * wget do (there is no standard): `http_proxy` for http, `https_proxy` for https, `no_proxy` for hosts to be reached
 * directly. `HTTP_PROXY` in capitals is not read: a web server sets it from a stranger's `Proxy:` header (httpoxy).
 */
import { GuestbootError } from "../base/errors.ts";
import { settingsFor, type RepositorySettings } from "../base/repository-settings.ts";
import type { Credentials } from "./location.ts";

export interface Proxy {
  /** To be shown: `http://HOST:PORT/`, without user and password. */
  readonly address: string;
  readonly credentials: Credentials | null;
}

/** null: directly. */
export type ProxyChoice = (url: URL) => Proxy | null;

export type Environment = Readonly<Record<string, string | undefined>>;

const FOR_HTTP = ["http_proxy", "all_proxy", "ALL_PROXY"];
const FOR_HTTPS = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/** All proxies that the environment names, as they are written there. */
export function proxiesIn(environment: Environment): string[] {
  return [...new Set([...FOR_HTTP, ...FOR_HTTPS])].flatMap((name) => environment[name]?.trim() ?? []);
}

const SPELLING = "write it as http://HOST:PORT or http://USER:PASSWORD@HOST:PORT";

/**
 * @param given the VM's own proxy; it beats the settings, and the environment with its `no_proxy`
 * @param settings the host's, for single repositories
 * @throws SETTINGS_INVALID for a proxy that is no address; UNSUPPORTED_INSTALL_METHOD for one that is not HTTP's
 */
export function chooseProxy(
  given: string | undefined,
  environment: Environment,
  settings: readonly RepositorySettings[] = [],
): ProxyChoice {
  if (given !== undefined && given !== "") {
    const proxy = parseProxy(given, "install-proxy");
    return () => proxy;
  }
  // Read now, so that a wrong one is noticed before anything is asked of a server.
  const settled = new Map(settings.flatMap((each) => (each.proxy === null ? [] : [[each, proxyOf(each)] as const])));
  const forHttp = fromVariable(environment, FOR_HTTP);
  const forHttps = fromVariable(environment, FOR_HTTPS);
  const direct = (environment["no_proxy"] ?? environment["NO_PROXY"] ?? "").split(/[\s,]+/).filter(Boolean);
  return (url) => {
    const named = settingsFor(settings, url.href).find((each) => settled.has(each));
    if (named !== undefined) return settled.get(named) ?? null;
    const proxy = url.protocol === "https:" ? forHttps : forHttp;
    return proxy === null || direct.some((pattern) => isNamed(url, pattern)) ? null : proxy;
  };
}

function proxyOf({ name, proxy }: RepositorySettings): Proxy | null {
  return proxy === null || proxy === "none" ? null : parseProxy(proxy, `proxy of [repository "${name}"]`);
}

function fromVariable(environment: Environment, names: readonly string[]): Proxy | null {
  for (const name of names) {
    const value = environment[name]?.trim();
    if (value !== undefined && value !== "") return parseProxy(value, name);
  }
  return null;
}

/** @param from where it was set, for the error */
function parseProxy(text: string, from: string): Proxy {
  // The variables often hold just HOST:PORT.
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || url.hostname === "" || /[\s\x00-\x1f\x7f]/.test(text)) {
    throw new GuestbootError("SETTINGS_INVALID", `${from} is not the address of a proxy`, { hint: SPELLING });
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new GuestbootError("UNSUPPORTED_INSTALL_METHOD", `${from} names a proxy of the kind "${url.protocol}"`, {
      hint: `only HTTP proxies are supported: ${SPELLING}`,
    });
  }
  try {
    const user = decodeURIComponent(url.username);
    const password = decodeURIComponent(url.password);
    return { address: `${url.origin}/`, credentials: user === "" && password === "" ? null : { user, password } };
  } catch (error) {
    throw new GuestbootError("SETTINGS_INVALID", `the user or password of ${from} holds a % that begins no escape`, {
      hint: "a % itself is written %25",
      cause: error,
    });
  }
}

/** `*`, a host with all that is below it (a leading dot or `*.` changes nothing), each with a port or without. */
function isNamed(url: URL, pattern: string): boolean {
  if (pattern === "*") return true;
  const [, name = "", port] = /^(?:\*?\.)?(\[[^\]]*\]|[^:]*)(?::(\d+))?$/.exec(pattern.toLowerCase()) ?? [];
  if (name === "") return false;
  if (port !== undefined && port !== portOf(url)) return false;
  return url.hostname === name || url.hostname.endsWith(`.${name}`);
}

function portOf(url: URL): string {
  if (url.port !== "") return url.port;
  return url.protocol === "https:" ? "443" : "80";
}
