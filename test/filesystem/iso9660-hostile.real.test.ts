import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeIsoImage, type Mastering } from "../../fixtures/iso-images.ts";
import { memorySource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { noise, seeded } from "../base/seeded.ts";
import { call } from "./call.ts";
import { explore } from "./explore.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-iso9660-hostile-"));
const content = path.join(folder, "content");

beforeAll(() => {
  fs.mkdirSync(path.join(content, "install.amd"), { recursive: true });
  fs.writeFileSync(path.join(content, "install.amd/vmlinuz"), noise(70_000, 1));
  fs.writeFileSync(path.join(content, "menu.lst"), "title x\nkernel /install.amd/vmlinuz\n");
  fs.symlinkSync("install.amd/../install.amd/vmlinuz", path.join(content, "link"));
  fs.symlinkSync(`${"./".repeat(60)}menu.lst`, path.join(content, "long-link"));
  fs.writeFileSync(path.join(content, "n".repeat(240)), "a name that is continued elsewhere");
  fs.mkdirSync(path.join(content, "1/2/3/4/5/6/7/8/9"), { recursive: true });
  fs.writeFileSync(path.join(content, "1/2/3/4/5/6/7/8/9/deep"), "deep");
  fs.mkdirSync(path.join(content, "many"));
  for (let index = 0; index < 60; index++)
    fs.writeFileSync(path.join(content, `many/name-of-some-length-${index}`), "x");
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const KINDS: readonly (readonly [what: string, program: Mastering, options: readonly string[], isoinfo: string[]])[] = [
  ["Rock Ridge", "xorriso", ["-R"], ["-R"]],
  ["Rock Ridge and moved folders", "genisoimage", ["-R"], ["-R"]],
  ["Joliet", "genisoimage", ["-J", "-D", "-joliet-long"], ["-J"]],
  ["plain names", "xorriso", ["--norock", "-D"], []],
];

const ROUNDS = 700;
/** The bound on resident memory that hosts set by default. */
const MAX_RESIDENT = 256 * 1024 * 1024;
const SECTOR = 2048;

describe.each(KINDS)("an image with %s", (_what, program, options, isoinfo) => {
  it(`that was damaged in ${ROUNDS} ways gives results or our own errors, soon, and in little memory`, () => {
    const image = path.join(folder, "image.iso");
    makeIsoImage({ path: image, folder: content, program, options: ["-no-pad", ...options] });
    const pristine = fs.readFileSync(image);
    const before = explore(memorySource(pristine));
    // It does not go down as far as folders are nested here, and takes the last one for a file.
    expect(Object.keys(before.errors)).toEqual(["NOT_A_FILE"]);
    expect(before.files).toBeGreaterThan(60);

    const places = metadataSectors(image, pristine.length, isoinfo);
    const random = seeded(2026);
    const disk = Buffer.from(pristine);
    const residentBefore = process.memoryUsage.rss();
    const seen: Record<string, number> = {};
    let slowest = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const touched = Array.from({ length: 1 + (random() % 3) }, () => damage(disk, places, random));
      const explored = explore(memorySource(disk));
      slowest = Math.max(slowest, explored.milliseconds + goDeep(disk));
      for (const [code, count] of Object.entries(explored.errors)) seen[code] = (seen[code] ?? 0) + count;
      for (const [start, end] of touched) pristine.copy(disk, start, start, end);
    }
    expect(slowest).toBeLessThan(1000);
    expect(process.memoryUsage.rss() - residentBefore).toBeLessThan(MAX_RESIDENT);
    // The damage really reached what is read.
    expect(seen["FILESYSTEM_DAMAGED"]).toBeGreaterThan(ROUNDS / 20);
  });
});

/** To the folder that was moved, and back out of it; in milliseconds. */
function goDeep(disk: Buffer): number {
  const started = performance.now();
  try {
    openFilesystem(memorySource(disk)).list("/1/2/3/4/5/6/7/8/9/../../8/9");
  } catch (error) {
    if (!(error instanceof GuestbootError) || error.code === "INTERNAL") throw error;
  }
  return performance.now() - started;
}

type Range = readonly [start: number, end: number];

/** Descriptors, and all sectors in front of the files' content: folders and what continues their records. */
function metadataSectors(image: string, size: number, isoinfo: readonly string[]): readonly Range[] {
  const listed = call("isoinfo", [...isoinfo, "-l", "-i", image], "genisoimage");
  const extents = [...listed.matchAll(/^d.*\[\s*(\d+) \d\d\]/gm)].map(([, block]) => Number(block));
  // A continuation lies behind the folder whose records it belongs to.
  const sectors = new Set([16, 17, ...extents.flatMap((block) => [block, block + 1])]);
  const inside = [...sectors].filter((sector) => (sector + 1) * SECTOR <= size);
  expect(inside.length).toBeGreaterThan(8);
  return inside.map((sector) => [sector * SECTOR, sector * SECTOR + SECTOR]);
}

const INTERESTING = [0, 1, 2, 3, 4, 5, 0x1f, 0x21, 0x22, 0x7f, 0x80, 0xff];
const WORDS = [0, 1, 16, 0x7f, 0x7ff, 0x800, 0x801, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** One change at one place, mostly where something is; what range it touched. */
function damage(disk: Buffer, places: readonly Range[], random: () => number): Range {
  const [start, end] = places[random() % places.length] ?? [0, 8];
  let at = start + (random() % (end - start - 8));
  for (let tries = 0; tries < 20 && disk[at] === 0; tries++) at = start + (random() % (end - start - 8));
  switch (random() % 6) {
    case 0:
      disk[at] = random();
      return [at, at + 1];
    case 1:
      disk[at] = (disk[at] ?? 0) ^ (1 << (random() % 8));
      return [at, at + 1];
    case 2:
      disk[at] = INTERESTING[random() % INTERESTING.length] ?? 0;
      return [at, at + 1];
    case 3:
      disk.writeUInt32LE(WORDS[random() % WORDS.length] ?? 0, at);
      return [at, at + 4];
    case 4: {
      // Another entry in place of this one, where there is one.
      const signature = disk.toString("latin1", at, at + 2);
      if (!/^[A-Z]{2}$/.test(signature)) return [at, at];
      disk.write(["CE", "SL", "NM", "CL", "RE", "ST", "PX"][random() % 7] ?? "CE", at, "latin1");
      return [at, at + 2];
    }
    default: {
      // A piece of this sector in another place: plausible records where none should be.
      const from = start + (random() % (end - start - 64));
      const to = start + (random() % (end - start - 64));
      disk.copy(disk, to, from, from + 64);
      return [to, to + 64];
    }
  }
}
