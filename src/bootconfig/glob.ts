/**
 * glob(7) on one name: `*`, `?`, `[a-z]`; no negation, no character classes (as loader.conf(5) has it).
 *
 * Matched by hand: the pattern is the guest's, and a regular expression made from it could be made slow.
 */

/** Takes at most (characters of the pattern) × (characters of the name) steps. */
export function matchesGlob(pattern: string, name: string): boolean {
  let [at, inName] = [0, 0];
  // Where the last `*` stood, and how far into the name it reaches so far.
  let [star, reached] = [-1, 0];
  while (inName < name.length) {
    const length = matchOne(pattern, at, name[inName] ?? "");
    if (pattern[at] === "*") {
      [star, reached] = [at, inName];
      at += 1;
    } else if (length > 0) {
      at += length;
      inName += 1;
    } else if (star >= 0) {
      reached += 1;
      [at, inName] = [star + 1, reached];
    } else {
      return false;
    }
  }
  while (pattern[at] === "*") at += 1;
  return at === pattern.length;
}

/** The length of the part of the pattern at `at` that matches one character; 0 when it does not. */
function matchOne(pattern: string, at: number, character: string): number {
  const next = pattern[at];
  if (next === undefined || next === "*") return 0;
  if (next === "?") return 1;
  if (next === "\\" && at + 1 < pattern.length) return pattern[at + 1] === character ? 2 : 0;
  const end = next === "[" ? pattern.indexOf("]", at + 2) : -1;
  if (end < 0) return next === character ? 1 : 0;
  for (let index = at + 1; index < end; index++) {
    const low = pattern[index] ?? "";
    const isRange = pattern[index + 1] === "-" && index + 2 < end;
    const high = isRange ? (pattern[index + 2] ?? "") : low;
    if (low <= character && character <= high) return end + 1 - at;
    if (isRange) index += 2;
  }
  return 0;
}
