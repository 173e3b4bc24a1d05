/**
 * Filters of `.xz` that make programs' code pack better: the packer turns relative jumps into absolute ones (branch,
 * call, jump: BCJ), or stores differences (delta). Here is the way back. Kernels' xz payloads and initrds with many
 * programs use the one for x86. Not here: IA-64 and RISC-V.
 *
 * The .xz File Format 1.2, section 5.3.2 and 5.3.3; each architecture's encoding of jumps; xz 5.4's filters (public
 * domain).
 */
import { unsupported } from "./damage.ts";

/** Undoes a filter over one stream, in order. */
export interface StreamFilter {
  /**
   * Changes `bytes` in place.
   * @param position of `bytes` in the stream
   * @returns how many are done; the rest must be handed in again at the start of more. At the end it stays as it is
   */
  undo(bytes: Uint8Array, position: number): number;
}

const DELTA = 0x03;
const X86 = 0x04;
const POWERPC = 0x05;
const ARM = 0x07;
const ARM_THUMB = 0x08;
const SPARC = 0x09;
const ARM64 = 0x0a;

/**
 * @param properties as the block's header holds them
 * @throws GuestbootError FEATURE_UNSUPPORTED
 */
export function openFilter(id: number, properties: Uint8Array, format: string): StreamFilter {
  if (id === DELTA && properties.length === 1) return undoDelta((properties[0] ?? 0) + 1);
  const view = new DataView(properties.buffer, properties.byteOffset, properties.byteLength);
  if (properties.length !== 0 && properties.length !== 4) throw unsupported(format, "use a filter in an unknown way");
  const start = properties.length === 4 ? view.getUint32(0, true) : 0;
  const filter = branchFilter(id);
  if (filter === null) throw unsupported(format, `use the filter 0x${id.toString(16)}`);
  return start === 0 ? filter : { undo: (bytes, position) => filter.undo(bytes, start + position) };
}

function branchFilter(id: number): StreamFilter | null {
  switch (id) {
    case X86:
      return undoX86();
    case POWERPC:
      return undoWords(powerPc);
    case ARM:
      return undoWords(arm);
    case ARM_THUMB:
      return { undo: undoArmThumb };
    case SPARC:
      return undoWords(sparc);
    case ARM64:
      return undoWords(arm64);
    default:
      return null;
  }
}

function undoDelta(distance: number): StreamFilter {
  const history = new Uint8Array(256);
  let at = 0;
  return {
    undo(bytes) {
      for (let index = 0; index < bytes.length; index++) {
        const value = ((bytes[index] ?? 0) + (history[(at - distance) & 0xff] ?? 0)) & 0xff;
        history[at & 0xff] = value;
        bytes[index] = value;
        at++;
      }
      return bytes.length;
    },
  };
}

/** Instructions of four bytes. `change` gets a view, the instruction's index in it, and its position in the stream. */
function undoWords(change: (view: DataView, at: number, position: number) => void): StreamFilter {
  return {
    undo(bytes, position) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const end = bytes.length & ~3;
      for (let at = 0; at < end; at += 4) change(view, at, position + at);
      return end;
    },
  };
}

/** `bl`: 24 bits of words, from two instructions further on. */
function arm(view: DataView, at: number, position: number): void {
  if (view.getUint8(at + 3) !== 0xeb) return;
  const target = (view.getUint32(at, true) & 0xff_ffff) << 2;
  view.setUint32(at, (((target - position - 8) >>> 2) & 0xff_ffff) | 0xeb00_0000, true);
}

/** `bl` with 26 bits of words; `adrp` with 21 bits of pages, where it reaches no further than 512 MiB. */
function arm64(view: DataView, at: number, position: number): void {
  const code = view.getUint32(at, true);
  if (code >>> 26 === 0x25) {
    view.setUint32(at, 0x9400_0000 | ((code - Math.floor(position / 4)) & 0x3ff_ffff), true);
  } else if ((code & 0x9f00_0000) >>> 0 === 0x9000_0000) {
    const pages = ((code >>> 29) & 3) | ((code >>> 3) & 0x1f_fffc);
    if (((pages + 0x2_0000) & 0x1c_0000) !== 0) return;
    const target = pages - Math.floor(position / 4096);
    const high = ((target & 0x3_fffc) << 3) | (-(target & 0x2_0000) & 0xe0_0000);
    view.setUint32(at, (code & 0x9000_001f) | ((target & 3) << 29) | high, true);
  }
}

