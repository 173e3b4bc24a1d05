/**
 * The header of QCOW2 images, versions 2 and 3 (https://www.qemu.org/docs/master/interop/qcow2.html): where the map of
 * clusters is, and what of the format's features the image uses. All numbers are big-endian.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";

export type ClusterCompression = "deflate" | "zstd";

export interface Qcow2Header {
  /** Bytes of the disk in the image. */
  readonly size: number;
  readonly clusterSize: number;
  readonly l1Offset: number;
  readonly l1Entries: number;
  /** Each cluster of 32 subclusters, with L2 entries of 16 bytes. */
  readonly hasExtendedL2: boolean;
  readonly compression: ClusterCompression;
  readonly notes: readonly string[];
}

const MAGIC = 0x514649fb;
const V2_SIZE = 72;
const V3_SIZE = 104;
const COMPRESSION_OFFSET = 104;
const MIN_CLUSTER_BITS = 9;
/** QEMU's own limit: 2 MiB. */
const MAX_CLUSTER_BITS = 21;
const MIN_EXTENDED_BITS = 14;
const MAX_NAME = 1023;

const DIRTY = 1;
const CORRUPT = 2;
const EXTERNAL_DATA = 4;
const COMPRESSION_TYPE = 8;
const EXTENDED_L2 = 16;
const KNOWN = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2;

/**
 * The header, or null when the file is no QCOW2 image.
 * @throws FEATURE_UNSUPPORTED naming what cannot be read; IMAGE_DAMAGED, OUT_OF_BOUNDS
 */
export function readQcow2Header(file: ByteSource): Qcow2Header | null {
  const head = new CheckedReader(file.read(0, Math.min(512, file.size)), "QCOW2 header");
  if (head.length < V2_SIZE || head.u32be(0, "magic") !== MAGIC) return null;
  const version = head.u32be(4, "version");
  if (version !== 2 && version !== 3)
    throw unsupported(`QCOW version ${version}`, "qemu-img convert makes a raw image");
  const features = version === 2 ? 0 : readFeatures(head);
  refuseWhatIsElsewhere(file, head, features);
  const clusterBits = head.u32be(20, "cluster bits");
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS) {
    throw damagedQcow2(`a cluster has 2^${clusterBits} bytes`);
  }
  const hasExtendedL2 = (features & EXTENDED_L2) !== 0;
  if (hasExtendedL2 && clusterBits < MIN_EXTENDED_BITS)
    throw damagedQcow2("its clusters are too small for subclusters");
  const header: Qcow2Header = {
    size: head.u64be(24, "size"),
    clusterSize: 2 ** clusterBits,
    l1Entries: head.u32be(36, "L1 size"),
    l1Offset: head.u64be(40, "L1 table offset"),
    hasExtendedL2,
    compression: readCompression(head, features),
    notes: (features & CORRUPT) === 0 ? [] : ["the QCOW2 image is marked as corrupt: check it with qemu-img check"],
  };
  checkL1(header, file);
  return header;
}

function readFeatures(head: CheckedReader): number {
  const high = head.u32be(72, "incompatible features, high half");
  const low = head.u32be(76, "incompatible features");
  const unknown = (low & ~KNOWN) >>> 0;
  if (high !== 0 || unknown !== 0) {
    const bits = `0x${(high * 2 ** 32 + unknown).toString(16)}`;
    throw unsupported(`a QCOW2 image with the unknown features ${bits}`, "qemu-img convert makes a raw image");
  }
  return low;
}

function refuseWhatIsElsewhere(file: ByteSource, head: CheckedReader, features: number): void {
  const method = head.u32be(32, "encryption method");
  if (method !== 0) {
    const name = method === 1 ? "AES" : method === 2 ? "LUKS" : `method ${method}`;
    throw unsupported(`an encrypted QCOW2 image (${name})`, "qemu-img convert, with its key, makes a raw image");
  }
  const backing = head.u64be(8, "backing file offset");
  if (backing !== 0) {
    const length = Math.min(head.u32be(16, "backing file name length"), MAX_NAME, file.size - backing);
    const name = length > 0 ? Buffer.from(file.read(backing, length)).toString("utf8") : "";
    throw unsupported(
      `a QCOW2 image with a backing file (${quote(name)})`,
      "qemu-img convert makes one image of the two",
    );
  }
  if ((features & EXTERNAL_DATA) !== 0) {
    throw unsupported("a QCOW2 image with an external data file", "qemu-img convert makes one image of the two");
  }
}

function readCompression(head: CheckedReader, features: number): ClusterCompression {
  if ((features & COMPRESSION_TYPE) === 0 || head.u32be(100, "header length") <= V3_SIZE) return "deflate";
  const type = head.u8(COMPRESSION_OFFSET, "compression type");
  if (type === 0) return "deflate";
  if (type === 1) return "zstd";
  throw unsupported(`a QCOW2 image with compression type ${type}`, "qemu-img convert makes a raw image");
}

/** The L1 table is read entry by entry, so its size costs nothing; but it must be there. */
function checkL1(header: Qcow2Header, file: ByteSource): void {
  const perTable = header.clusterSize / (header.hasExtendedL2 ? 16 : 8);
  const needed = Math.ceil(header.size / (header.clusterSize * perTable));
  if (header.l1Entries < needed) throw damagedQcow2("its L1 table is too short for its size");
  if (header.l1Offset + header.l1Entries * 8 > file.size) throw damagedQcow2("its L1 table reaches past its end");
}

export function damagedQcow2(how: string): GuestbootError {
  return new GuestbootError("IMAGE_DAMAGED", `the QCOW2 image is damaged: ${how}`);
}

function unsupported(what: string, hint: string): GuestbootError {
  return new GuestbootError("FEATURE_UNSUPPORTED", `${what} cannot be read`, { hint });
}
