/**
 * How an answer and a failure are written for the toolstacks: xend and the old xapi read s-expressions, xenopsd lines,
 * libxl NUL-terminated items.
 */
import { GuestbootError, type ErrorCode } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import { encodeText } from "../base/text.ts";
import type { Answer, ArgumentPiece, OutputFormat } from "./answer.ts";

/** libxl drops an item that is longer, in bytes. */
const LONGEST_SIMPLE0_ITEM = 8191;

/**
 * The bytes to write.
 *
 * @throws GuestbootError ANSWER_UNWRITABLE when a value cannot be carried whole: a control character (every format has
 *   one as its separator, and none belongs into a path or a command line), or an item that libxl would drop
 */
export function formatAnswer(answer: Answer, format: OutputFormat): Uint8Array {
  checkWritable("kernel path", answer.kernel);
  if (answer.ramdisk !== null) checkWritable("ramdisk path", answer.ramdisk);
  for (const piece of answer.arguments) checkWritable("kernel command line", piece.text);
  return encodeText(format === "sxp" ? sxpAnswer(answer) : simpleAnswer(answer, format));
}

/**
 * The words of a failure on standard error, newline included. xenopsd shows its user what follows `RuntimeError: `;
 * the old xapi reads a code and then an argument a line. Nothing from outside can add a line or reach a terminal as a
 * control sequence.
 */
export function formatFailure(
  error: GuestbootError,
  format: OutputFormat,
  program: "eliloader" | "pygrub" | "guestboot",
): string {
  const sentence = [error.message, error.hint ?? ""].map(oneLine).filter(Boolean).join("; ");
  if (program !== "eliloader" || format !== "sxp") return `RuntimeError: ${sentence}\n`;
  const code = xapiCode(error.code);
  const lines = code === "INTERNAL_ERROR" ? [sentence] : error.args.map(oneLine);
  return [code, ...lines].map((line) => `${line}\n`).join("");
}

function sxpAnswer(answer: Answer): string {
  const ramdisk = answer.ramdisk === null ? "" : `(ramdisk ${sxpPath(answer.ramdisk)})`;
  const words = joined(answer.arguments, (piece) =>
    piece.escaped && isEscaped(piece.text) ? piece.text : escapeSxp(piece.text),
  );
  const args = words === "" ? "" : `(args "${words}")`;
  return `linux (kernel ${sxpPath(answer.kernel)})${ramdisk}${args}\n`;
}

function simpleAnswer(answer: Answer, format: "simple" | "simple0"): string {
  const words = joined(answer.arguments, (piece) => piece.text);
  const items: [role: string, item: string][] = [["kernel path", `kernel ${answer.kernel}`]];
  if (answer.ramdisk !== null) items.push(["ramdisk path", `ramdisk ${answer.ramdisk}`]);
  if (words !== "") items.push(["kernel command line", `args ${words}`]);
  if (format === "simple0") for (const [role, item] of items) checkItemLength(role, item);

  const end = format === "simple" ? "\n" : "\0";
  return items.map(([, item]) => item + end).join("") + end;
}

function joined(pieces: readonly ArgumentPiece[], written: (piece: ArgumentPiece) => string): string {
  return pieces
    .filter((piece) => piece.text !== "")
    .map(written)
    .join(" ");
}

function sxpPath(path: string): string {
  return /^[^\s"'()\\]+$/.test(path) ? path : `"${escapeSxp(path)}"`;
}

function escapeSxp(text: string): string {
  return text.replace(/["\\]/g, "\\$&");
}

/**
 * Could this be the inside of a quoted string already? What a caller claims to have escaped and is not (a bare quote,
 * a backslash at the end) nobody escaped; left as it is it would end the string early.
 */
function isEscaped(text: string): boolean {
  return /^(?:[^"\\]|\\.)*$/s.test(text);
}

function checkWritable(role: string, text: string): void {
  const found = /[\0-\x08\n-\x1f\x7f]/.exec(text);
  if (found === null) return;
  throw new GuestbootError(
    "ANSWER_UNWRITABLE",
    `the ${role} holds ${nameOf(found[0])} at position ${found.index + 1}, which the toolstack's format cannot carry: ` +
      JSON.stringify(text.slice(Math.max(0, found.index - 40), found.index + 40)),
  );
}

function checkItemLength(role: string, item: string): void {
  const length = encodeText(item).length;
  if (length <= LONGEST_SIMPLE0_ITEM) return;
  throw new GuestbootError(
    "ANSWER_UNWRITABLE",
    `the ${role} makes an item of ${length} bytes, and libxl drops items longer than ${LONGEST_SIMPLE0_ITEM}`,
  );
}

function nameOf(character: string): string {
  if (character === "\n") return "a newline";
  if (character === "\r") return "a carriage return";
  if (character === "\0") return "a NUL character";
  return `the control character 0x${hex(character.charCodeAt(0))}`;
}

function xapiCode(code: ErrorCode): string {
  switch (code) {
    case "UNSUPPORTED_INSTALL_METHOD":
    case "SUPPORT_PACKAGE_MISSING":
    case "INVALID_SOURCE":
      return code;
    case "REPOSITORY_UNREACHABLE":
    case "REPOSITORY_REFUSED":
    case "REDIRECT_REFUSED":
    case "TRANSFER_TRUNCATED":
    case "TRANSFER_FAILED":
      return "INVALID_SOURCE";
    default:
      return "INTERNAL_ERROR";
  }
}

/** Newlines become "; ", other control characters and bytes that are no UTF-8 (see base/text.ts) `\xNN`. */
function oneLine(text: string): string {
  return printable(text.trim().replace(/\s*[\r\n]+\s*/g, "; "));
}

function hex(code: number): string {
  return code.toString(16).padStart(2, "0");
}
