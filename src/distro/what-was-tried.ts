/**
 * What an admin is told of a tree that has no installer: every path that was asked for, what came in its place, and
 * what is strange about the tree's index.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Candidate } from "./candidates.ts";
import type { TreeFacts } from "./tree-index.ts";

export interface Tried {
  /** Paths that were not there. */
  readonly missing: string[];
  /** Index files that end in the middle of a line. */
  readonly cutOff: readonly string[];
  /** What the tree's index says; null where none was read. */
  readonly facts: TreeFacts | null;
}

interface Asked {
  /** The repository. */
  readonly address: string;
  /** Why a path counts as not there, where there is more to say. */
  readonly remark?: (path: string) => string | null;
}

const MOST_INSTALLERS = 20;

/** None of the candidates is there. */
export function nothingThere(candidates: readonly Candidate[], asked: Asked, tried: Tried): GuestbootError {
  const [first] = candidates;
  const what = first === undefined ? "anything" : `${first.family} ${first.release} for ${first.arch}`;
  const layouts = [...new Set(candidates.map((each) => each.layout))].join(", ");
  const words = `layouts tried: ${layouts}; ${triedWords(asked, tried)}`;
  if (first?.source === "guest-installer") {
    return new GuestbootError(
      "SUPPORT_PACKAGE_MISSING",
      `the installer of ${what} is not in this host's folder of guest installers (${words})`,
      { hint: "install the Linux guest support package of this host's version", args: [first.family] },
    );
  }
  return new GuestbootError("INVALID_SOURCE", `${asked.address} has no installer of ${what} (${words})`, {
    hint: "check the repository's address, the release and the architecture (of a VM: other-config:install-repository, debian-release, install-arch)",
    args: [asked.address],
  });
}

/** Each path once, with what the server sent in its place. */
export function triedWords({ remark }: Asked, { missing, cutOff, facts }: Tried): string {
  const paths = [...new Set(missing)].map((path) => {
    const words = remark?.(path) ?? null;
    return words === null ? path : `${path} (${words})`;
  });
  const words = [`not there: ${paths.join(", ")}`];
  // A layout that its suite does not list was not even tried.
  if (facts !== null && facts.installers !== null)
    words.push(`${facts.index} lists the installers ${facts.installers.slice(0, MOST_INSTALLERS).join(", ")}`);
  words.push(...cutOff.map((index) => `${index} ends in the middle of a line, as one that is cut off`));
  return words.join("; ");
}
