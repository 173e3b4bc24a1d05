/** Disks with LVM, made by its own tools on a loop device: the kernel's device mapper is not needed for metadata. */
import * as fs from "node:fs";
import { call } from "../filesystem/call.ts";

export interface LvmDisk {
  readonly device: string;
  /** Runs a command of LVM that sees this disk alone. */
  lvm(...args: readonly string[]): string;
}

const MIB = 1024 * 1024;

/** @param start where in the file the physical volume begins, in bytes; the file is made unless it is there */
export function withLvmDisk<T>(image: string, sizeMiB: number, work: (disk: LvmDisk) => T, start = 0): T {
  if (!fs.existsSync(image)) {
    fs.writeFileSync(image, "");
    fs.truncateSync(image, sizeMiB * MIB);
  }
  const place = start === 0 ? [] : ["--offset", String(start), "--sizelimit", String(sizeMiB * MIB)];
  const device = call("losetup", ["--find", "--show", ...place, image], "mount").trim();
  try {
    return work({ device, lvm: (...args) => runLvm([device], args) });
  } finally {
    call("losetup", ["--detach", device], "mount");
  }
}

/** Also for several disks at once. */
export function runLvm(devices: readonly string[], args: readonly string[]): string {
  const filter = [...devices.map((device) => `"a|^${device}$|"`), '"r|.*|"'].join(",");
  const config = [
    `devices { filter=[${filter}] use_devicesfile=0 scan_lvs=0 }`,
    "global { locking_type=1 use_lvmpolld=0 use_lvmlockd=0 }",
    "activation { monitoring=0 udev_sync=0 udev_rules=0 }",
    "backup { backup=0 archive=0 }",
  ].join(" ");
  return call("lvm", [...args, "--driverloaded", "n", "--config", config], "lvm2");
}

export interface WrittenVolume {
  readonly name: string;
  /** Sub-volumes are hidden. */
  readonly hidden?: boolean;
  /** Further words of its status. */
  readonly status?: readonly string[];
  /** The inside of each segment but its first extent; `extents` long. */
  readonly segments: readonly { readonly extents: number; readonly text: string }[];
}

export const onDisk = (extents: number, start: number, member = "pv0") => ({
  extents,
  text: `type = "striped"\nstripe_count = 1\nstripes = ["${member}", ${start}]`,
});

/**
 * Gives a group volumes that only a kernel with device mapper could make: LVM's own backup, with other volumes, given
 * back to LVM, which checks it.
 */
export function restoreVolumes(disk: LvmDisk, group: string, backup: string, volumes: readonly WrittenVolume[]): void {
  disk.lvm("vgcfgbackup", "-f", backup, group);
  const text = fs.readFileSync(backup, "utf8");
  const at = text.indexOf("\tlogical_volumes {");
  const before = at === -1 ? text.slice(0, text.lastIndexOf("}")) : text.slice(0, at);
  fs.writeFileSync(backup, `${before}\nlogical_volumes {\n${volumes.map(volumeText).join("\n")}\n}\n}\n`);
  // LVM asks before it restores thin volumes.
  disk.lvm("vgcfgrestore", "--force", "--yes", "-f", backup, group);
}

function volumeText({ name, hidden = false, status = [], segments }: WrittenVolume, index: number): string {
  const id = `aaaaaa-bbbb-cccc-dddd-eeee-ffff-${String(index + 100_000)}`;
  const words = ["READ", "WRITE", ...(hidden ? [] : ["VISIBLE"]), ...status].map((word) => `"${word}"`);
  let start = 0;
  const inside = segments.map(({ extents, text }, number) => {
    const segment = `segment${number + 1} {\nstart_extent = ${start}\nextent_count = ${extents}\n${text}\n}`;
    start += extents;
    return segment;
  });
  return `${name} {\nid = "${id}"\nstatus = [${words.join(", ")}]\nflags = []\nsegment_count = ${segments.length}\n${inside.join("\n")}\n}`;
}
