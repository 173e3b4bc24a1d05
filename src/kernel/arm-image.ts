/**
 * Kernels that are PE files (EFI applications), the arm64 Image among them.
 *
 * Documentation/arch/arm64/booting.rst ("Call the kernel image"); PE/COFF: Microsoft's "PE Format", section
 * "Signature".
 */
import { CheckedReader } from "../base/checked-reader.ts";

const ARM64_MAGIC_OFFSET = 0x38;
const ARM64_MAGIC = 0x644d5241; // "ARM\x64"
const MZ = 0x5a4d;
const PE_POINTER_OFFSET = 0x3c;
const PE_SIGNATURE = 0x0000_4550; // "PE\0\0"

export function isArm64Image(bytes: Uint8Array): boolean {
  const reader = new CheckedReader(bytes, "arm64 Image header");
  return bytes.length >= 64 && reader.u32le(ARM64_MAGIC_OFFSET, "magic") === ARM64_MAGIC;
}

export function isPe(bytes: Uint8Array): boolean {
  const reader = new CheckedReader(bytes, "PE header");
  if (bytes.length < 64 || reader.u16le(0, "MZ") !== MZ) return false;
  const at = reader.u32le(PE_POINTER_OFFSET, "e_lfanew");
  return at + 4 <= bytes.length && reader.u32le(at, "signature") === PE_SIGNATURE;
}
