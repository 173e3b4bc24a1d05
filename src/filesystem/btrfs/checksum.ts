/**
 * The four kinds of checksums that a btrfs filesystem may have, over metadata and content alike.
 * Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "Superblock", csum_type.
 */
import { GuestbootError } from "../../base/errors.ts";
import { updateCrc32c } from "../crc32c.ts";
import { blake2b256 } from "./blake2b.ts";
import { xxh64 } from "./xxh64.ts";

export interface ChecksumKind {
  readonly name: string;
  /** Bytes of one checksum in the checksum tree. In metadata there is room for 32 bytes, always. */
  readonly size: number;
  readonly matches: (bytes: Uint8Array, stored: Uint8Array) => boolean;
}

/** @param type `csum_type` of the superblock. @throws FEATURE_UNSUPPORTED */
export function checksumKind(type: number): ChecksumKind {
  const kind = KINDS[type];
  if (kind === undefined) {
    throw new GuestbootError("FEATURE_UNSUPPORTED", `btrfs checksums of kind ${type} are not known`);
  }
  return kind;
}

const KINDS: readonly ChecksumKind[] = [
  { name: "crc32c", size: 4, matches: (bytes, stored) => viewOf(stored).getUint32(0, true) === crc32c(bytes) },
  {
    name: "xxhash64",
    size: 8,
    matches(bytes, stored) {
      const { high, low } = xxh64(bytes);
      const view = viewOf(stored);
      return view.getUint32(0, true) === low && view.getUint32(4, true) === high;
    },
  },
  { name: "sha256", size: 32, matches: (bytes, stored) => isSame(sha256(bytes), stored) },
  { name: "blake2b", size: 32, matches: (bytes, stored) => isSame(blake2b256(bytes), stored) },
];

/** Initial value and final inversion are all ones. */
function crc32c(bytes: Uint8Array): number {
  return ~updateCrc32c(0xffffffff, bytes) >>> 0;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return process.getBuiltinModule("node:crypto").createHash("sha256").update(bytes).digest();
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}
