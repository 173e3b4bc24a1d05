/** Well-known types of partitions, as admins know them. */

/** Values of the type byte in an MBR. */
const MBR_TYPES: Readonly<Record<number, string>> = {
  0x01: "FAT12",
  0x04: "FAT16",
  0x06: "FAT16",
  0x07: "NTFS",
  0x0b: "FAT32",
  0x0c: "FAT32",
  0x0e: "FAT16",
  0x17: "Hidden NTFS",
  0x82: "Linux swap",
  0x83: "Linux",
  0x8e: "Linux LVM",
  0xa5: "FreeBSD",
  0xa6: "OpenBSD",
  0xa9: "NetBSD",
  0xbe: "Solaris boot",
  0xbf: "Solaris",
  0xea: "Linux extended boot",
  0xef: "EFI system",
  0xfd: "Linux RAID",
};

/** Type GUIDs of a GPT (UEFI specification; Discoverable Partitions Specification; the systems' own lists). */
const GPT_TYPES: Readonly<Record<string, string>> = {
  "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
  "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
  "024dee41-33e7-11d3-9d69-0008c781f39f": "MBR inside",
  "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux",
  "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
  "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
  "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
  "ca7d7ccb-63ed-4c53-861c-1742536059cc": "Linux LUKS",
  "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
  "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
  "44479540-f297-41b2-9af7-d131d5f0458a": "Linux root (x86)",
  "b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (ARM-64)",
  "933ac7e1-2eb4-4f13-b844-0e14e2aef915": "Linux home",
  "8da63339-0007-60c0-c436-083ac8230908": "Linux reserved",
  "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
  "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
  "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows recovery",
  "516e7cb4-6ecf-11d6-8ff8-00022d09712b": "FreeBSD",
  "83bd6b9d-7f41-11dc-be0b-001560b84f0f": "FreeBSD boot",
  "516e7cb5-6ecf-11d6-8ff8-00022d09712b": "FreeBSD swap",
  "516e7cb6-6ecf-11d6-8ff8-00022d09712b": "FreeBSD UFS",
  "516e7cba-6ecf-11d6-8ff8-00022d09712b": "FreeBSD ZFS",
  "824cc7a0-36a8-11e3-890a-952519ad3f61": "OpenBSD",
  "49f48d5a-b10e-11dc-b99b-0019d1879648": "NetBSD FFS",
  "49f48d32-b10e-11dc-b99b-0019d1879648": "NetBSD swap",
  "6a82cb45-1dd2-11b2-99a6-080020736631": "Solaris boot",
  "6a85cf4d-1dd2-11b2-99a6-080020736631": "Solaris root",
  "6a898cc3-1dd2-11b2-99a6-080020736631": "Solaris usr or Apple ZFS",
};

export function mbrTypeName(type: number): string {
  return MBR_TYPES[type] ?? `0x${type.toString(16).padStart(2, "0")}`;
}

/** @param guid in lower case */
export function gptTypeName(guid: string): string {
  return GPT_TYPES[guid] ?? guid;
}
