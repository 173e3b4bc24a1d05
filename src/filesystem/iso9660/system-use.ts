/**
 * The System Use Sharing Protocol: entries behind the name of a directory record, continued elsewhere where they have
 * no room. Rock Ridge is written in them.
 * Specification: SUSP 1.12 (IEEE P1281).
 */
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import { u32both } from "./fields.ts";
import type { IsoVolume } from "./volume.ts";
import { damaged } from "./damage.ts";

export interface SystemUseEntry {
  /** Two letters: "NM". */
  readonly signature: string;
  /** The entry whole; its own fields begin at offset 4. */
  readonly entry: CheckedReader;
}

const HEADER_SIZE = 4;
const CE_SIZE = 28;
const SP_SIZE = 7;
/** CD-ROM XA has 14 bytes of its own in front. */
const SP_OFFSETS = [0, 14];

/**
 * Bytes of all continuations of one record. The longest name and the longest link that a kernel takes need some five
 * thousand.
 */
const MAX_CONTINUED = 32 * 1024;

/**
 * What is to be skipped at the start of every record's system use area (section 5.3), or null where the area of the
 * root's own record says nothing of SUSP. `skip` is right for this area as well.
 */
export function findSharingProtocol(area: Uint8Array): { readonly start: number; readonly skip: number } | null {
  for (const start of SP_OFFSETS) {
    if (start + SP_SIZE > area.length) break;
    const reader = new CheckedReader(area.subarray(start, start + SP_SIZE), "SP");
    const head = Buffer.from(area.subarray(start, start + 2)).toString("latin1");
    if (head === "SP" && reader.u8(2, "LEN") === SP_SIZE && reader.u16be(4, "Check Bytes") === 0xbeef) {
      return { start, skip: reader.u8(6, "LEN_SKP") };
    }
  }
  return null;
}

/**
 * The entries of an area and of everything that continues it.
 * @throws FILESYSTEM_DAMAGED for lengths that cannot be and continuations that lead in a circle or out of the image;
 *   BUDGET_EXCEEDED
 */
export function* systemUseEntries(volume: IsoVolume, first: Uint8Array): Generator<SystemUseEntry> {
  const continued = new Budget("bytes of a directory record's continuations", MAX_CONTINUED);
  const visited = new Set<number>();
  let area: Uint8Array | null = first;
  while (area !== null) {
    let next: CheckedReader | null = null;
    for (const each of entriesOf(area)) {
      volume.spendEntry();
      if (each.signature === "CE") next = each.entry;
      else yield each;
    }
    area = next === null ? null : continuation(volume, next, visited, continued);
  }
}

function* entriesOf(area: Uint8Array): Generator<SystemUseEntry> {
  let at = 0;
  // Up to three bytes at the end are padding (section 4).
  while (at + HEADER_SIZE <= area.length) {
    const first = area[at] ?? 0;
    const second = area[at + 1] ?? 0;
    const length = area[at + 2] ?? 0;
    // Zeros are what older programs pad with.
    if (first === 0 && second === 0 && length === 0) return;
    const signature = String.fromCharCode(first, second);
    if (length < HEADER_SIZE || at + length > area.length) {
      throw damaged(`a system use entry of ${length} bytes where ${area.length - at} are left`);
    }
    if (signature === "ST") return;
    yield { signature, entry: new CheckedReader(area.subarray(at, at + length), `system use entry ${signature}`) };
    at += length;
  }
}

/** Section 5.1. */
function continuation(volume: IsoVolume, entry: CheckedReader, visited: Set<number>, budget: Budget): Uint8Array {
  if (entry.length < CE_SIZE) throw damaged(`a system use entry CE of ${entry.length} bytes`);
  const block = u32both(entry, 4, "Block Location of Continuation Area");
  const start = block * volume.blockSize + u32both(entry, 12, "Offset to Start of Continuation Area");
  const size = u32both(entry, 20, "Length of Continuation Area");
  if (visited.has(start)) throw damaged(`the continuations of a directory record lead in a circle at ${start}`);
  visited.add(start);
  budget.spend(size);
  return volume.readMetadata({ start, size }, "the continuation of a directory record");
}
