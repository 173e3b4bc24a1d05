/**
 * The uncompressed archives at an initrd's start that a kernel looks into before it can decompress: microcode and ACPI
 * tables below `kernel/`. They must stay first and as they are.
 *
 * https://docs.kernel.org/arch/x86/microcode.html and docs.kernel.org/admin-guide/acpi/initrd_table_override.html.
 */
import { Budget } from "../base/budget.ts";
import { sliceSource, type ByteSource } from "../base/byte-source.ts";
import { COMPRESSION_HEAD_SIZE, recogniseCompression } from "../compress/compression.ts";
import { ByteStream } from "./byte-stream.ts";
import { hasCpioMagic } from "./cpio-header.ts";
import { plainChunks, skipZeros } from "./members.ts";
import { readCpio } from "./read-cpio.ts";

const MOST_RECORDS = 2_000_000;
const EARLY_FOLDER = "kernel";

/**
 * Bytes at the initrd's start that the early archives take, with the zeros behind them; 0 where there are none, or
 * nothing comes behind them.
 * @throws GuestbootError ARCHIVE_DAMAGED
 */
export async function earlyArchivesSize(initrd: ByteSource): Promise<number> {
  let end = 0;
  for (let offset = skipZeros(initrd, 0); hasArchiveAt(initrd, offset);) {
    const archive = await walkArchive(initrd, offset);
    if (!archive.isEarly) break;
    offset = end = skipZeros(initrd, archive.end);
  }
  return end === initrd.size ? 0 : end;
}

/**
 * Is the initrd's compressed member an LZ4 one? Uncompressed archives before it are stepped over; a second compressed
 * member could be found only by expanding the first, and is not looked for.
 * @throws GuestbootError ARCHIVE_DAMAGED
 */
export async function endsInLz4(initrd: ByteSource): Promise<boolean> {
  let offset = skipZeros(initrd, 0);
  while (hasArchiveAt(initrd, offset)) offset = skipZeros(initrd, (await walkArchive(initrd, offset)).end);
  return recogniseCompression(headAt(initrd, offset, COMPRESSION_HEAD_SIZE)) === "lz4";
}

/** Only headers are read. */
async function walkArchive(initrd: ByteSource, offset: number): Promise<{ end: number; isEarly: boolean }> {
  const rest = sliceSource(initrd, offset, initrd.size - offset, "the initrd");
  const stream = new ByteStream(plainChunks(rest, 0));
  let isEarly = true;
  for await (const { path } of readCpio(stream, whereAt(offset), new Budget("files in the initrd", MOST_RECORDS))) {
    isEarly &&= path === "" || path === EARLY_FOLDER || path.startsWith(`${EARLY_FOLDER}/`);
  }
  return { end: offset + stream.position, isEarly };
}

function hasArchiveAt(initrd: ByteSource, offset: number): boolean {
  return offset % 4 === 0 && hasCpioMagic(headAt(initrd, offset, 6));
}

function headAt(initrd: ByteSource, offset: number, length: number): Uint8Array {
  return initrd.read(offset, Math.min(length, initrd.size - offset));
}

function whereAt(offset: number): string {
  return `the uncompressed archive at byte ${offset} of the initrd`;
}
