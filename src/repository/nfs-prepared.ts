/**
 * What reading NFS needs that cannot be had behind an installation's walls: the right to mount. So the owners of mounts
 * are started before (`nfs-mount.ts`), each for one location, and are kept here, for the whole process as walls are.
 */
import type { NfsLocation } from "./location.ts";
import { MountOwner } from "./nfs-mount.ts";
import { DEFAULT_NFS_PROGRAMS, findProgram } from "./nfs-programs.ts";
import { DEFAULT_LIMITS } from "./transfer.ts";

/** What a process that reads these locations must be let do. */
export interface NfsReach {
  /** Programs that it runs. */
  readonly programs: readonly string[];
  /** Folders below which the exports are, once they are mounted. */
  readonly folders: readonly string[];
}

export interface PreparedNfs extends NfsReach {
  /** Ends the owners, and with them the mounts. */
  end(): Promise<void>;
}

const owners = new Map<string, MountOwner>();

/** Nothing is asked of a server. What cannot be prepared fails when it is needed, and most often it is not. */
export async function prepareNfs(locations: readonly NfsLocation[]): Promise<PreparedNfs> {
  const { path } = DEFAULT_NFS_PROGRAMS;
  const programs = ["nfs-cat", "nfs-ls"].flatMap((name) => findProgram(name, path) ?? []);
  const made: [string, MountOwner][] = [];
  const end = async () => {
    for (const [key] of made) owners.delete(key);
    await Promise.all(made.map(([, owner]) => owner.end()));
  };
  for (const location of findProgram("mount", path) === null ? [] : locations) {
    const key = keyOf(location);
    if (owners.has(key)) continue;
    const owner = new MountOwner(location, DEFAULT_NFS_PROGRAMS, DEFAULT_LIMITS);
    owners.set(key, owner);
    made.push([key, owner]);
  }
  const folders = await Promise.allSettled(made.map(([, owner]) => owner.folder()));
  return { programs, folders: folders.flatMap((each) => (each.status === "fulfilled" ? each.value : [])), end };
}

export function preparedOwner(location: NfsLocation): MountOwner | null {
  return owners.get(keyOf(location)) ?? null;
}

function keyOf({ address, options }: NfsLocation): string {
  return [address, ...options].join("\n");
}
