/**
 * A state folder with one VM that is to be installed, as the file store keeps it.
 */
import * as fs from "node:fs";
import * as path from "node:path";

export const VM = "0a1b2c3d-1111-2222-3333-444455556666";

export type RawRecord = Record<string, unknown> & { other_config: Record<string, string> };

/** Has a field that guestboot does not know, which must survive every change. */
export function installRecord(repository: string, changes: Partial<RawRecord> = {}): RawRecord {
  return {
    uuid: VM,
    name_label: "debian guest",
    PV_bootloader: "eliloader",
    PV_bootloader_args: "",
    PV_args: "console=hvc0",
    PV_kernel: "",
    PV_ramdisk: "",
    memory_static_max: 1342177280,
    VBDs: [{ userdevice: "0", type: "Disk", bootable: true }],
    other_config: {
      "install-distro": "debianlike",
      "install-repository": repository,
      "debian-release": "bookworm",
      "install-arch": "amd64",
      "install-round": "1",
    },
    ...changes,
  };
}

export function writeRecord(state: string, record: RawRecord, uuid = VM): string {
  const file = path.join(state, "vms", `${uuid}.json`);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
  return file;
}

export function readRecord(state: string, uuid = VM): RawRecord {
  return JSON.parse(fs.readFileSync(path.join(state, "vms", `${uuid}.json`), "utf8")) as RawRecord;
}
