/** What a kernel image is, in words and in the shape that `--json` prints. */
import type { Compression } from "../compress/compression.ts";
import { whyXenCannotUnpack } from "./host-xen.ts";
import type { KernelFormat, KernelImage } from "./kernel-image.ts";

export interface KernelDescription {
  readonly format: KernelFormat;
  readonly version: string | null;
  /** Of the whole file. */
  readonly compression: Compression | null;
  /** Of what a bzImage unpacks at its start. */
  readonly payload: Compression | null;
  /** As which Xen guests it can start; null where its notes cannot be seen. */
  readonly guests: readonly ("PV" | "PVH")[] | null;
  /** Why the notes cannot be seen. */
  readonly hidden: string | null;
  /** A sentence when this host's Xen could not unpack it. */
  readonly warning: string | null;
}

/** @param supported what this host's Xen unpacks (`readXenDecompressors`); null: not known */
export function describeKernel(image: KernelImage, supported: ReadonlySet<Compression> | null): KernelDescription {
  const { format, version, compression, payload, xen } = image;
  const notes = xen.seen === "notes" ? xen.notes : { pv: false, pvh: false };
  const guests = [...(notes.pv ? (["PV"] as const) : []), ...(notes.pvh ? (["PVH"] as const) : [])];
  return {
    format,
    version,
    compression,
    payload,
    guests: xen.seen === "hidden" ? null : guests,
    hidden: xen.seen === "hidden" ? xen.why : null,
    warning: whyXenCannotUnpack(image, supported),
  };
}

/** A line each, for a person: "Linux kernel 6.1.0-44-amd64 (bzImage, xz payload)". */
export function kernelLines(kernel: KernelDescription): readonly string[] {
  const { format, version, compression, payload, guests, hidden, warning } = kernel;
  const packed = [
    compression === null ? format : `${compression} of ${format}`,
    ...(payload === null ? [] : [`${payload} payload`]),
  ];
  return [
    `kernel${version === null ? "" : ` ${version}`} (${packed.join(", ")})`,
    guests === null ? `Xen notes cannot be seen: ${hidden ?? "not looked for"}` : guestsLine(guests),
    ...(warning === null ? [] : [warning]),
  ];
}

function guestsLine(guests: readonly string[]): string {
  return guests.length === 0
    ? "starts neither as a PV nor as a PVH guest"
    : `starts as a ${guests.join(" and a ")} guest`;
}
