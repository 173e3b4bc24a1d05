/**
 * Device names as GRUB writes them: `(hd0,0)`, `(hd0)`, `(hd0,msdos1)`, `(hd0,gpt2)`.
 * https://www.gnu.org/software/grub/manual/legacy/Device-syntax.html and File-name-syntax.html
 *
 * Not understood, and said so instead of guessed: BSD partitions (`(hd0,0,a)`, `(hd0,a)`), diskettes, CDs, the network.
 */
import type { GrubDevice } from "./boot-config.ts";

/** GRUB legacy counts a plain partition number from 0, GRUB 2 from 1; `msdos1` and `gpt1` are the first in both. */
export type DeviceNumbering = "grub-legacy" | "grub2";

/** A device between parentheses: one of the guest's disks, or something that only its name is known of. */
export type NamedDevice =
  { readonly kind: "disk"; readonly device: GrubDevice } | { readonly kind: "other"; readonly name: string };

/** A file name in two parts. `device` is null where the name has none; `path` is what follows, as it was written. */
export interface SplitFileName {
  readonly device: NamedDevice | null;
  readonly path: string;
}

const DISK = /^hd(\d{1,3})(?:,(msdos|gpt)?(\d{1,3}))?$/;

/** `(hd0,0)/boot/vmlinuz` as its device and `/boot/vmlinuz`. */
export function splitDevice(name: string, numbering: DeviceNumbering = "grub-legacy"): SplitFileName {
  if (!name.startsWith("(")) return { device: null, path: name };
  const end = name.indexOf(")");
  if (end < 0) return { device: { kind: "other", name }, path: "" };
  return { device: parseDevice(name.slice(0, end + 1), numbering), path: name.slice(end + 1) };
}

/** A device alone, `(hd0,0)`; the parentheses may be left out. */
export function parseDevice(text: string, numbering: DeviceNumbering = "grub-legacy"): NamedDevice {
  const inner = text.startsWith("(") && text.endsWith(")") ? text.slice(1, -1) : text;
  const match = DISK.exec(inner);
  if (match === null) return { kind: "other", name: `(${inner})` };
  const [, disk = "", table, partition] = match;
  if (partition === undefined) return { kind: "disk", device: { disk: Number(disk), partition: null } };
  const counted = Number(partition) + (numbering === "grub-legacy" && table === undefined ? 1 : 0);
  if (counted === 0) return { kind: "other", name: `(${inner})` };
  return { kind: "disk", device: { disk: Number(disk), partition: counted } };
}