/** `bl`, absolute bit clear, link bit set: 24 bits of words. */
function powerPc(view: DataView, at: number, position: number): void {
  const code = view.getUint32(at, false);
  if ((code & 0xfc00_0003) >>> 0 !== 0x4800_0001) return;
  view.setUint32(at, 0x4800_0001 | ((code - position) & 0x03ff_fffc), false);
}

/** `call` with a displacement of 22 bits and sign. */
function sparc(view: DataView, at: number, position: number): void {
  const code = view.getUint32(at, false);
  const high = code >>> 22;
  if (high !== 0x100 && high !== 0x1ff) return;
  const target = ((code << 2) - position) >>> 2;
  const sign = (0 - ((target >>> 22) & 1)) << 22;
  view.setUint32(at, (sign & 0x3fff_ffff) | (target & 0x3f_ffff) | 0x4000_0000, false);
}

/** `bl` as two halves of two bytes each. */
function undoArmThumb(bytes: Uint8Array, position: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at + 4 <= bytes.length) {
    const first = view.getUint16(at, true);
    const second = view.getUint16(at + 2, true);
    if ((first & 0xf800) === 0xf000 && (second & 0xf800) === 0xf800) {
      const target = (((first & 0x7ff) << 11) | (second & 0x7ff)) << 1;
      const relative = (target - (position + at + 4)) >>> 1;
      view.setUint16(at, 0xf000 | ((relative >>> 11) & 0x7ff), true);
      view.setUint16(at + 2, 0xf800 | (relative & 0x7ff), true);
      at += 2;
    }
    at += 2;
  }
  return at;
}

/**
 * `call` and `jmp` with 32 bits, which can begin at any byte: the packer leaves alone what looks like one inside
 * another, and so does this.
 */
function undoX86(): StreamFilter {
  /** Which of the last bytes looked like an operation or like an address's highest byte. */
  let mask = 0;
  let last = -5;
  return {
    undo(bytes, position) {
      if (position - last > 5) last = position - 5;
      const limit = bytes.length - 5;
      let at = 0;
      while (at <= limit) {
        const operation = bytes[at] ?? 0;
        if (operation !== 0xe8 && operation !== 0xe9) {
          at++;
          continue;
        }
        const since = position + at - last;
        last = position + at;
        if (since > 5) mask = 0;
        else for (let count = 0; count < since; count++) mask = (mask & 0x77) << 1;
        const highest = bytes[at + 4] ?? 0;
        const seen = mask >> 1;
        if (isExtreme(highest) && seen <= 4 && seen !== 3) {
          const relative = x86Relative(bytes, at, position, mask);
          bytes[at + 1] = relative;
          bytes[at + 2] = relative >>> 8;
          bytes[at + 3] = relative >>> 16;
          bytes[at + 4] = (relative & 0x100_0000) === 0 ? 0 : 0xff;
          at += 5;
          mask = 0;
        } else {
          at++;
          mask |= isExtreme(highest) ? 0x11 : 1;
        }
      }
      return Math.max(at, 0);
    },
  };
}

/** Of an address in 16 MiB above or below. */
function isExtreme(byte: number): boolean {
  return byte === 0 || byte === 0xff;
}

const BYTES_BY_MASK = [0, 1, 2, 2, 3] as const;

function x86Relative(bytes: Uint8Array, at: number, position: number, mask: number): number {
  let source =
    (bytes[at + 1] ?? 0) | ((bytes[at + 2] ?? 0) << 8) | ((bytes[at + 3] ?? 0) << 16) | ((bytes[at + 4] ?? 0) << 24);
  // At most thrice: each round looks at the byte that the mask names, and changes those below it.
  for (let round = 0; ; round++) {
    const relative = (source - (position + at + 5)) | 0;
    if (mask === 0 || round > 3) return relative;
    const bits = 8 * (BYTES_BY_MASK[mask >> 1] ?? 0);
    if (!isExtreme((relative >>> (24 - bits)) & 0xff)) return relative;
    source = relative ^ (bits === 0 ? -1 : (1 << (32 - bits)) - 1);
  }
}
