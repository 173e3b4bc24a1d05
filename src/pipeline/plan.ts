/**
 * The plan of a round of an installation: plain data, computed from the VM's record and the catalog. Nothing here
 * touches a network, a disk or a toolstack.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Family } from "../distro/catalog.ts";
import { DEFAULT_ARCH, type InstallRequest } from "../distro/install-request.ts";
import { repositoryForInstaller } from "../distro/installer-arguments.ts";
import type { TreeRequest } from "../distro/resolve.ts";
import type { BootField, RecordChange, VirtualBlockDevice, VmRecord } from "../toolstack/vm-record.ts";

/** A start from the installer's kernel. */
export interface InstallerPlan {
  readonly kind: "installer";
  /** What is to be resolved in the repository. */
  readonly request: TreeRequest;
  /** The medium's own boot config picks the files of the request. */
  readonly isChosenByMedium: boolean;
  /** What the record must be changed to once the files are in place. */
  readonly changes: readonly RecordChange[];
}

/** A start from the guest's own disk, which is the last round of an installation that takes two. */
export interface DiskPlan {
  readonly kind: "disk";
  /** The files to look for where the disk has no usable boot config; null where there is nothing to look for. */
  readonly lookup: DiskFiles | null;
  /** What the record must be changed to, but for what `keepFiles` adds. */
  readonly changes: readonly RecordChange[];
  /** The first round was given a disk of updates, and the record does not tell which: a person must take it away. */
  readonly detachUpdatesDisk: boolean;
}

export type RoundPlan = InstallerPlan | DiskPlan;

type BootableChange = Extract<RecordChange, { readonly kind: "bootable" }>;

/** Folders and pairs of names in them, each in the order of trying. */
export interface DiskFiles {
  readonly folders: readonly string[];
  readonly files: readonly { readonly kernel: string; readonly ramdisk: string }[];
}

/**
 * What the round that the record asks for does.
 * @throws UNSUPPORTED_INSTALL_METHOD where the request cannot be met; INVALID_SOURCE where it lacks something
 */
export function planRound(record: VmRecord, request: InstallRequest, family: Family): RoundPlan {
  checkRound(record, request, family);
  const changes = changesAfterRound(record, request.round, family.rounds, isFromCdrom(request));
  if (request.round === 2) {
    const lookup = diskFiles(family, request.arch);
    const hadUpdates = family.files === "guest-installer";
    const updates = hadUpdates ? updatesDisk(record) : null;
    return {
      kind: "disk",
      lookup,
      changes: updates === null ? changes : [...changes, detach(updates)],
      detachUpdatesDisk: hadUpdates && updates === null && record.VBDs.filter((vbd) => vbd.type === "Disk").length > 1,
    };
  }
  checkSource(record, request, family);
  const isChosenByMedium = family.files === "record" && isFromCdrom(request);
  return { kind: "installer", request: treeRequest(request, family), isChosenByMedium, changes };
}

/**
 * The change that makes later starts find what the second round looked up, as its own words for the loader.
 * @param kernel, ramdisk paths in the guest
 * @throws VM_INVALID for paths that the loader's arguments cannot carry: they are cut at blanks
 */
export function keepFiles(record: VmRecord, kernel: string, ramdisk: string): RecordChange[] {
  const bad = [kernel, ramdisk].find((path) => !/^\/[\x21-\x7e]+$/.test(path));
  if (bad !== undefined) {
    throw new GuestbootError(
      "VM_INVALID",
      `VM ${record.uuid}: the path ${JSON.stringify(bad)} cannot stand in PV_bootloader_args, which is cut at blanks`,
    );
  }
  return fieldChange(record, "PV_bootloader_args", `--kernel ${kernel} --ramdisk ${ramdisk}`);
}

/**
 * What changes in the record when a round's files are in place (CONTRACTS: "What an installation does to the VM
 * record"). After the last round nothing may ask for an installation again: a converted template that kept
 * `install-distro` would ask for its medium at each start.
 *
 * The bootable disk is switched by the first round already: it is the only one that reads the medium, and the
 * toolstack hands the bootable disk to the next.
 */
export function changesAfterRound(record: VmRecord, round: number, rounds: number, fromCdrom = false): RecordChange[] {
  const bootable = fromCdrom ? bootableChanges(record, (vbd) => vbd.userdevice === "0") : [];
  if (round < rounds) return [...otherConfigChange(record, "install-round", String(round + 1)), ...bootable];
  return [
    ...fieldChange(record, "PV_bootloader", "pygrub"),
    ...otherConfigChange(record, "install-distro", null),
    ...otherConfigChange(record, "install-round", null),
    ...bootable,
  ];
}

