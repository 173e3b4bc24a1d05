/**
 * What a disk is kept in: a raw disk is itself, VHD and QCOW2 images hold one. Nothing here opens a file: an image
 * that names another one (a parent, a backing file) is refused, so that a guest's bytes never lead to a host's file.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { refuseForeignImage } from "./foreign-image.ts";
import { openQcow2 } from "./qcow2.ts";
import { readQcow2Header } from "./qcow2-header.ts";
import { openVhd } from "./vhd.ts";

export interface DiskImage {
  readonly format: "raw" | "vhd" | "qcow2";
  /** The disk in the image; the source itself when it is raw. */
  readonly source: ByteSource;
  readonly notes: readonly string[];
}

/** "QFI\xfb", big-endian. */
const QCOW2_MAGIC = 0x514649fb;

/** @throws FEATURE_UNSUPPORTED naming what the image needs; IMAGE_DAMAGED, OUT_OF_BOUNDS, DISK_UNREADABLE */
export function openImage(source: ByteSource): DiskImage {
  const head = source.read(0, Math.min(512, source.size));
  if (isQcow2(head)) {
    const header = readQcow2Header(source);
    if (header !== null) return { format: "qcow2", source: openQcow2(source, header), notes: header.notes };
  }
  const vhd = openVhd(source, head);
  if (vhd === null) refuseForeignImage(head);
  return vhd === null ? { format: "raw", source, notes: [] } : { format: "vhd", source: vhd, notes: [] };
}

function isQcow2(head: Uint8Array): boolean {
  return head.length >= 4 && new DataView(head.buffer, head.byteOffset).getUint32(0) === QCOW2_MAGIC;
}
