/**
 * Patterns for file names: `*` for any characters, `?` for one, a backslash before what means itself.
 */

const ANY = "*";
const ONE = "?";

/** Time is bounded by the product of both lengths: a guest writes the pattern. */
export function matchesPattern(pattern: string, name: string): boolean {
  const wanted = [...pattern.matchAll(/\\(.)|[^]/g)].map(([written, escaped]) => ({
    character: escaped ?? written,
    wild: escaped === undefined && (written === ANY || written === ONE),
  }));
  /** Where to go on when what follows the last `*` does not fit: one character later. */
  let resume: { readonly at: number; readonly from: number } | null = null;
  let at = 0;
  let position = 0;
  while (position < name.length) {
    const token = wanted[at];
    if (token?.wild === true && token.character === ANY) {
      resume = { at: at + 1, from: position };
      at += 1;
    } else if (token !== undefined && (token.wild || token.character === name[position])) {
      at += 1;
      position += 1;
    } else if (resume === null) {
      return false;
    } else {
      resume = { at: resume.at, from: resume.from + 1 };
      at = resume.at;
      position = resume.from;
    }
  }
  return wanted.slice(at).every((token) => token.wild && token.character === ANY);
}
