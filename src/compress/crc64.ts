/**
 * CRC-64 as `.xz` uses it (ECMA-182, reflected), four bytes at a time. The .xz File Format 1.2, section 6.
 */

/** Reflected, in two halves. */
const POLYNOMIAL_LOW = 0xd787_0f42 | 0;
const POLYNOMIAL_HIGH = 0xc96c_5795 | 0;

/** Four tables of 256 entries, low half and high half. Made at first use. */
let tables: { readonly low: Int32Array; readonly high: Int32Array } | null = null;

export class Crc64 {
  #low = -1;
  #high = -1;

  update(bytes: Uint8Array): void {
    const { low: lows, high: highs } = (tables ??= makeTables());
    let low = this.#low;
    let high = this.#high;
    const even = bytes.length & ~3;
    let at = 0;
    for (; at < even; at += 4) {
      const a = 0x300 + ((low ^ (bytes[at] ?? 0)) & 0xff);
      const b = 0x200 + (((low >>> 8) ^ (bytes[at + 1] ?? 0)) & 0xff);
      const c = 0x100 + (((low >>> 16) ^ (bytes[at + 2] ?? 0)) & 0xff);
      const d = ((low >>> 24) ^ (bytes[at + 3] ?? 0)) & 0xff;
      low = high ^ (lows[a] ?? 0) ^ (lows[b] ?? 0) ^ (lows[c] ?? 0) ^ (lows[d] ?? 0);
      high = (highs[a] ?? 0) ^ (highs[b] ?? 0) ^ (highs[c] ?? 0) ^ (highs[d] ?? 0);
    }
    for (; at < bytes.length; at++) {
      const index = (low ^ (bytes[at] ?? 0)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (lows[index] ?? 0);
      high = (high >>> 8) ^ (highs[index] ?? 0);
    }
    this.#low = low;
    this.#high = high;
  }

  /** Little endian, as it is stored. */
  digest(): Uint8Array {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, ~this.#low, true);
    view.setInt32(4, ~this.#high, true);
    return bytes;
  }
}

function makeTables(): { low: Int32Array; high: Int32Array } {
  const low = new Int32Array(1024);
  const high = new Int32Array(1024);
  for (let index = 0; index < 1024; index++) {
    // The first table from bits; each further one a zero byte later.
    let l = index < 256 ? index : (low[index - 256] ?? 0);
    let h = index < 256 ? 0 : (high[index - 256] ?? 0);
    for (let bit = 0; bit < 8; bit++) {
      const one = (l & 1) !== 0;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (one) {
        l ^= POLYNOMIAL_LOW;
        h ^= POLYNOMIAL_HIGH;
      }
    }
    low[index] = l;
    high[index] = h;
  }
  return { low, high };
}
