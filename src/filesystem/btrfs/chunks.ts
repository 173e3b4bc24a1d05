/**
 * From logical addresses, in which everything in btrfs is told, to places on the one device that we have.
 *
 * Chunks are read of the profiles single, DUP, RAID 1 (two to four copies), and those parts of RAID 0 and 10 that lie on
 * this device. RAID 5 and 6 are refused by name, and so is what lies only on a device that is not here.
 * Specification: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html, "CHUNK_ITEM".
 */
import { firstIndex } from "../../base/first-index.ts";
import type { CheckedReader } from "../../base/checked-reader.ts";
import { GuestbootError } from "../../base/errors.ts";
import { damaged } from "./damage.ts";

export interface Chunk {
  /** Logical address and length, in bytes. */
  readonly start: number;
  readonly length: number;
  readonly profile: Profile;
  readonly stripes: readonly Stripe[];
  /** RAID 10: how many stripes are copies of each other. */
  readonly copies: number;
}

interface Stripe {
  readonly device: number;
  /** Bytes on that device. */
  readonly offset: number;
}

/** As far as a range lies in one piece on the device. */
export interface Placed {
  readonly length: number;
  /** Bytes on the device, a place for each copy that is here. Never empty. */
  readonly places: readonly number[];
}

type Profile = "single" | "mirrored" | "RAID 0" | "RAID 10" | "RAID 5" | "RAID 6";

/** Chunks have a gibibyte, mostly: enough for what no guest has. */
const MAX_CHUNKS = 200_000;
const STRIPE_LENGTH = 64 * 1024;
const HEADER_SIZE = 48;
const STRIPE_SIZE = 32;

/** @param start the offset of the item's key */
export function readChunk(start: number, item: CheckedReader): Chunk {
  const length = item.u64le(0, "length");
  const type = item.u32le(24, "type");
  const count = item.u16le(44, "num_stripes");
  const subStripes = item.u16le(46, "sub_stripes");
  const profile = profileOf(type);
  if (length === 0 || !Number.isSafeInteger(start + length)) throw damaged(`the chunk at ${start} has ${length} bytes`);
  if (count === 0 || item.length < HEADER_SIZE + count * STRIPE_SIZE) {
    throw damaged(`the chunk at ${start} has ${count} stripes`);
  }
  const isStriped = profile !== "single" && profile !== "mirrored";
  if (isStriped && item.u64le(16, "stripe_len") !== STRIPE_LENGTH) {
    throw damaged(`the chunk at ${start} has stripes of another length than 64 KiB`);
  }
  const copies = profile === "RAID 10" ? subStripes : 1;
  if (copies === 0 || count % copies !== 0) throw damaged(`the chunk at ${start} has ${subStripes} sub-stripes`);
  if (profile === "single" && count !== 1) throw damaged(`the chunk at ${start} has ${count} stripes, but no profile`);
  const stripes = Array.from({ length: count }, (_, index) => ({
    device: item.u64le(HEADER_SIZE + index * STRIPE_SIZE, "stripe.devid"),
    offset: item.u64le(HEADER_SIZE + index * STRIPE_SIZE + 8, "stripe.offset"),
  }));
  return { start, length, profile, stripes, copies };
}

/** Bits of `type`; the first that is set names the profile. DUP, RAID 1, RAID1C3 and RAID1C4 differ in numbers only. */
const PROFILES: readonly (readonly [bit: number, profile: Profile])[] = [
  [0x8, "RAID 0"],
  [0x10, "mirrored"],
  [0x20, "mirrored"],
  [0x40, "RAID 10"],
  [0x80, "RAID 5"],
  [0x100, "RAID 6"],
  [0x200, "mirrored"],
  [0x400, "mirrored"],
];

function profileOf(type: number): Profile {
  return PROFILES.find(([bit]) => (type & bit) !== 0)?.[1] ?? "single";
}

