/**
 * Kernels made up byte by byte from their specifications, as small as they can be.
 */
import { gzipSync, zstdCompressSync } from "node:zlib";

/** One ELF note (System V ABI, "Note Section"): sizes, type, then name and description, each padded to four bytes. */
export function note(name: string, type: number, description: string | number): Buffer {
  const nameBytes = Buffer.from(`${name}\0`);
  const descriptionBytes = Buffer.alloc(typeof description === "number" ? 4 : description.length + 1);
  if (typeof description === "number") descriptionBytes.writeUInt32LE(description);
  else descriptionBytes.write(description, "latin1");
  const head = Buffer.alloc(12);
  head.writeUInt32LE(nameBytes.length, 0);
  head.writeUInt32LE(descriptionBytes.length, 4);
  head.writeUInt32LE(type, 8);
  return Buffer.concat([head, padded(nameBytes), padded(descriptionBytes)]);
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}

/** As Linux 6.1 has them (xen/include/public/elfnote.h: GUEST_OS 6, XEN_VERSION 5, ENTRY 1, PHYS32_ENTRY 18). */
export const LINUX_XEN_NOTES = Buffer.concat([
  note("Xen", 6, "linux"),
  note("Xen", 5, "xen-3.0"),
  note("Xen", 1, 0x1000000),
  note("Xen", 18, 0x1000000),
]);

/** A 64-bit program (ET_EXEC) with one segment PT_LOAD of `code` and one PT_NOTE of `notes` after it. */
export function elf64(notes: Buffer, code: Buffer = Buffer.alloc(64, 0x90)): Buffer {
  const header = elfHeader(2);
  header.writeBigUInt64LE(64n, 0x20); // e_phoff
  header.writeUInt16LE(56, 0x36); // e_phentsize
  header.writeUInt16LE(2, 0x38); // e_phnum
  const codeAt = 64 + 2 * 56;
  const segment = (type: number, offset: number, size: number) => {
    const bytes = Buffer.alloc(56);
    bytes.writeUInt32LE(type, 0);
    bytes.writeBigUInt64LE(BigInt(offset), 8);
    bytes.writeBigUInt64LE(BigInt(size), 0x20);
    return bytes;
  };
  const segments = [segment(1, codeAt, code.length), segment(4, codeAt + code.length, notes.length)];
  return Buffer.concat([header, ...segments, code, notes]);
}

/** A 32-bit program with no segments and two sections: the text of `__xen_guest`, and the sections' names. */
export function elf32WithGuestSection(text: string): Buffer {
  const header = elfHeader(1);
  const content = Buffer.from(`${text}\0`);
  const names = Buffer.from("\0__xen_guest\0.shstrtab\0");
  const contentAt = 52;
  const namesAt = contentAt + content.length;
  header.writeUInt32LE(namesAt + names.length, 0x20); // e_shoff
  header.writeUInt16LE(40, 0x2e); // e_shentsize
  header.writeUInt16LE(3, 0x30); // e_shnum
  header.writeUInt16LE(2, 0x32); // e_shstrndx
  const section = (name: number, type: number, offset: number, size: number) => {
    const bytes = Buffer.alloc(40);
    [name, type, 0, 0, offset, size].forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
    return bytes;
  };
  const sections = [
    section(0, 0, 0, 0),
    section(1, 1, contentAt, content.length),
    section(13, 3, namesAt, names.length),
  ];
  return Buffer.concat([header.subarray(0, 52), content, names, ...sections]);
}

function elfHeader(elfClass: 1 | 2): Buffer {
  const header = Buffer.alloc(64);
  header.write("\x7fELF", 0, "latin1");
  header[4] = elfClass;
  header[5] = 1; // little endian
  header.writeUInt16LE(2, 16); // ET_EXEC
  return header;
}

/** A bzImage of protocol 2.15 (Documentation/arch/x86/boot.rst) around that payload. */
export function bzImage(payload: Buffer, version = "6.1.0-7-amd64 (debian-kernel@lists.debian.org) #1 SMP"): Buffer {
  const setup = Buffer.alloc(1024);
  setup[0x1f1] = 1; // setup_sects
  setup.writeUInt16LE(0xaa55, 0x1fe);
  setup.write("HdrS", 0x202, "latin1");
  setup.writeUInt16LE(0x020f, 0x206);
  setup.writeUInt16LE(0x100, 0x20e); // kernel_version: at 0x300
  setup.write(`${version}\0`, 0x300, "latin1");
  setup.writeUInt32LE(16, 0x248); // payload_offset
  setup.writeUInt32LE(payload.length, 0x24c);
  const code = Buffer.concat([Buffer.alloc(16, 0x90), payload]);
  const whole = Buffer.concat([code, Buffer.alloc((16 - (code.length % 16)) % 16)]);
  setup.writeUInt32LE(whole.length / 16, 0x1f4); // syssize
  return Buffer.concat([setup, whole]);
}

/** As the kernel's build packs it: gzip ends in the size by itself, the others get it appended. */
export function packed(by: "gzip" | "zstd", elf: Buffer): Buffer {
  if (by === "gzip") return gzipSync(elf);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(elf.length);
  return Buffer.concat([zstdCompressSync(elf), size]);
}
