/**
 * How a VM's repository is to be read: what its record says, then what the host's settings say of that repository,
 * then the environment.
 */
import { GuestbootError } from "../base/errors.ts";
import type { RepositorySettings } from "../base/repository-settings.ts";
import { quote } from "../base/printable.ts";
import type { InstallRequest } from "../distro/install-request.ts";
import type { RepositoryOptions } from "../repository/options.ts";
import type { VmRecord } from "../toolstack/vm-record.ts";

/** What the host says of repositories. */
export interface RepositoryHost {
  readonly repositories: readonly RepositorySettings[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * @param record `install-ca-file` in its other-config: a file of certificates (PEM) in the control domain
 * @throws INVALID_SOURCE for an `install-ca-file` that is no absolute path
 */
export function vmRepositoryOptions(
  record: VmRecord,
  request: InstallRequest,
  host: RepositoryHost,
): RepositoryOptions {
  const caFile = record.other_config["install-ca-file"] ?? "";
  if (caFile !== "" && !/^\/[^\0-\x1f\x7f]*$/.test(caFile)) {
    throw new GuestbootError(
      "INVALID_SOURCE",
      `VM ${record.uuid}: install-ca-file ${quote(caFile)} is no absolute path`,
      {
        hint: "set other-config:install-ca-file to a file of certificates on this host, or remove it",
        args: ["install-ca-file"],
      },
    );
  }
  return {
    proxy: request.proxy ?? undefined,
    caFile: caFile === "" ? undefined : caFile,
    settings: host.repositories,
    environment: host.environment,
  };
}
