/** FAT images made by mkfs.fat and filled by mtools, and what mtools and GRUB read from them. */
import * as fs from "node:fs";
import * as path from "node:path";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { manifestOfFolder, type Manifest } from "./manifest.ts";

const KIB = 1024;

export function makeFatImage(image: string, sizeKiB: number, options: readonly string[]): void {
  fs.rmSync(image, { force: true });
  fs.writeFileSync(image, "");
  fs.truncateSync(image, sizeKiB * KIB);
  call("mkfs.fat", [...options, image], "dosfstools");
}

/** In a locale whose names are UTF-8: mtools would lose characters else. */
export function mtools(program: string, image: string, ...args: readonly string[]): string {
  return call("env", ["LC_ALL=C.UTF-8", program, "-i", image, ...args], "mtools");
}

export interface FatTree {
  /** Entries of the folder `many`. */
  readonly many: number;
  /** Bytes of the largest file. */
  readonly largest: number;
}

/** One of everything, as far as FAT has it: its names have no case, and no links. */
export function makeFatTree(root: string, { many, largest }: FatTree): void {
  const put = (name: string, content: Uint8Array | string) => fs.writeFileSync(path.join(root, name), content);
  const folder = (name: string) => fs.mkdirSync(path.join(root, name), { recursive: true });
  folder("boot/grub");
  put("boot/grub/grub.cfg", "menuentry x {}\n");
  put("boot/VMLINUZ", noise(largest, 3));
  folder("sizes");
  for (const size of [0, 1, 511, 512, 513, 4095, 4096, 4097, 30_001]) put(`sizes/${size}`, noise(size, size + 1));
  folder("names");
  const names = [
    "UPPER.TXT",
    "lower.txt",
    "Mixed.Case",
    "two.dots.txt",
    "a name with spaces",
    "exactly-13-ch",
    "exactly-26-characters-long",
    "Grüße, 漢字",
    "+,;=[]",
    "no-extension",
    "longest-".padEnd(255, "n"),
  ];
  for (const name of names) put(`names/${name}`, name);
  folder(`deep/${Array.from({ length: 12 }, (_, depth) => `folder-${depth}`).join("/")}/end`);
  folder("empty");
  folder("many");
  for (let index = 0; index < many; index++) put(`many/a-long-name-of-entry-${index}`, "");
}

/** Fills the image: the tree, and a file in pieces between which other files lie. */
export function fillFat(image: string, tree: string, pieces: number): void {
  const spare = `${tree}.spare`;
  fs.mkdirSync(spare, { recursive: true });
  for (let index = 0; index < pieces; index++) fs.writeFileSync(path.join(spare, `S${index}`), noise(4 * KIB, index));
  mtools("mmd", image, "::/spare");
  mtools("mcopy", image, ...Array.from({ length: pieces }, (_, index) => path.join(spare, `S${index}`)), "::/spare");
  const odd = Array.from({ length: Math.floor(pieces / 2) }, (_, index) => `::/spare/S${index * 2 + 1}`);
  mtools("mdel", image, ...odd);
  const fragmented = path.join(spare, "fragmented");
  fs.writeFileSync(fragmented, noise(pieces * KIB, 77));
  mtools("mcopy", image, fragmented, "::/fragmented");
  const names = fs.readdirSync(tree).map((name) => path.join(tree, name));
  mtools("mcopy", image, "-s", ...names, "::/");
  fs.rmSync(spare, { recursive: true });
}

/** The whole tree as mtools copies it out. */
export function readByMtools(image: string, folder: string): Manifest {
  fs.mkdirSync(folder);
  try {
    mtools("mcopy", image, "-s", "-n", "::/*", folder);
    return manifestOfFolder(folder);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}
