/**
 * What a VM's record asks to be installed: the `install-*` keys of its other-config, checked.
 */
import { GuestbootError } from "../base/errors.ts";

export interface InstallRequest {
  /** As the record has it, prefix and password included: for opening, never for showing. */
  readonly repository: string;
  readonly family: string;
  /** null where the record names none. */
  readonly release: string | null;
  readonly arch: string;
  /** Which round of the installation this start is, from 1. */
  readonly round: number;
  readonly graphical: boolean;
}

/**
 * Reads the keys with their defaults (rhlike, i386, round 1).
 *
 * @param otherConfig the VM's other-config
 * @param vm how the VM is named in errors
 * @throws INVALID_SOURCE without a repository; UNSUPPORTED_INSTALL_METHOD for values that mean nothing
 */
export function readInstallRequest(otherConfig: Readonly<Record<string, string>>, vm: string): InstallRequest {
  const repository = otherConfig["install-repository"]?.trim() ?? "";
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
  return {
    repository,
    family: nonEmpty(otherConfig["install-distro"]) ?? "rhlike",
    release: nonEmpty(otherConfig["debian-release"]),
    arch: nonEmpty(otherConfig["install-arch"]) ?? "i386",
    round: Number(round),
    graphical: isTrue(otherConfig["install-vnc"]),
  };
}

function nonEmpty(value: string | undefined): string | null {
  return value === undefined || value === "" ? null : value;
}

function isTrue(value: string | undefined): boolean {
  return value === "1" || value === "true";
}
