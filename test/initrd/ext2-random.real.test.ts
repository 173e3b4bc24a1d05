import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { OverlayEntry } from "../../src/initrd/overlay.ts";
import { noise, seeded } from "../base/seeded.ts";
import { temporaryFolder } from "../program.ts";
import {
  device,
  file,
  folder,
  hardLink,
  judgeByE2fsck,
  listed,
  listedByKernel,
  listedEntry,
  makeImage,
  special,
  symlink,
  write,
  type ImageOptions,
} from "./ext2-image.ts";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());

/** What a tree should hold: names that share an object are hard links of one file. */
type Model = Map<string, { readonly entry: OverlayEntry }>;

const ROUNDS = 8;
const ENTRIES = 60;

const IMAGES: Readonly<Record<string, ImageOptions>> = {
  "revision 0": { options: ["-r", "0", "-b", "1024", "-I", "128", "-N", "64"], sizeKiB: 300 },
  "small groups": {
    options: ["-O", "none,filetype,sparse_super", "-b", "1024", "-g", "512", "-N", "128"],
    sizeKiB: 2000,
  },
  "all of today's features": { options: ["-t", "ext2", "-b", "1024", "-I", "256", "-N", "48"], sizeKiB: 900 },
  "4 KiB blocks": { options: ["-t", "ext2", "-b", "4096", "-N", "64"], sizeKiB: 800 },
};

describe.each(Object.entries(IMAGES))("any overlays, one after another: %s", (title, options) => {
  it.each([1, 2, 3])("e2fsck and the kernel agree with what was asked for, seed %i", (seed) => {
    const image = path.join(temporary.path, `${title.replace(/\W+/g, "-")}-${seed}`);
    const next = seeded(seed * 7919);
    const model: Model = new Map();
    makeImage(image, options);
    for (let round = 0; round < ROUNDS; round++) {
      write(image, randomOverlay(model, next, round));
      judgeByE2fsck(image);
      const found = Object.entries(listedByKernel(image)).filter(([name]) => name !== "" && name !== "lost+found");
      expect(Object.fromEntries(found)).toEqual(expectedOf(model));
    }
  });
});

/** Entries that are all possible, in this order; the model follows. */
function randomOverlay(model: Model, next: () => number, round: number): OverlayEntry[] {
  const entries: OverlayEntry[] = [];
  for (let index = 0; index < ENTRIES; index++) {
    const entry = randomEntry(model, next, round * ENTRIES + index);
    if (entry === null) continue;
    entries.push(entry);
    apply(model, entry);
  }
  return entries;
}

function randomEntry(model: Model, next: () => number, index: number): OverlayEntry | null {
  const folders = ["", ...[...model].filter(([, { entry }]) => entry.kind === "directory").map(([name]) => `${name}/`)];
  const parent = folders[next() % folders.length] ?? "";
  const missing = next() % 12 === 0 ? `made-${index}/deeper/` : "";
  // Names of all lengths, and few enough that many are met again.
  const number = next() % 14;
  const name = `${parent}${missing}n${number}${"-".repeat(number * 17)}`;
  const there = model.get(name)?.entry;
  const isFullFolder = there?.kind === "directory" && [...model.keys()].some((other) => other.startsWith(`${name}/`));
  const attributes = { mode: next() & 0o7777, uid: next() % 70_000, gid: next() % 70_000, mtime: next() % 0x7fff_ffff };
  const kind = next() % 12;
  if (kind < 2) return there?.kind === "symlink" || parent.split("/").length > 6 ? null : folder(name, attributes);
  if (isFullFolder) return null;
  if (kind === 2) return symlink(name, "t".repeat(1 + (next() % 300)), { ...attributes, mode: 0o777 });
  if (kind === 3) return device(name, "character device", next() % 4096, next() % 2 ** 20);
  if (kind === 4) return device(name, "block device", next() % 256, next() % 256);
  if (kind === 5) return special(name, next() % 2 === 0 ? "fifo" : "socket", attributes);
  if (kind === 6) {
    const sources = [...model].filter(([other, { entry }]) => entry.kind !== "directory" && other !== name);
    const source = sources[next() % sources.length];
    return source === undefined ? null : hardLink(name, source[0]);
  }
  const size = [0, next() % 100, next() % 14_000, next() % 40_000, next() % 400_000][next() % 5] ?? 0;
  return file(name, noise(size, index + 1), attributes);
}

function apply(model: Model, entry: OverlayEntry): void {
  const parts = entry.path.split("/");
  for (let length = 1; length < parts.length; length++) {
    const parent = parts.slice(0, length).join("/");
    if (!model.has(parent)) model.set(parent, { entry: folder(parent, { mtime: entry.mtime }) });
  }
  const source = entry.kind === "hard link" ? model.get(entry.target ?? "") : { entry };
  if (source === undefined) throw new Error("the model has no such file");
  model.set(entry.path, source);
}

function expectedOf(model: Model): Record<string, string> {
  const names = [...model.keys()];
  const lines = [...model].map(([name, object]): [string, string] => {
    const { entry } = object;
    if (entry.kind === "directory") {
      const below = names.filter(
        (other) => path.dirname(other) === name && model.get(other)?.entry.kind === "directory",
      );
      return [name, listed("directory", entry.mode, entry.uid, entry.gid, entry.mtime, 2 + below.length, "")];
    }
    return [name, listedEntry(entry, names.filter((other) => model.get(other) === object).length)];
  });
  return Object.fromEntries(lines);
}
