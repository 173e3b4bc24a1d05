/**
 * A copy of a volume group's metadata on a physical volume: a header, and behind it text in a ring, of which the
 * header names the last that was committed.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { crcOfLvm } from "./checksum.ts";
import type { Area } from "./label.ts";

const HEADER_SIZE = 512;
const MAGIC = " LVM2 x[5A%r0N*>";
const VERSION = 1;
const LOCATION = 40;
const FLAG_IGNORED = 1;
/** A group of thousands of volumes takes 1 or 2 MiB. */
const MAX_TEXT = 16 * 1024 * 1024;

export type AreaContent =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "empty" }
  | { readonly kind: "damaged"; readonly why: string };

/** @throws OUT_OF_BOUNDS, DISK_UNREADABLE */
export function readMetadataArea(source: ByteSource, area: Area): AreaContent {
  const bytes = source.read(area.offset, HEADER_SIZE);
  const header = new CheckedReader(bytes, "LVM metadata header");
  if (Buffer.from(header.bytes(4, 16, "magic")).toString("latin1") !== MAGIC) return damaged("its header is missing");
  if (header.u32le(0, "checksum") !== crcOfLvm(bytes.subarray(4))) return damaged("its header's checksum is wrong");
  const version = header.u32le(20, "version");
  if (version !== VERSION) return damaged(`its header is of version ${version}`);
  if (header.u64le(24, "own place") !== area.offset) return damaged("its header is another's");
  const ring = header.u64le(32, "size");

  const offset = header.u64le(LOCATION, "offset of the text");
  const size = header.u64le(LOCATION + 8, "size of the text");
  const isIgnored = (header.u32le(LOCATION + 20, "flags") & FLAG_IGNORED) !== 0;
  if (offset === 0 || size === 0 || isIgnored) return { kind: "empty" };
  if (size > MAX_TEXT || offset < HEADER_SIZE || offset >= ring || size > ring - HEADER_SIZE) {
    return damaged(`its text of ${size} bytes at ${offset} does not fit into it`);
  }
  // The ring's first bytes are the header's: what runs over its end goes on behind that.
  const beforeEnd = Math.min(size, ring - offset);
  const first = source.read(area.offset + offset, beforeEnd);
  const second = source.read(area.offset + HEADER_SIZE, size - beforeEnd);
  if (header.u32le(LOCATION + 16, "checksum of the text") !== crcOfLvm(first, second)) {
    return damaged("its text's checksum is wrong");
  }
  return {
    kind: "text",
    text: Buffer.concat([first, second])
      .toString("utf8")
      .replace(/\0[^]*$/, ""),
  };
}

function damaged(why: string): AreaContent {
  return { kind: "damaged", why };
}
