/**
 * The programs that NFS is read with.
 */
import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";

export interface NfsPrograms {
  /** The folders in which nfs-cat, nfs-ls and mount are looked for, colons between them. */
  readonly path: string;
  /** Where the folder of a mount is made. */
  readonly temporaryFolder: string;
}

export const DEFAULT_NFS_PROGRAMS: NfsPrograms = { path: "/usr/sbin:/usr/bin:/sbin:/bin", temporaryFolder: "/tmp" };

/** The program's file, in the first of the path's folders that has it; null where none has. */
export function findProgram(name: string, path: string): string | null {
  for (const folder of path.split(":").filter((each) => each.startsWith("/"))) {
    const program = join(folder, name);
    try {
      accessSync(program, constants.X_OK);
      if (statSync(program).isFile()) return program;
    } catch {
      // Not there, or not to be run: the next folder may have one.
    }
  }
  return null;
}
