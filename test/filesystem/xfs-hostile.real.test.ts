import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { seeded } from "../base/seeded.ts";
import { explore } from "./explore.ts";
import { CRC, Forged, forgeableImage, type Place } from "./xfs-forge.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-xfs-hostile-"));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const ROUNDS = 700;
/** The bound on resident memory that hosts set by default. */
const MAX_RESIDENT = 256 * 1024 * 1024;

describe.each([4, 5] as const)("an XFS image of version %i", (version) => {
  it(`that was damaged in ${ROUNDS} ways gives results or our own errors, soon, and in little memory`, () => {
    const image = path.join(folder, `disk-${version}.img`);
    forgeableImage(image, version);
    const forged = new Forged(image);
    const disk = forged.bytes;
    expect(explore(memorySource(disk)).errors).toEqual({});

    const structures = structuresOf(forged);
    const random = seeded(2026);
    const residentBefore = process.memoryUsage.rss();
    const seen: Record<string, number> = {};
    let slowest = 0;
    for (let round = 0; round < ROUNDS; round++) {
      for (let left = 1 + (random() % 3); left > 0; left--) {
        const [place, crc] = structures[random() % structures.length] ?? [forged.superblock, CRC.superblock];
        // Now and then the checksum is left wrong.
        forged.forge(place, random() % 16 === 0 ? null : crc, (structure) => damage(structure, random));
      }
      const explored = explore(memorySource(disk));
      slowest = Math.max(slowest, explored.milliseconds);
      for (const [code, count] of Object.entries(explored.errors)) seen[code] = (seen[code] ?? 0) + count;
      forged.restore();
    }
    expect(slowest).toBeLessThan(2000);
    expect(process.memoryUsage.rss() - residentBefore).toBeLessThan(MAX_RESIDENT);
    // The damage really reached what is read.
    expect(seen["FILESYSTEM_DAMAGED"]).toBeGreaterThan(ROUNDS / 10);
  });
});

/** What damage is worth while in, with the place of its checksum. */
function structuresOf(forged: Forged): readonly (readonly [Place, number])[] {
  const inodes = ["/", "/f", "/d", "/block", "/leaf", "/node", "/short", "/long"].map((name) => forged.inode(name));
  const datas = ["/block", "/leaf", "/node"].map((name) => forged.block(name, 0));
  const indexes = ["/leaf", "/node"].map((name) => forged.index(name));
  return [
    [forged.superblock, CRC.superblock],
    ...inodes.flatMap((place) => [0, 1].map((): readonly [Place, number] => [place, CRC.inode])),
    ...datas.flatMap((place) => [0, 1].map((): readonly [Place, number] => [place, CRC.data])),
    ...indexes.flatMap((place) => [0, 1].map((): readonly [Place, number] => [place, CRC.index])),
    [forged.version === 5 ? forged.treeBlock("/tree") : forged.treeBlock("/node"), CRC.tree],
    [forged.block("/long", 0), CRC.link],
  ];
}

const INTERESTING = [
  0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
];

/** One change at one place; in half of the cases where headers are. */
function damage(structure: Buffer, random: () => number): void {
  const within = random() % 2 === 0 ? structure.length : Math.min(structure.length, 256);
  const at = random() % (within - 4);
  const word = at - (at % 4);
  switch (random() % 6) {
    case 0:
      structure[at] = random();
      break;
    case 1:
      structure[at] = (structure[at] ?? 0) ^ (1 << (random() % 8));
      break;
    case 2:
      structure.fill(random() % 2 === 0 ? 0 : 0xff, at, Math.min(within, at + 1 + (random() % 16)));
      break;
    case 3:
    case 4:
      structure.writeUInt32BE(INTERESTING[random() % INTERESTING.length] ?? 0, word);
      break;
    default:
      // A word from elsewhere in the same structure: a plausible number in the wrong place.
      structure.writeUInt32BE(structure.readUInt32BE((random() % Math.floor(structure.length / 4)) * 4), word);
  }
}
