/**
 * From an address to a repository that can be read. Each transport is loaded only when an address asks for it.
 */
import { GuestbootError } from "../base/errors.ts";
import { settingsFor } from "../base/repository-settings.ts";
import type { HttpOptions } from "./http.ts";
import type { RepositoryLocation, UrlLocation } from "./location.ts";
import type { RepositoryOptions } from "./options.ts";
import { remembering } from "./remember.ts";
import type { Repository } from "./repository.ts";

export type { RepositoryOptions } from "./options.ts";

/**
 * Opens the repository. Nothing is asked of a server yet, so one that is down is noticed at its first file; a local
 * folder, archive or medium is looked at now. What it says of a file is remembered as long as it is open.
 *
 * @throws INVALID_SOURCE, REPOSITORY_UNREACHABLE or REPOSITORY_REFUSED for what is local;
 *   SETTINGS_INVALID for a proxy or a CA file that cannot be used
 */
export async function openRepository(
  location: RepositoryLocation,
  options: RepositoryOptions = {},
): Promise<Repository> {
  switch (location.transport) {
    case "http":
    case "https":
    case "ftp":
      return remembering(await openUrl(location, options));
    case "mirrors": {
      const { openMirrors } = await import("./mirrors.ts");
      return remembering(openMirrors(location.mirrors, openUrl, options));
    }
    case "nfs": {
      const { openNfsRepository } = await import("./nfs.ts");
      return remembering(await openNfsRepository(location, options.limits, options.nfs));
    }
    case "file":
      return openLocal(location, options);
    case "cdrom":
      if (options.cdromDevice === undefined) throw noDevice();
      return openIso(options.cdromDevice);
  }
}

async function openUrl(location: UrlLocation, options: RepositoryOptions): Promise<Repository> {
  const { address, credentials } = location;
  if (location.transport === "ftp") {
    const { openFtpRepository } = await import("./ftp.ts");
    return openFtpRepository(address, credentials, options.limits);
  }
  const { openHttpRepository } = await import("./http.ts");
  const http = { ...options.limits, ...(await trust(address, options)), ...(await proxies(options)), ...options.http };
  return openHttpRepository(address, credentials, http, options.progress);
}

async function trust(address: string, { caFile, settings = [] }: RepositoryOptions): Promise<Partial<HttpOptions>> {
  const file = caFile ?? settingsFor(settings, address).find((each) => each.caFile !== null)?.caFile ?? null;
  if (file === null) return {};
  const { readAuthorities } = await import("./ca-file.ts");
  return { certificateAuthorities: await readAuthorities(file) };
}

async function proxies({ proxy, settings = [], environment = {} }: RepositoryOptions): Promise<Partial<HttpOptions>> {
  const isSet = Object.keys(environment).some((name) => /_proxy$/i.test(name));
  const isSettled = settings.some((each) => each.proxy !== null);
  if (proxy === undefined && !isSettled && !isSet) return {};
  const { chooseProxy } = await import("./proxy.ts");
  return { proxyFor: chooseProxy(proxy, environment, settings) };
}

async function openLocal(
  { path, address }: Extract<RepositoryLocation, { transport: "file" }>,
  { limits }: RepositoryOptions,
): Promise<Repository> {
  const { kindOf } = await import("./local-kind.ts");
  switch (await kindOf(path, address)) {
    case "folder": {
      const { openFolderRepository } = await import("./folder.ts");
      return openFolderRepository(path, address, limits);
    }
    case "zip": {
      const { openZipRepository } = await import("./zip.ts");
      return openZipRepository(path, address, limits);
    }
    case "iso":
      return openIso(path);
  }
}

async function openIso(path: string): Promise<Repository> {
  const { openIsoRepository } = await import("./iso.ts");
  return openIsoRepository(path);
}

function noDevice(): GuestbootError {
  return new GuestbootError(
    "INVALID_SOURCE",
    "the repository is cdrom, but the VM has no CD drive with a medium in it",
    {
      hint: "insert the installation medium, or set other-config:install-repository to a repository on the network",
      args: ["cdrom"],
    },
  );
}
