/**
 * xenopsd's settings: xenopsd.conf, then every file of xenopsd.conf.d in the order of their names, whatever they are
 * called. Lines of `key = value`, `#` before a comment, quotes around a value taken off; the last of a key counts.
 * xenopsd.conf is edited by the line, so that whatever else is in it stays; the fragments are the admin's and are read
 * only.
 */

const MARK = "# guestboot host install; before:";

/** A file of settings: where it lies on the host, and what it holds. */
export interface ConfFile {
  readonly path: string;
  readonly text: string;
}

/** A setting that counts, and the file that it stands in. */
export interface ConfSetting {
  readonly path: string;
  readonly value: string;
}

/** All values of a key, in their order. */
export function entriesOf(conf: string, key: string): string[] {
  return conf.split("\n").flatMap((line) => {
    const [, found, value] = /^\s*([\w-]+)\s*=\s*(.*?)\s*$/.exec(line.replace(/#.*/, "")) ?? [];
    return found === key && value !== undefined ? [value.replace(/^(["'])(.*)\1$/, "$2")] : [];
  });
}

/** The value that counts in one file; null: there is none. */
export function entryOf(conf: string, key: string): string | null {
  return entriesOf(conf, key).at(-1) ?? null;
}

/** The value that counts in all of them, read in their order; null: there is none. */
export function settingOf(files: readonly ConfFile[], key: string): ConfSetting | null {
  const settings = files.flatMap(({ path, text }) => {
    const value = entryOf(text, key);
    return value === null ? [] : [{ path, value }];
  });
  return settings.at(-1) ?? null;
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
