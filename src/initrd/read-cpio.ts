/**
 * Reads one cpio archive, newc or crc, from its first header to its trailer, in a stream.
 *
 * What comes out is checked: sizes, names, checksums, the trailer. Not here: what stands before and behind the archive
 * (read-initrd.ts), and hard links, which are records of their own with the same inode number.
 */
import type { Budget } from "../base/budget.ts";
import { quote } from "../base/printable.ts";
import { decodeText } from "../base/text.ts";
import type { ByteStream } from "./byte-stream.ts";
import {
  damagedArchive,
  HEADER_SIZE,
  kindOf,
  LONGEST_PATH,
  paddingAfter,
  parseHeader,
  TRAILER,
  type CpioHeader,
  type CpioKind,
} from "./cpio-header.ts";

export interface CpioRecord {
  readonly header: CpioHeader;
  readonly kind: CpioKind;
  /** Below the initrd's root, without `/` or `./` in front; "" is the root itself. */
  readonly path: string;
  /** The name as it stands in the archive, without the zero. */
  readonly name: Uint8Array;
  /**
   * The content, in chunks that stay as they are. It can be read once, before the next record is asked for; what is
   * not read is left out, and its checksum is not compared then.
   */
  content(): AsyncGenerator<Uint8Array, void>;
}

/**
 * Yields the archive's records without the trailer; the stream stands behind the trailer then.
 *
 * @param where names the archive in errors
 * @param budget is spent one for each record
 * @throws GuestbootError ARCHIVE_DAMAGED, BUDGET_EXCEEDED; and what the stream throws
 */
export async function* readCpio(stream: ByteStream, where: string, budget: Budget): AsyncGenerator<CpioRecord, void> {
  for (;;) {
    budget.spend();
    const place = `${where}, at its byte ${stream.position}`;
    const head = await stream.take(HEADER_SIZE);
    if (head === null) throw cutOff(place);
    const header = parseHeader(head, place);
    const nameField = await stream.take(header.nameSize + paddingAfter(HEADER_SIZE + header.nameSize));
    if (nameField === null) throw cutOff(place);
    const name = nameOf(nameField.subarray(0, header.nameSize), place);
    const text = decodeText(name);
    if (text === TRAILER) {
      await skipContent(stream, header.size, place);
      return;
    }
    const kind = kindOf(header.mode);
    if (kind === null) throw damagedArchive(place, `${quote(text)} is of a kind that does not exist`);
    if (kind === "symlink" && header.size >= LONGEST_PATH) {
      throw damagedArchive(place, `the symbolic link ${quote(text)} says ${header.size} bytes`);
    }
    const content = new Content(stream, header, `${place}, ${quote(text)}`);
    yield { header, kind, path: pathOf(text, place), name: Uint8Array.from(name), content: () => content.read() };
    await content.finish();
  }
}

/** The content of a small record at once: where a symbolic link leads. */
export async function contentText(record: CpioRecord): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of record.content()) chunks.push(chunk);
  return decodeText(Buffer.concat(chunks));
}

/**
 * A name of an archive or overlay as a path below the root; names that lead out, or hold a zero, are refused.
 * @throws GuestbootError ARCHIVE_DAMAGED
 */
export function pathOf(name: string, where: string): string {
  const components = name.split("/").filter((component) => component !== "" && component !== ".");
  if (components.includes("..")) throw damagedArchive(where, `the name ${quote(name)} leads out of the initrd`);
  if (name.includes("\0")) throw damagedArchive(where, `the name ${quote(name)} holds a zero byte`);
  return components.join("/");
}

/** One record's content, and the padding behind it. */
class Content {
  readonly #stream: ByteStream;
  readonly #header: CpioHeader;
  readonly #where: string;
  #left: number;
  #isBegun = false;

  constructor(stream: ByteStream, header: CpioHeader, where: string) {
    this.#stream = stream;
    this.#header = header;
    this.#where = where;
    this.#left = header.size;
  }

  async *read(): AsyncGenerator<Uint8Array, void> {
    if (this.#isBegun) throw new TypeError("a record's content can be read once");
    this.#isBegun = true;
    // Links and empty names of a file say anything there; the kernel looks at files with content only.
    const { format, mode, size } = this.#header;
    const isChecked = format === "crc" && size > 0 && kindOf(mode) === "file";
    let sum = 0;
    while (this.#left > 0) {
      const chunk = await this.#stream.takeSome(this.#left);
      if (chunk === null) throw cutOff(this.#where);
      this.#left -= chunk.length;
      if (isChecked) sum = addBytes(sum, chunk);
      yield chunk;
    }
    if (isChecked && sum !== this.#header.checksum) {
      throw damagedArchive(this.#where, "its content does not have the checksum that its header says");
    }
  }

  async finish(): Promise<void> {
    const padding = paddingAfter(this.#header.size);
    await skipContent(this.#stream, this.#left, this.#where);
    this.#left = 0;
    if ((await this.#stream.skip(padding)) < padding) throw cutOff(this.#where);
  }
}

/** The checksum of the format crc over more bytes. */
export function addBytes(sum: number, bytes: Uint8Array): number {
  let total = 0;
  for (const byte of bytes) total += byte;
  return (sum + total) % 0x1_0000_0000;
}

async function skipContent(stream: ByteStream, size: number, where: string): Promise<void> {
  if ((await stream.skip(size)) < size) throw cutOff(where);
}

/** The name without the zero that ends it. */
function nameOf(field: Uint8Array, where: string): Uint8Array {
  const end = field.indexOf(0);
  const name = field.subarray(0, -1);
  if (end === field.length - 1) return name;
  const shown = quote(decodeText(name));
  throw damagedArchive(where, end === -1 ? `the name ${shown} does not end` : `the name ${shown} holds a zero byte`);
}

function cutOff(where: string): ReturnType<typeof damagedArchive> {
  return damagedArchive(where, "the archive ends in the middle: it is cut off");
}
