/**
 * `guestboot ls`: a folder of a guest's disk.
 */
import { printable } from "../base/printable.ts";
import type { DirectoryEntry } from "../filesystem/filesystem.ts";
import { findInGuest, type GuestPath } from "../pipeline/guest-path.ts";
import { openGuest } from "../pipeline/open-guest.ts";
import { applyReadLimits } from "./apply-limits.ts";
import { readArguments, wants } from "./arguments.ts";
import { diskAndPath, GUEST_PATH_OPTIONS, offsetOf } from "./guest-operands.ts";
import { helpOf } from "./help.ts";
import { printJson, reporting } from "./report.ts";

export async function runLs(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("ls", { json }, async () => {
    const { values, positionals } = readArguments(argv, { ...GUEST_PATH_OPTIONS, json: { type: "boolean" } });
    if (values.help === true) {
      process.stdout.write(helpOf("ls"));
      return;
    }
    const { disk, path } = diskAndPath(positionals, "/");
    await applyReadLimits();
    using guest = openGuest(disk, { offset: offsetOf(values.offset) });
    const found = findInGuest(guest.search, values.volume ?? null, path);
    const entries = entriesAt(found);
    if (json) printJson({ volume: found.place.name, filesystem: found.filesystem.type, entries: entries.map(plain) });
    else for (const entry of entries) process.stdout.write(`${lineOf(entry)}\n`);
  });
}

/** A folder's entries by name, as ls has them; a file stands for itself. */
function entriesAt({ filesystem, path, node }: GuestPath): DirectoryEntry[] {
  if (node.kind !== "directory") return [{ name: path.slice(path.lastIndexOf("/") + 1), node }];
  return filesystem.list(path).sort((one, other) => (one.name < other.name ? -1 : 1));
}

const LETTERS = { file: "-", directory: "d", symlink: "l", other: "?" } as const;

function lineOf({ name, node }: DirectoryEntry): string {
  return `${LETTERS[node.kind]} ${String(node.size).padStart(12)} ${printable(name)}`;
}

function plain({ name, node }: DirectoryEntry) {
  return { name: name.toWellFormed(), kind: node.kind, size: node.size };
}
