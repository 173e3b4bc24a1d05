/**
 * What a file that should be a kernel is, told from its bytes: the formats that guests' kernels come in, the Linux
 * version in them, and whether they say that they can start as a Xen guest.
 *
 * The first `HEAD_SIZE` bytes are enough for the format. The Xen notes lie wherever the linker put them, so they may be
 * out of sight then. Not here: booting anything, and kernels too large for memory.
 */
import { recogniseCompression, type Compression } from "../compress/compression.ts";
import { isArm64Image, isPe } from "./arm-image.ts";
import { readBzImage } from "./bz-image.ts";
import { isElf, readElfKernel } from "./elf.ts";
import { expandHead, expandPayload, type KernelBytes } from "./payload.ts";
import { otherKernel, whatElse } from "./what-else.ts";
import type { XenAbility } from "./xen-notes.ts";

/** Bytes from the start of a file that tell its format. The s390 kernel has its mark just above 64 KiB. */
export const HEAD_SIZE = 0x1_1000;

export type KernelFormat = "bzImage" | "ELF" | "arm64 Image" | "PE" | "zImage" | "s390 Image";

export interface KernelImage {
  readonly kind: "kernel";
  readonly format: KernelFormat;
  /** How the whole file is compressed (`vmlinuz-xen` of old trees); null when it is not. */
  readonly compression: Compression | null;
  /** How what the kernel unpacks at its start is compressed (bzImage); null when nothing is, or it cannot be seen. */
  readonly payload: Compression | null;
  /** `6.1.0-44-amd64`; null when it does not say. */
  readonly version: string | null;
  /** The file's size in bytes must be at least this, or it was cut off; null where its headers do not tell. */
  readonly leastSize: number | null;
  readonly xen: XenAbility;
}

/** `what`: "a web page". */
export interface NoKernel {
  readonly kind: "other";
  readonly what: string;
}

/**
 * Tells what the file is. Never throws, whatever it is fed, and expands at most 128 MiB.
 */
export function readKernelImage({ bytes, isWhole }: KernelBytes): KernelImage | NoKernel {
  const compression = recogniseCompression(bytes);
  if (compression === null) return readPlain({ bytes, isWhole }, null);
  // All of it is expanded only where its beginning is a kernel's.
  const head = expandHead(compression === "gzip" ? bytes.subarray(0, HEAD_SIZE) : bytes, compression, HEAD_SIZE);
  if (head === null) return { kind: "other", what: `${compression} data that cannot be looked into` };
  const inside = readPlain({ bytes: head, isWhole: false }, compression);
  if (inside.kind === "other") return { ...inside, what: `${compression} data that is ${inside.what}` };
  const whole = isWhole ? expandPayload(bytes, compression) : null;
  return whole === null ? inside : readPlain({ bytes: whole, isWhole }, compression);
}

function readPlain({ bytes, isWhole }: KernelBytes, compression: Compression | null): KernelImage | NoKernel {
  const common = { kind: "kernel", compression, payload: null } as const;
  const setup = readBzImage(bytes, isWhole);
  if (setup !== null) return withSize({ ...common, format: "bzImage", ...setup });
  if (isElf(bytes)) {
    const elf = readElfKernel(bytes, isWhole);
    return typeof elf === "string" ? { kind: "other", what: elf } : withSize({ ...common, format: "ELF", ...elf });
  }
  const rest = {
    ...common,
    version: null,
    leastSize: null,
    xen: { seen: "hidden", why: "not an x86 kernel" },
  } as const;
  // Kernels that are EFI programs as well are PE files too: their own format first.
  if (isArm64Image(bytes)) return { ...rest, format: "arm64 Image" };
  const other = otherKernel(bytes);
  if (other !== null) return { ...rest, format: other };
  return isPe(bytes) ? { ...rest, format: "PE" } : { kind: "other", what: whatElse(bytes) };
}

/** What the headers say is the size of what is inside, which tells nothing of the compressed file's. */
function withSize(image: KernelImage): KernelImage {
  return image.compression === null ? image : { ...image, leastSize: null };
}
