/**
 * What a file is that was expected to be a kernel, in the words of the person who looks at the server: most often a
 * page that a web server sends in place of it.
 */
import { printable, quote } from "../base/printable.ts";

const ARM_ZIMAGE_OFFSET = 0x24;
const ARM_ZIMAGE = [0x18, 0x28, 0x6f, 0x01] as const;
const S390_OFFSET = 0x1_0008;

/** Kernels of architectures that Xen does not run, but installers have. */
export function otherKernel(bytes: Uint8Array): "zImage" | "s390 Image" | null {
  if (hasBytes(bytes, ARM_ZIMAGE_OFFSET, ARM_ZIMAGE)) return "zImage";
  if (hasBytes(bytes, S390_OFFSET, [...Buffer.from("S390EP")])) return "s390 Image";
  return null;
}

/** "a cpio archive", "a web page". */
export function whatElse(bytes: Uint8Array): string {
  for (const { what, offset, magic } of KNOWN) if (hasBytes(bytes, offset, magic)) return what;
  const page = serversWords(bytes);
  if (page !== null) return page;
  return `an unknown format (it begins with ${Buffer.from(bytes.subarray(0, 8)).toString("hex")})`;
}

/**
 * What a server sends in place of a file that it has not: `a web page ("404 Not Found")`, "a directory listing", text,
 * nothing. null where the bytes may be a file's.
 */
export function serversWords(bytes: Uint8Array): string | null {
  if (bytes.length === 0) return "an empty file";
  const page = webPage(bytes);
  if (page !== null) return page;
  const start = bytes.subarray(0, 512);
  if (start.every((byte) => byte === 0)) return "nothing but zeros";
  const text = Buffer.from(start).toString("latin1");
  if (hasBytes(bytes, 0, ascii("07070")) || !/^[\t\n\r\x20-\x7e]*$/.test(text)) return null;
  return `text (${quote(text.trim())})`;
}

const ascii = (text: string) => [...Buffer.from(text, "latin1")];

const KNOWN = [
  { what: "a cpio archive: an initrd?", offset: 0, magic: ascii("07070") },
  { what: "an RPM package", offset: 0, magic: [0xed, 0xab, 0xee, 0xdb] },
  { what: "a Debian package", offset: 0, magic: ascii("!<arch>\n") },
  { what: "a zip archive", offset: 0, magic: ascii("PK\x03\x04") },
  { what: "a squashfs image", offset: 0, magic: ascii("hsqs") },
  { what: "a tar archive", offset: 257, magic: ascii("ustar") },
  { what: "an ISO image", offset: 0x8001, magic: ascii("CD001") },
] as const;

function webPage(bytes: Uint8Array): string | null {
  const text = Buffer.from(bytes.subarray(0, 4096)).toString("latin1");
  if (!/^(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|\?xml|script|meta|!--)/i.test(text)) return null;
  const title = /<title[^>]*>\s*([^<]*?)\s*</i.exec(text)?.[1] ?? "";
  if (/^(?:index of|directory listing|listing of)\b/i.test(title)) return "a directory listing";
  return title === "" ? "a web page" : `a web page ("${printable(title.slice(0, 60))}")`;
}

function hasBytes(bytes: Uint8Array, offset: number, wanted: readonly number[]): boolean {
  return wanted.every((byte, index) => bytes[offset + index] === byte);
}
