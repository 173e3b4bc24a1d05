/**
 * Which filesystem a volume holds; and the names of those that we recognise but cannot read, for the admin.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { openBtrfs } from "./btrfs/btrfs-driver.ts";
import { hasBtrfsMagic } from "./btrfs/superblock.ts";
import { openExt } from "./ext/ext-driver.ts";
import { hasExtMagic } from "./ext/superblock.ts";
import { hasFatMagic } from "./fat/boot-sector.ts";
import { openFat } from "./fat/fat-driver.ts";
import type { GuestFilesystem } from "./filesystem.ts";
import { guestFilesystem } from "./guest-filesystem.ts";
import { openIso9660 } from "./iso9660/iso-driver.ts";
import { hasIsoMagic } from "./iso9660/volume-descriptor.ts";
import { openReiserfs } from "./reiserfs/reiserfs-driver.ts";
import { hasReiserfsMagic } from "./reiserfs/superblock.ts";
import { openSquashfs } from "./squashfs/squashfs-driver.ts";
import { hasSquashfsMagic } from "./squashfs/superblock.ts";
import { hasXfsMagic } from "./xfs/superblock.ts";
import { openXfs } from "./xfs/xfs-driver.ts";

/** What else a volume may hold: the bytes that its format has at an offset. The first that fits is told. */
const SIGNATURES: readonly { readonly what: string; readonly offset: number; readonly bytes: string }[] = [
  { what: "a ReiserFS filesystem from before Linux 2.4", offset: 0x2034, bytes: "ReIsErFs" },
  { what: "an encrypted volume (LUKS)", offset: 0, bytes: "LUKS\xba\xbe" },
  ...[0, 512, 1024, 1536].map((offset) => ({ what: "an LVM physical volume", offset, bytes: "LABELONE" })),
  ...[0, 4096].map((offset) => ({ what: "a member of a Linux RAID", offset, bytes: "\xfc\x4e\x2b\xa9" })),
  { what: "Linux swap space", offset: 4086, bytes: "SWAPSPACE2" },
  { what: "a partition table (GPT)", offset: 512, bytes: "EFI PART" },
  { what: "an NTFS filesystem", offset: 3, bytes: "NTFS    " },
];

const LOOKED_AT = 4096;

/** @throws NO_FILESYSTEM saying what is there instead; FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED */
export function openFilesystem(source: ByteSource): GuestFilesystem {
  if (hasExtMagic(source)) return guestFilesystem(openExt(source));
  if (hasXfsMagic(source)) return guestFilesystem(openXfs(source));
  if (hasBtrfsMagic(source)) return guestFilesystem(openBtrfs(source));
  if (hasIsoMagic(source)) return guestFilesystem(openIso9660(source));
  if (hasSquashfsMagic(source)) return guestFilesystem(openSquashfs(source));
  if (hasReiserfsMagic(source)) return guestFilesystem(openReiserfs(source));
  // Last: a FAT volume has no magic number of its own, and others may begin with a boot sector, too.
  if (hasFatMagic(source)) return guestFilesystem(openFat(source));
  throw new GuestbootError("NO_FILESYSTEM", describe(source));
}

function describe(source: ByteSource): string {
  const known = SIGNATURES.find(({ offset, bytes }) => holds(source, offset, bytes));
  if (known !== undefined) return `${known.what}, which cannot be read yet`;
  const head = source.read(0, Math.min(LOOKED_AT, source.size));
  return head.every((byte) => byte === 0) ? "empty (it begins with zeros)" : "no filesystem that is known";
}

function holds(source: ByteSource, offset: number, bytes: string): boolean {
  if (offset + bytes.length > source.size) return false;
  return Buffer.from(bytes, "latin1").equals(source.read(offset, bytes.length));
}
