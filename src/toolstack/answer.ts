/**
 * What a loader answers to its toolstack.
 */

export type OutputFormat = "sxp" | "simple" | "simple0";

/** A piece of the kernel command line. `escaped` text came in already escaped for sxp and is never escaped again. */
export interface ArgumentPiece {
  readonly text: string;
  readonly escaped: boolean;
}

export interface Answer {
  /** Paths in the control domain. */
  readonly kernel: string;
  readonly ramdisk: string | null;
  readonly arguments: readonly ArgumentPiece[];
}
