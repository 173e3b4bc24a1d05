/**
 * What a VM's record asks to be installed: the `install-*` keys of its other-config, checked.
 */
import { GuestbootError } from "../base/errors.ts";
import type { NamedFiles } from "./candidates.ts";

/** The architecture of a record that names none, where its tree names none either. */
export const DEFAULT_ARCH = "i386";

export interface InstallRequest {
  /** As the record has it, prefix and password included: for opening, never for showing. */
  readonly repository: string;
  readonly family: string;
  /** null where the record names none. */
  readonly release: string | null;
  /** null where the record names none: the tree's, else DEFAULT_ARCH. */
  readonly arch: string | null;
  /** Which round of the installation this start is, from 1. */
  readonly round: number;
  readonly graphical: boolean;
  /** Of the graphical mode; never to be shown. */
  readonly password: string | null;
  /** URL of the HTTP proxy for the repository; it may hold a password. */
  readonly proxy: string | null;
  /** Kernel and ramdisk below the repository, where the record names them. */
  readonly files: NamedFiles | null;
}

/**
 * Reads the keys with their defaults (rhlike, round 1).
 *
 * @param otherConfig the VM's other-config
 * @param vm how the VM is named in errors
 * @throws INVALID_SOURCE without a repository; UNSUPPORTED_INSTALL_METHOD for values that mean nothing
 */
export function readInstallRequest(otherConfig: Readonly<Record<string, string>>, vm: string): InstallRequest {
  const value = (key: string) => nonEmpty(Object.hasOwn(otherConfig, key) ? otherConfig[key] : undefined);
  const repository = value("install-repository")?.trim() ?? "";
  if (repository === "") {
    throw new GuestbootError("INVALID_SOURCE", `VM ${vm} is to be installed, but no repository is set`, {
      hint: "set other-config:install-repository to the address of the distribution's repository",
      args: ["install-repository"],
    });
  }
  const round = otherConfig["install-round"] ?? "1";
  if (!/^[1-9]$/.test(round)) {
    throw new GuestbootError("UNSUPPORTED_INSTALL_METHOD", `VM ${vm}: install-round "${round}" is no round`, {
      hint: "remove other-config:install-round to begin the installation anew",
      args: [round],
    });
  }
  const kernel = value("install-kernel");
  const ramdisk = value("install-ramdisk");
  return {
    repository,
    family: value("install-distro") ?? "rhlike",
    release: value("debian-release"),
    arch: value("install-arch"),
    round: Number(round),
    graphical: isTrue(otherConfig["install-vnc"]),
    password: value("install-vncpasswd"),
    proxy: value("install-proxy"),
    files:
      kernel === null ? null : { kernel: pathOf(kernel, vm), ramdisks: ramdisk === null ? [] : [pathOf(ramdisk, vm)] },
  };
}

/** Admins write these with and without a slash in front; nothing may lead out of the repository. */
function pathOf(path: string, vm: string): string {
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".");
  if (segments.length === 0 || segments.includes("..") || /[\0-\x1f\x7f\\]/.test(path)) {
    throw new GuestbootError("INVALID_SOURCE", `VM ${vm}: ${JSON.stringify(path)} is no path below a repository`, {
      hint: "set other-config:install-kernel and install-ramdisk to such paths",
      args: [path],
    });
  }
  return segments.join("/");
}

function nonEmpty(value: string | undefined): string | null {
  return value === undefined || value === "" ? null : value;
}

function isTrue(value: string | undefined): boolean {
  return value === "1" || value === "true";
}
