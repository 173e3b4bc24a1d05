/**
 * xenopsd.conf: lines of `key = value`, `#` before a comment, the last of a key counts. Edited by the line, so that
 * whatever else is in it stays.
 */

const MARK = "# guestboot host install; before:";

/** The value that counts; null: there is none. */
export function entryOf(conf: string, key: string): string | null {
  const values = conf.split("\n").flatMap((line) => {
    const [, found, value] = /^\s*([\w-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    return found === key && value !== undefined ? [value.replace(/^"(.*)"$/, "$1")] : [];
  });
  return values.at(-1) ?? null;
}

/** Sets a key; the lines that set it before become comments beside it. */
export function withEntry(conf: string, key: string, value: string): string {
  const sets = (line: string) => new RegExp(`^\\s*${key}\\s*=`).test(line);
  const kept = conf.split("\n").map((line) => (sets(line) ? `${MARK}${line}` : line));
  const text = kept.join("\n");
  // The mark tells an undoing whether the file ended in a line without its end.
  const end = text === "" || text.endsWith("\n") ? "" : "\n";
  return `${text}${end}${MARK}${end === "" ? "" : " (no newline)"}\n${key} = ${value}\n`;
}

/** Takes back what `withEntry` has done, whatever was edited around it since. */
export function withoutEntry(conf: string, key: string, value: string): string {
  const added = `${MARK}\n${key} = ${value}\n`;
  const addedAfterCut = `\n${MARK} (no newline)\n${key} = ${value}\n`;
  const text = conf.replace(addedAfterCut, "").replace(added, "");
  const before = new RegExp(`^${MARK}(?=\\s*${key}\\s*=)`, "gm");
  return text.replace(before, "");
}
