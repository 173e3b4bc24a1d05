/**
 * An overlay: what is put over an initrd's files, whatever it came from and whatever it goes into.
 */
import type { ByteSource } from "../base/byte-source.ts";

export type OverlayKind =
  "file" | "directory" | "symlink" | "character device" | "block device" | "fifo" | "socket" | "hard link";

export interface OverlayEntry {
  /** Below the initrd's root; a `/` or `./` in front means nothing. */
  readonly path: string;
  readonly kind: OverlayKind;
  /** Permissions; a type in it is not looked at. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Bytes. */
  readonly size: number;
  /** Of files. */
  readonly content: ByteSource | null;
  /** What a symbolic link says, or the path that a hard link is another name of. */
  readonly target?: string;
  /** Of devices. */
  readonly major?: number;
  readonly minor?: number;
}

/** In the order in which they are put there: a hard link comes after what it links to. */
export type Overlay = readonly OverlayEntry[];
