import { layoutCandidates, noCandidates, scopeOf, type Candidate, type Target } from "../../src/distro/candidates.ts";
import type { Family } from "../../src/distro/catalog.ts";

/** The catalog's candidates for `target`, as resolving begins with them where a tree has no index. */
export function candidatesFor(family: Family, target: Target): Candidate[] {
  const scope = scopeOf(family, target);
  const candidates = layoutCandidates(family, scope, target.flavour);
  if (candidates.length === 0) throw noCandidates(family, scope, target.flavour);
  return candidates;
}
