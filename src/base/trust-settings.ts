/**
 * What `/etc/guestboot.conf` says of trust: the section `[trust]` for every repository, and sections such as
 * `[trust "archive.example"]` for a host, a domain or an address (named as in `[repository "…"]`). Pure: the file has
 * been read and cut into sections already.
 */
import { GuestbootError } from "./errors.ts";
import { leaves, settingsFor } from "./repository-settings.ts";

/**
 * How much proof a repository's files need, the strictest first. `prefer`: the best that there is, and never a
 * mismatch. `none`: nothing is looked at but digests that an admin has pinned.
 */
export const TRUST_POLICIES = ["require-signed", "require-listed", "prefer", "none"] as const;
export type TrustPolicy = (typeof TRUST_POLICIES)[number];

export interface TrustSettings {
  /** A host, domain or address; null for the section that is for all. */
  readonly name: string | null;
  readonly policy: TrustPolicy | null;
  /** Files and folders of keyrings, in place of the usual ones; null when not set. */
  readonly keyrings: readonly string[] | null;
  /** Signatures of keys that have expired since count: for archives that nobody signs anew. */
  readonly acceptExpiredKeys: boolean | null;
}

/** What counts for one repository. */
export interface ChosenTrust {
  /** null where no section says it: `prefer`, unless the VM's record asks for another. */
  readonly policy: TrustPolicy | null;
  readonly keyrings: readonly string[];
  readonly acceptExpiredKeys: boolean;
}

/** Where the system and the admin keep keyrings. */
export const KEYRING_FOLDERS: readonly string[] = ["/usr/share/keyrings", "/etc/guestboot/keyrings"];

/** What a section can hold. */
export const TRUST_KEYS = ["policy", "keyrings", "accept-expired-keys"] as const;

const MOST_SECTIONS = 200;

/** Is this one of our sections? The name with its quotes is not cut at its dots yet. */
export function isTrustSection(section: string): boolean {
  return /^trust(?:\s|"|$)/.test(section);
}

export function isTrustPolicy(word: string): word is TrustPolicy {
  return TRUST_POLICIES.some((each) => each === word);
}

/** The policy that asks for more. */
export function stricter(one: TrustPolicy, other: TrustPolicy): TrustPolicy {
  return TRUST_POLICIES.indexOf(one) <= TRUST_POLICIES.indexOf(other) ? one : other;
}

/**
 * What the sections say of a repository, the special before the general. A repository of several mirrors is held to
 * the strictest of them, since any of them may answer.
 *
 * @param addresses of its mirrors, or its one
 */
export function trustFor(settings: readonly TrustSettings[], addresses: readonly string[]): ChosenTrust {
  const chosen = addresses.map((address) => chosenFor(settings, address));
  const policies = chosen.map(({ policy }) => policy).filter((policy) => policy !== null);
  return {
    policy: policies.length === 0 ? null : policies.reduce(stricter),
    keyrings: chosen.find(({ keyrings }) => keyrings !== null)?.keyrings ?? KEYRING_FOLDERS,
    acceptExpiredKeys: chosen.length > 0 && chosen.every(({ acceptExpiredKeys }) => acceptExpiredKeys),
  };
}

function chosenFor(settings: readonly TrustSettings[], address: string) {
  const named = settings.flatMap((each) => (each.name === null ? [] : [{ ...each, name: each.name }]));
  const sections = [...settingsFor(named, address), ...settings.filter(({ name }) => name === null)];
  return {
    policy: sections.find(({ policy }) => policy !== null)?.policy ?? null,
    keyrings: sections.find(({ keyrings }) => keyrings !== null)?.keyrings ?? null,
    acceptExpiredKeys: sections.find((each) => each.acceptExpiredKeys !== null)?.acceptExpiredKeys ?? false,
  };
}

/**
 * The sections, in the order of the file; a sentence for each key that means nothing.
 *
 * @param sections as the `ini` package gives them
 * @throws GuestbootError SETTINGS_INVALID naming file, section and key
 */
export function readTrustSections(
  sections: Readonly<Record<string, unknown>>,
  configFile: string,
): { readonly trust: readonly TrustSettings[]; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  const trust = Object.entries(sections)
    .filter(([section]) => isTrustSection(section))
    .flatMap(([section, content]) => [...leaves(section, content)])
    .map(({ section, keys }) => readSection(section, keys, configFile, warnings));
  if (trust.length > MOST_SECTIONS) {
    throw new GuestbootError("SETTINGS_INVALID", `${configFile} has more than ${MOST_SECTIONS} [trust] sections`);
  }
  return { trust, warnings };
}

function readSection(
  section: string,
  keys: readonly (readonly [name: string, value: string])[],
  configFile: string,
  warnings: string[],
): TrustSettings {
  const where = `${configFile}: [${section}]`;
  const name = /^trust\s*"([^"\s]+)"$/.exec(section)?.[1] ?? null;
  if (name === null && section !== "trust") {
    throw new GuestbootError("SETTINGS_INVALID", `${where}: the section names no repository`, {
      hint: 'write it as [trust] for all, [trust "HOST"] or [trust "https://HOST/PATH/"]',
    });
  }
  let policy: TrustPolicy | null = null;
  let keyrings: readonly string[] | null = null;
  let acceptExpiredKeys: boolean | null = null;
  for (const [key, value] of keys) {
    const known = TRUST_KEYS.find((each) => each === key);
    if (known === "policy") policy = readPolicy(value, where);
    else if (known === "keyrings") keyrings = readPaths(value, where);
    else if (known === "accept-expired-keys") acceptExpiredKeys = readYes(value, where);
    else warnings.push(`${where} has no key "${key}"; it is ignored`);
  }
  return { name, policy, keyrings, acceptExpiredKeys };
}

function readPolicy(value: string, where: string): TrustPolicy {
  if (isTrustPolicy(value)) return value;
  throw new GuestbootError("SETTINGS_INVALID", `${where} policy = ${value}: must be ${TRUST_POLICIES.join(", ")}`);
}

function readPaths(value: string, where: string): readonly string[] {
  const paths = value.split(/[\s,]+/).filter((path) => path !== "");
  if (paths.length > 0 && paths.every((path) => path.startsWith("/") && !path.includes("\0"))) return paths;
  throw new GuestbootError(
    "SETTINGS_INVALID",
    `${where} keyrings = ${value}: must be absolute paths of files or folders, with blanks between them`,
  );
}

function readYes(value: string, where: string): boolean {
  if (value === "yes" || value === "true") return true;
  if (value === "no" || value === "false") return false;
  throw new GuestbootError("SETTINGS_INVALID", `${where} accept-expired-keys = ${value}: must be yes or no`);
}