/** The changes after which exactly the disks that `wanted` chooses are bootable. */
export function bootableChanges(record: VmRecord, wanted: (vbd: VirtualBlockDevice) => boolean): BootableChange[] {
  return record.VBDs.filter((vbd) => vbd.bootable !== wanted(vbd)).map(({ userdevice, bootable }) => {
    return { kind: "bootable", userdevice, from: bootable, to: !bootable };
  });
}

/**
 * The extra disk with updates for the installer that the templates of RHEL 4.1 and 4.4 bring along, and which the
 * second round takes away (xapi-project.github.io, "Installing VMs"). No document says which device it is, so it is
 * what it alone can be: the disk that the record names (`install-updates-disk`), else the only disk beside the first
 * that the guest cannot write to. A disk that could hold somebody's data is never taken away on a guess.
 */
function updatesDisk(record: VmRecord): VirtualBlockDevice | null {
  const disks = record.VBDs.filter((vbd) => vbd.type === "Disk" && vbd.userdevice !== "0");
  const named = record.other_config["install-updates-disk"];
  if (named !== undefined) return disks.find((vbd) => vbd.userdevice === named) ?? null;
  const [only, ...others] = disks.filter((vbd) => vbd.mode === "RO");
  return others.length > 0 ? null : (only ?? null);
}

function detach(disk: VirtualBlockDevice): RecordChange {
  return { kind: "disk", userdevice: disk.userdevice, from: disk, to: null };
}

export function isFromCdrom(request: Pick<InstallRequest, "repository">): boolean {
  return request.repository === "cdrom";
}

function checkRound(record: VmRecord, request: InstallRequest, family: Family): void {
  if (request.round <= family.rounds) return;
  throw new GuestbootError(
    "UNSUPPORTED_INSTALL_METHOD",
    `VM ${record.uuid}: install-round is ${request.round}, but ${family.family} takes ${family.rounds}`,
    { hint: "remove other-config:install-round to begin the installation anew", args: [String(request.round)] },
  );
}

/** What can be known to be wrong before anything is asked of the repository. */
function checkSource(record: VmRecord, request: InstallRequest, family: Family): void {
  const fromCdrom = isFromCdrom(request);
  const installers = Object.values(family.installers);
  if (fromCdrom && installers.length > 0 && installers.every((installer) => installer.cdrom === null)) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `VM ${record.uuid}: the installer of ${family.family} cannot install from cdrom`,
      { hint: "set other-config:install-repository to the address of a repository on the network", args: ["cdrom"] },
    );
  }
  if (family.files === "record" && request.files === null && !fromCdrom) {
    throw new GuestbootError(
      "INVALID_SOURCE",
      `VM ${record.uuid}: ${family.family} needs to know which kernel to load from the repository`,
      {
        hint: "set other-config:install-kernel and install-ramdisk to paths below the repository",
        args: ["install-kernel"],
      },
    );
  }
  // A medium tells which release it is; a mirror has many.
  const isSuite = family.index.includes("debian-release");
  if (isSuite && !fromCdrom && request.release === null) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `VM ${record.uuid}: ${family.family} needs to know which release to install`,
      { hint: "set other-config:debian-release to a suite or codename, such as bookworm", args: ["debian-release"] },
    );
  }
}

function treeRequest(request: InstallRequest, family: Family): TreeRequest {
  return {
    family: family.family,
    release: request.release,
    arch: request.arch,
    defaultArch: DEFAULT_ARCH,
    flavour: null,
    files: request.files,
    installer: {
      repository: repositoryForInstaller(request.repository),
      graphical: request.graphical ? { password: request.password } : null,
    },
  };
}

/** Without an architecture in the record, those of every one: the names tell them apart. */
function diskFiles(family: Family, arch: string | null): DiskFiles | null {
  const lookup = family.secondRound;
  if (lookup === undefined) return null;
  const canonical = arch === null ? null : (family.arches[arch] ?? arch);
  const files = Object.entries(lookup.files)
    .filter(([each]) => canonical === null || each === canonical)
    .flatMap(([, pairs]) => pairs);
  return files.length === 0 ? null : { folders: lookup.folders, files };
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
