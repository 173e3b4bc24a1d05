/**
 * From an address to a repository that can be read. Each transport is loaded only when an address asks for it.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import type { HttpOptions } from "./http.ts";
import type { RepositoryLocation } from "./location.ts";
import type { Repository } from "./repository.ts";

export interface RepositoryOptions {
  readonly http?: Partial<HttpOptions> | undefined;
  /** Is told of tries that are made again. */
  readonly progress?: Progress | undefined;
}

/**
 * Opens the repository. Nothing is asked of it yet, so a repository that is down is noticed at its first file.
 * @throws UNSUPPORTED_INSTALL_METHOD for a transport that cannot be read yet
 */
export async function openRepository(
  location: RepositoryLocation,
  options: RepositoryOptions = {},
): Promise<Repository> {
  switch (location.transport) {
    case "http":
    case "https": {
      const { openHttpRepository } = await import("./http.ts");
      return openHttpRepository(location.address, location.credentials, options.http, options.progress);
    }
    case "ftp":
      throw unsupported("over FTP", location.address);
    case "nfs":
      throw unsupported("over NFS", location.address);
    case "file":
      throw unsupported("from a local folder", location.address);
    case "cdrom":
      throw unsupported("from a CD-ROM", location.address);
  }
}

function unsupported(how: string, address: string): GuestbootError {
  return new GuestbootError(
    "UNSUPPORTED_INSTALL_METHOD",
    `reading a repository ${how} (${address}) is not supported; http:// and https:// are`,
    { hint: "set other-config:install-repository to an http:// or https:// address of the same repository" },
  );
}