/** The chunks of one filesystem, as seen from one of its devices. */
export class ChunkMap {
  readonly #chunks: Chunk[] = [];
  readonly #device: number;
  readonly #deviceCount: number;
  #last: Chunk | undefined;

  constructor(device: number, deviceCount: number) {
    this.#device = device;
    this.#deviceCount = deviceCount;
  }

  /** In ascending order. @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
  add(chunk: Chunk): void {
    const before = this.#chunks.at(-1);
    if (before !== undefined && chunk.start < before.start + before.length) {
      throw damaged(`the chunk at ${chunk.start} lies in another`);
    }
    if (this.#chunks.length >= MAX_CHUNKS) {
      throw new GuestbootError("BUDGET_EXCEEDED", `more than ${MAX_CHUNKS} chunks of btrfs: gave up`);
    }
    this.#chunks.push(chunk);
  }

  /** Does anything of the filesystem lie on other devices only? */
  get isPartial(): boolean {
    return this.#chunks.some(({ profile, stripes }) => {
      const here = stripes.filter(({ device }) => device === this.#device).length;
      return here < (profile === "mirrored" ? 1 : stripes.length);
    });
  }

  /**
   * The beginning of a logical range, in bytes: at most `length`.
   * @throws FILESYSTEM_DAMAGED, FEATURE_UNSUPPORTED for RAID 5 and 6, and where only a missing device has it
   */
  place(logical: number, length: number): Placed {
    const chunk = this.#chunkAt(logical);
    if (chunk === undefined) throw damaged(`the logical address ${logical} is in no chunk`);
    const { profile, stripes } = chunk;
    const inChunk = logical - chunk.start;
    const available = Math.min(length, chunk.length - inChunk);
    switch (profile) {
      case "single":
      case "mirrored":
        return { length: available, places: this.#here(stripes).map(({ offset }) => offset + inChunk) };
      case "RAID 0":
      case "RAID 10": {
        const rows = stripes.length / chunk.copies;
        const number = Math.floor(inChunk / STRIPE_LENGTH);
        const inStripe = inChunk % STRIPE_LENGTH;
        const first = (number % rows) * chunk.copies;
        const inDevice = Math.floor(number / rows) * STRIPE_LENGTH + inStripe;
        const copies = this.#here(stripes.slice(first, first + chunk.copies));
        const upTo = rows === 1 ? available : Math.min(available, STRIPE_LENGTH - inStripe);
        return { length: upTo, places: copies.map(({ offset }) => offset + inDevice) };
      }
      case "RAID 5":
      case "RAID 6":
        throw new GuestbootError("FEATURE_UNSUPPORTED", `btrfs chunks of ${profile} cannot be read`, {
          hint: "btrfs balance start -dconvert=raid1 -mconvert=raid1 in the guest makes the filesystem readable",
        });
    }
  }

  #here(stripes: readonly Stripe[]): readonly Stripe[] {
    const here = stripes.filter(({ device }) => device === this.#device);
    if (here.length > 0) return here;
    const others = [...new Set(stripes.map(({ device }) => device))].join(", ");
    throw new GuestbootError(
      "FEATURE_UNSUPPORTED",
      `this btrfs filesystem has ${this.#deviceCount} devices: what is needed lies on device ${others}, ` +
        `and this disk is device ${this.#device}`,
      { hint: "a guest's boot files must lie on one disk; RAID 1 puts a copy on each of two" },
    );
  }

  #chunkAt(logical: number): Chunk | undefined {
    const last = this.#last;
    if (last !== undefined && logical >= last.start && logical < last.start + last.length) return last;
    const next = firstIndex(this.#chunks.length, (index) => (this.#chunks[index]?.start ?? 0) > logical);
    const chunk = this.#chunks[next - 1];
    if (chunk === undefined || logical >= chunk.start + chunk.length) return undefined;
    return (this.#last = chunk);
  }
}
