/**
 * What `ls` and `cat` are told: a disk, a path in it, and which of its volumes is meant.
 */
import type { ParseArgsOptionsConfig } from "node:util";
import { GuestbootError } from "../base/errors.ts";

export const GUEST_PATH_OPTIONS = {
  volume: { type: "string" },
  offset: { type: "string" },
  help: { type: "boolean", short: "h" },
  debug: { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

/** @param fallback the path where none is given; null: there must be one. @throws USAGE */
export function diskAndPath(
  operands: readonly string[],
  fallback: string | null,
): { readonly disk: string; readonly path: string } {
  const [disk, path = fallback, extra] = operands;
  if (disk === undefined) throw new GuestbootError("USAGE", "DISK is missing");
  if (path === null) throw new GuestbootError("USAGE", "PATH is missing");
  if (extra !== undefined) throw new GuestbootError("USAGE", `"${extra}" is one argument too many`);
  return { disk, path };
}

/** Bytes. @throws USAGE */
export function offsetOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new GuestbootError("USAGE", `--offset takes a number of bytes, and not "${text}"`);
}
