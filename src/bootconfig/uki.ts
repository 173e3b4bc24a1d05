/**
 * A unified kernel image: a kernel, its initrd and its arguments as sections of one EFI program.
 * https://uapi-group.org/specifications/specs/unified_kernel_image/
 *
 * The sections are booted as they are; the stub, its measurements and its signature are for firmware, which a PV guest
 * has none of. Of an image with several profiles only the first one is read. Not read: `.dtb`, `.splash`, `.ucode`
 * is put before the initrd, as the stub does.
 */
import { sliceSource, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { decodeText } from "../base/text.ts";
import { readPeSections, type PeSection } from "./pe-sections.ts";

/** A part of the file, in bytes. */
interface Part {
  readonly offset: number;
  readonly length: number;
}

export interface UnifiedKernelImage {
  readonly kernel: Part;
  /** In the order in which the kernel is to unpack them. */
  readonly ramdisks: readonly Part[];
  readonly arguments: string;
  /** The kernel's own version, `uname -r`. */
  readonly kernelVersion: string | null;
  /** The fields of os-release(5). */
  readonly osRelease: ReadonlyMap<string, string>;
  readonly hasMoreProfiles: boolean;
}

/** Text sections are read up to this many bytes. */
const MAX_TEXT = 64 * 1024;
const MAX_OS_RELEASE_LINES = 200;

/**
 * Null when the file is no unified kernel image: another EFI program, or no program at all.
 * @throws IMAGE_DAMAGED; what reading throws
 */
export function readUki(file: ByteSource): UnifiedKernelImage | null {
  const sections = readPeSections(file);
  const kernel = sections?.find((section) => section.name === ".linux") ?? null;
  if (sections === null || kernel === null || kernel.length === 0) return null;
  const profiles = sections.flatMap(({ name }, index) => (name === ".profile" ? [index] : []));
  const [, second] = profiles;
  // What stands before the first `.profile` is for all of them, what follows for that one.
  const ofFirst = sections.slice(0, second ?? sections.length);
  const text = (name: string): string | null => {
    const section = ofFirst.findLast((candidate) => candidate.name === name);
    return section === undefined ? null : readText(file, section);
  };
  return {
    kernel: partOf(kernel),
    ramdisks: [".ucode", ".initrd"].flatMap((name) => {
      const section = ofFirst.findLast((candidate) => candidate.name === name);
      return section === undefined || section.length === 0 ? [] : [partOf(section)];
    }),
    arguments: (text(".cmdline") ?? "").trim().replace(/[\r\n]+/g, " "),
    kernelVersion: text(".uname")?.trim() ?? null,
    osRelease: readOsRelease(text(".osrel") ?? ""),
    hasMoreProfiles: second !== undefined,
  };
}

const partOf = ({ offset, length }: PeSection): Part => ({ offset, length });

function readText(file: ByteSource, section: PeSection): string {
  if (section.length > MAX_TEXT) {
    throw new GuestbootError(
      "IMAGE_DAMAGED",
      `${section.name} of a unified kernel image has ${section.length} bytes, more than the ${MAX_TEXT} that are read`,
    );
  }
  const bytes = sliceSource(file, section.offset, section.length, section.name).read(0, section.length);
  const end = bytes.indexOf(0);
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end));
}

/** `NAME=value`, in single, double or no quotation marks; as os-release(5), whose values are a shell's. */
function readOsRelease(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\n", MAX_OS_RELEASE_LINES)) {
    const match = /^\s{0,20}([A-Z][A-Z0-9_]{0,40})=(.*)$/.exec(line);
    const [, name, value = ""] = match ?? [];
    if (name !== undefined) fields.set(name, unquote(value.trim()));
  }
  return fields;
}

function unquote(value: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(value)?.[2];
  return (quoted ?? value).replace(/\\(["'$`\\])/g, "$1");
}
