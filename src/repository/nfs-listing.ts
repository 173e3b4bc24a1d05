/**
 * What `nfs-ls` prints, a line a file: mode, links, user, group, size, name.
 */
import { Budget } from "../base/budget.ts";

export interface Listed {
  readonly kind: "file" | "folder" | "link" | "other";
  /** Bytes. */
  readonly size: number;
}

const MOST_FILES = 100_000;

/** Lines in another form are passed over: they can only be names with a line break in them, which nobody asks for. */
export function parseListing(text: string): ReadonlyMap<string, Listed> {
  const files = new Map<string, Listed>();
  const budget = new Budget("files in a folder of the NFS server", MOST_FILES);
  for (const line of text.split("\n")) {
    const found = /^(.)[-rwxsStT]{9}\s+\d+\s+\d+\s+\d+\s+(\d+) (.+)$/.exec(line);
    if (found === null) continue;
    budget.spend();
    const [, mode = "", size = "", name = ""] = found;
    files.set(name, { kind: kindOf(mode), size: Number(size) });
  }
  return files;
}

function kindOf(mode: string): Listed["kind"] {
  if (mode === "-") return "file";
  if (mode === "d") return "folder";
  return mode === "l" ? "link" : "other";
}
