/**
 * Image formats that are known by name only, so that an admin reads what the file is and not that nothing is on it.
 */
import { GuestbootError } from "../../base/errors.ts";

/** The bytes that a format has at its places, as Latin-1; all of them must be there. */
const FORMATS: readonly { readonly name: string; readonly marks: readonly (readonly [at: number, bytes: string])[] }[] =
  [
    { name: "VMDK", marks: [[0, "KDMV"]] },
    { name: "VMDK", marks: [[0, "COWD"]] },
    { name: "VMDK", marks: [[0, "# Disk DescriptorFile"]] },
    {
      name: "VDI",
      marks: [
        [0, "<<< "],
        [0x40, "\x7f\x10\xda\xbe"],
      ],
    },
    {
      name: "VDI",
      marks: [
        [0, "<<< "],
        [0x40, "\xbe\xda\x10\x7f"],
      ],
    },
    { name: "VHDX", marks: [[0, "vhdxfile"]] },
    { name: "QED", marks: [[0, "QED\0"]] },
    { name: "Parallels", marks: [[0, "WithoutFreeSpace"]] },
    { name: "Parallels", marks: [[0, "WithouFreSpacExt"]] },
  ];

/** @param head the first bytes of the file. @throws FEATURE_UNSUPPORTED naming the format */
export function refuseForeignImage(head: Uint8Array): void {
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString("latin1");
  const known = FORMATS.find(({ marks }) => marks.every(([at, bytes]) => text.startsWith(bytes, at)));
  if (known === undefined) return;
  throw new GuestbootError("FEATURE_UNSUPPORTED", `a disk image of the format ${known.name} cannot be read`, {
    hint: "qemu-img convert -O raw IMAGE DISK makes a raw disk of it",
  });
}
