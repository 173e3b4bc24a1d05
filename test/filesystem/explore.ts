/** Everything that a caller may do to a filesystem, done to one that may be hostile, and what came of it. */
import type { ByteSource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import type { DirectoryEntry, GuestFilesystem } from "../../src/filesystem/filesystem.ts";

export interface Exploration {
  readonly files: number;
  /** By code, how often. */
  readonly errors: Readonly<Record<string, number>>;
  readonly milliseconds: number;
}

export interface ExplorationLimits {
  /** Names that are opened, in all and of one folder; folders are listed whole. */
  readonly names: number;
  readonly namesOfFolder: number;
  /** Of each file, in bytes; at most 1 MiB. */
  readonly read: number;
}

const MAX_DEPTH = 5;
const MAX_READ = 1024 * 1024;
const BUFFER = new Uint8Array(MAX_READ);
const WIDE: ExplorationLimits = { names: 200, namesOfFolder: 200, read: MAX_READ };

/**
 * @throws whatever is no GuestbootError, and INTERNAL: those are what the tests look for
 */
export function explore(source: ByteSource, limits: ExplorationLimits = WIDE): Exploration {
  const started = performance.now();
  const errors: Record<string, number> = {};
  let files = 0;
  let names = 0;
  const attempt = <T>(work: () => T): T | null => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof GuestbootError) || error.code === "INTERNAL") throw error;
      errors[error.code] = (errors[error.code] ?? 0) + 1;
      return null;
    }
  };
  const visit = (filesystem: GuestFilesystem, path: string, depth: number): void => {
    const entries: DirectoryEntry[] = attempt(() => filesystem.list(path)) ?? [];
    let opened = 0;
    for (const { name, node } of entries) {
      if (name.includes("/") || opened++ >= limits.namesOfFolder || names++ >= limits.names) continue;
      const below = `${path}/${name}`;
      if (node.kind === "directory" && depth < MAX_DEPTH) visit(filesystem, below, depth + 1);
      else if (attempt(() => readSome(filesystem, below, limits.read)) !== null) files++;
    }
  };
  const filesystem = attempt(() => openFilesystem(source));
  if (filesystem !== null) visit(filesystem, "", 0);
  return { files, errors, milliseconds: performance.now() - started };
}

function readSome(filesystem: GuestFilesystem, path: string, mostRead: number): number {
  const content = filesystem.open(path);
  return content.read(0, Math.min(content.size, mostRead), BUFFER).length;
}
