/**
 * The plan of an installation round: plain data, computed from the VM's record and the facts about the repository.
 * Nothing here touches a network, a disk or a toolstack.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Family } from "../distro/catalog.ts";
import type { Target } from "../distro/candidates.ts";
import type { InstallRequest } from "../distro/install-request.ts";
import type { BootField, RecordChange, VmRecord } from "../toolstack/vm-record.ts";

export interface InstallationPlan {
  readonly target: Target;
  /** What the installer's kernel needs on its command line; the toolstack's own come on top. */
  readonly arguments: string;
  /** What the record must be changed to once the files are in place. */
  readonly changes: readonly RecordChange[];
}

/**
 * @throws UNSUPPORTED_INSTALL_METHOD where the request cannot be met; INVALID_SOURCE where it lacks something
 */
export function planInstallation(record: VmRecord, request: InstallRequest, family: Family): InstallationPlan {
  if (request.round > family.rounds) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `VM ${record.uuid}: install-round is ${request.round}, but ${family.family} takes ${family.rounds}`,
      { hint: "remove other-config:install-round to begin the installation anew", args: [String(request.round)] },
    );
  }
  if (request.release === null) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `VM ${record.uuid}: ${family.family} needs to know which release to install`,
      { hint: "set other-config:debian-release to a suite or codename, such as bookworm", args: ["debian-release"] },
    );
  }
  if (request.graphical) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `VM ${record.uuid}: install-vnc is set, but the installer of ${family.family} has no graphical mode over VNC`,
      { hint: "remove other-config:install-vnc", args: ["install-vnc"] },
    );
  }
  return {
    target: { release: request.release, arch: request.arch, flavour: null },
    arguments: "",
    changes: changesAfterRound(record, request.round, family.rounds),
  };
}

/**
 * What changes in the record when a round's files are in place (CONTRACTS: "What an installation does to the VM
 * record"). After the last round nothing may ask for an installation again: a converted template that kept
 * `install-distro` would ask for its medium at each start.
 */
export function changesAfterRound(record: VmRecord, round: number, rounds: number): RecordChange[] {
  if (round < rounds) return otherConfigChange(record, "install-round", String(round + 1));
  return [
    ...fieldChange(record, "PV_bootloader", "pygrub"),
    ...otherConfigChange(record, "install-distro", null),
    ...otherConfigChange(record, "install-round", null),
  ];
}

function fieldChange(record: VmRecord, field: BootField, to: string): RecordChange[] {
  const from = record[field];
  return from === to ? [] : [{ kind: "field", field, from, to }];
}

function otherConfigChange(record: VmRecord, key: string, to: string | null): RecordChange[] {
  const from = record.other_config[key] ?? null;
  return from === to ? [] : [{ kind: "other_config", key, from, to }];
}

/** What a VM's next start through `guestboot boot` does. */
export type NextStart = "installation" | "disk";

/**
 * The record's own words decide: its loader, and for a loader that is both, whether an installation is asked for.
 * @throws VM_INVALID for a loader that we are not
 */
export function nextStart(record: VmRecord): NextStart {
  const loader = record.PV_bootloader.slice(record.PV_bootloader.lastIndexOf("/") + 1);
  switch (loader) {
    case "eliloader":
      return "installation";
    case "pygrub":
      return "disk";
    case "guestboot":
    case "":
      return record.other_config["install-distro"] === undefined ? "disk" : "installation";
    default:
      throw new GuestbootError(
        "VM_INVALID",
        `VM ${record.uuid}: PV_bootloader "${record.PV_bootloader}" is not known`,
        {
          hint: "set PV_bootloader to eliloader (install) or pygrub (boot from the disk)",
        },
      );
  }
}
