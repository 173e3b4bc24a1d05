/**
 * A repository on an NFS server: read by the programs of libnfs where they are, which mount nothing; else through a
 * read-only mount that is undone however we end.
 */
import { GuestbootError } from "../base/errors.ts";
import type { NfsLocation } from "./location.ts";
import { DEFAULT_NFS_PROGRAMS, findProgram, type NfsPrograms } from "./nfs-programs.ts";
import type { Repository } from "./repository.ts";
import { DEFAULT_LIMITS, type TransferLimits } from "./transfer.ts";

/**
 * With the programs of libnfs nothing is asked of the server yet; a mount is made now.
 * @throws REPOSITORY_UNREACHABLE, REPOSITORY_REFUSED when it cannot be mounted; SUPPORT_PACKAGE_MISSING when this host
 *   has no program that speaks NFS
 */
export async function openNfsRepository(
  location: NfsLocation,
  givenLimits: Partial<TransferLimits> = {},
  givenPrograms: Partial<NfsPrograms> = {},
): Promise<Repository> {
  const limits = { ...DEFAULT_LIMITS, ...givenLimits };
  const programs = { ...DEFAULT_NFS_PROGRAMS, ...givenPrograms };
  const cat = findProgram("nfs-cat", programs.path);
  const ls = findProgram("nfs-ls", programs.path);
  // libnfs has no Kerberos and no UDP, and its addresses have no place for a "?".
  const needsKernel = location.options.some((option) => /^(?:sec=(?!sys)|udp|proto=udp)/.test(option));
  const mount = async () => {
    if (findProgram("mount", programs.path) === null) throw noProgram(location);
    const { MountOwner, openMountedRepository } = await import("./nfs-mount.ts");
    const { preparedOwner } = await import("./nfs-prepared.ts");
    const prepared = preparedOwner(location);
    const owner = prepared ?? new MountOwner(location, programs, limits);
    return openMountedRepository(owner, { endsWithIt: prepared === null, location, limits });
  };
  if (cat === null || ls === null || needsKernel || location.path.includes("?")) return mount();
  const { NfsUserRepository } = await import("./nfs-user.ts");
  return new NfsUserRepository(location, { cat, ls }, limits, mount);
}

function noProgram({ address }: NfsLocation): GuestbootError {
  return new GuestbootError("SUPPORT_PACKAGE_MISSING", `${address}: this host has no program that speaks NFS`, {
    hint: "apt-get install libnfs-utils, or yum install nfs-utils",
    args: ["nfs-utils"],
  });
}
