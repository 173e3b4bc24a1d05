/** The decompressors that are ours, by name: each expands one member from an input, synchronously. */
import type { ByteInput } from "./byte-input.ts";
import { expandBzip2 } from "./bzip2.ts";
import { expandLz4 } from "./lz4.ts";
import { expandLzma } from "./lzma.ts";
import { expandLzop } from "./lzop.ts";
import { expandXz } from "./xz.ts";

export type OwnCompression = "xz" | "lzma" | "bzip2" | "lz4" | "lzo";

/** Yields chunks that stay as they are; afterwards the input stands behind the member. */
export type Expander = (input: ByteInput, maximumBytes: number) => Generator<Uint8Array, void>;

export const EXPANDERS: Readonly<Record<OwnCompression, Expander>> = {
  xz: expandXz,
  lzma: expandLzma,
  bzip2: expandBzip2,
  lz4: expandLz4,
  lzo: expandLzop,
};
