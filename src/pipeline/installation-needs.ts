/**
 * Which addresses, proxies and files of this host an installation's record and the host's settings name: all that it
 * may have to read from outside its own folders.
 */
import { settingsFor, type RepositorySettings } from "../base/repository-settings.ts";
import { KEYRING_FOLDERS, type TrustSettings } from "../base/trust-settings.ts";
import { answerFileOf } from "../distro/answer-file.ts";
import type { InstallRequest } from "../distro/install-request.ts";
import { parseLocation, type RepositoryLocation } from "../repository/location.ts";
import { proxiesIn } from "../repository/proxy.ts";
import type { VmRecord } from "../toolstack/vm-record.ts";
import type { InstallationNeeds } from "./installation-reach.ts";
import type { GivenPatches } from "./patches-wanted.ts";

export interface NeedsHost {
  /** The guest's CD device, for an installation from it. */
  readonly disk: string;
  readonly repositories: readonly RepositorySettings[];
  readonly trust: readonly TrustSettings[];
  readonly guestInstallerFolder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly patches?: GivenPatches | undefined;
}

/** @throws INVALID_SOURCE for a repository that is no address; VM_INVALID for two answer files */
export function needsOf(host: NeedsHost, record: VmRecord, request: InstallRequest): InstallationNeeds {
  const answer = host.patches?.answer ?? answerFileOf(record.other_config, record.uuid);
  const repository = parseLocation(request.repository);
  const locations = [repository, ...answerLocation(answer?.from ?? null)];
  return {
    locations,
    proxies: [...proxiesOf(host.repositories), ...proxiesIn(host.environment), request.proxy ?? ""],
    redirectPorts: redirectPortsOf(host.repositories, locations),
    readable: [
      ...(repository.transport === "cdrom" ? [host.disk] : []),
      record.other_config["install-ca-file"] ?? "",
      ...(host.patches?.overlays ?? []),
      host.guestInstallerFolder,
      ...authoritiesOf(host.repositories),
      ...keyringsOf(host.trust),
    ],
  };
}

/** Files that the host's settings name for any repository. */
export function authoritiesOf(repositories: readonly RepositorySettings[]): string[] {
  return repositories.flatMap(({ caFile }) => (caFile === null ? [] : [caFile]));
}

export function keyringsOf(trust: readonly TrustSettings[]): string[] {
  return [...KEYRING_FOLDERS, ...trust.flatMap(({ keyrings }) => keyrings ?? [])];
}

export function proxiesOf(repositories: readonly RepositorySettings[]): string[] {
  return repositories.flatMap(({ proxy }) => (proxy === null || proxy === "none" ? [] : [proxy]));
}

/** What the settings let the servers of these places send us on to. Of the sections for one the longest name counts. */
export function redirectPortsOf(
  repositories: readonly RepositorySettings[],
  locations: readonly RepositoryLocation[],
): number[] {
  return locations
    .flatMap((location): readonly RepositoryLocation[] => {
      return location.transport === "mirrors" ? location.mirrors : [location];
    })
    .map(({ address }) => settingsFor(repositories, address).find((each) => each.redirectPorts !== undefined))
    .flatMap((section) => section?.redirectPorts ?? []);
}

/** An answer file is named by its address, or by its path on this host. */
export function answerLocation(from: string | null): RepositoryLocation[] {
  if (from === null || from === "") return [];
  const file = from.replace(/^file:\/\/(?=\/)/i, "");
  if (!/^(?:https?|ftp|nfs):/i.test(file)) return [{ transport: "file", address: from, path: file }];
  return [parseLocation(file.slice(0, file.lastIndexOf("/") + 1))];
}
