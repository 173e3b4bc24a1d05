/**
 * Durations and sizes as admins write them, in settings and options.
 */

const SECONDS: Readonly<Record<string, number>> = { "": 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const BYTES: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

export const A_DURATION = "a number of seconds, or one with s, m, h, d or w: 3600, 1h";
export const A_BYTE_COUNT = "a number of bytes, or one with K, M, G or T (powers of 1024): 20G";

/** Seconds; null for what is no duration. */
export function readDuration(text: string): number | null {
  const [, count, unit] = /^(\d{1,9}) ?([smhdw]?)$/.exec(text.trim()) ?? [];
  return amount(count, SECONDS[unit ?? ""]);
}

/** Bytes; null for what is no size. */
export function readByteCount(text: string): number | null {
  const [, count, unit] = /^(\d{1,15}) ?([kmgt]?)(?:i?b)?$/i.exec(text.trim()) ?? [];
  return amount(count, BYTES[(unit ?? "").toLowerCase()]);
}

function amount(count: string | undefined, factor: number | undefined): number | null {
  if (count === undefined || factor === undefined) return null;
  const product = Number(count) * factor;
  return Number.isSafeInteger(product) ? product : null;
}
