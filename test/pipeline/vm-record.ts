/** Made-up records for the tests of what changes them. */
import type { VmRecord } from "../../src/toolstack/vm-record.ts";

export const UUID = "11111111-2222-3333-4444-555555555555";

export function vmRecord(otherConfig: Readonly<Record<string, string>>, fields: Partial<VmRecord> = {}): VmRecord {
  return {
    uuid: UUID,
    name_label: "guest",
    PV_bootloader: "eliloader",
    PV_bootloader_args: "",
    PV_args: "console=hvc0",
    PV_kernel: "",
    PV_ramdisk: "",
    other_config: otherConfig,
    VBDs: [{ userdevice: "0", type: "Disk", bootable: true }],
    ...fields,
  };
}
