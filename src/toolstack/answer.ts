/**
 * What a loader answers to its toolstack.
 */
import { encodeText } from "../base/text.ts";

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

/** Bytes that x86's Linux takes of its command line (`COMMAND_LINE_SIZE`, less the NUL); it cuts off the rest. */
const LONGEST_COMMAND_LINE = 2047;

/** A sentence for the admin where a guest's kernel would not see all of its arguments; else null. */
export function warningOfLength({ arguments: pieces }: Answer): string | null {
  const texts = pieces.map(({ text }) => text).filter((text) => text !== "");
  const { length } = encodeText(texts.join(" "));
  if (length <= LONGEST_COMMAND_LINE) return null;
  return `the kernel's arguments are ${length} bytes long: Linux on x86 takes ${LONGEST_COMMAND_LINE} and cuts off the rest`;
}
