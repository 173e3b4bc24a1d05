/**
 * A folder with one of everything that a filesystem reader can stumble over.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

/** Sizes around every border: inline data (60, about 150), a block of each size, direct to indirect blocks. */
const SIZES = [
  0, 1, 59, 60, 61, 100, 156, 1023, 1024, 1025, 4095, 4096, 4097, 12_288, 12_289, 65_536, 300_000, 3_000_000,
];

/** Where the far end of the sparse file lies: past the double indirect blocks of 1 KiB blocks. */
export const FAR = 70_000_000;

export function makeSampleFolder(root: string): string {
  const at = (name: string) => path.join(root, name);
  fs.mkdirSync(at("files"), { recursive: true });
  for (const size of SIZES) fs.writeFileSync(at(`files/${size}`), noise(size, `file ${size}`));

  const sparse = fs.openSync(at("sparse"), "w");
  for (const where of [0, 100_000, 1_000_000, FAR])
    fs.writeSync(sparse, noise(5000, `sparse ${where}`), 0, 5000, where);
  fs.closeSync(sparse);
  fs.truncateSync(at("sparse"), FAR + 200_000);
  fs.writeFileSync(at("only-a-hole"), "");
  fs.truncateSync(at("only-a-hole"), 1_000_000);

  fs.mkdirSync(at("boot/grub"), { recursive: true });
  fs.writeFileSync(at("boot/grub/menu.lst"), "title x\nkernel /boot/vmlinuz\n");
  fs.mkdirSync(at("links"));
  fs.symlinkSync("../boot/grub/menu.lst", at("links/relative"));
  fs.symlinkSync("/boot/grub/menu.lst", at("links/absolute"));
  fs.symlinkSync("nowhere", at("links/dangling"));
  fs.symlinkSync("loop", at("links/loop"));
  // 59 bytes are the longest that lie in the inode; 60 and more do not.
  for (const length of [1, 58, 59, 60, 61, 155, 200, 1000])
    fs.symlinkSync("x".repeat(length), at(`links/long-${length}`));

  fs.mkdirSync(at("names"));
  fs.writeFileSync(at("names/Grüße, 漢字 🐧"), "utf-8");
  fs.writeFileSync(Buffer.concat([Buffer.from(`${at("names")}/latin1-`), Buffer.of(0xe9, 0xff)]), "not utf-8");
  fs.writeFileSync(at(`names/${"n".repeat(255)}`), "longest");
  fs.writeFileSync(at("names/line\nbreak"), "control");
  fs.mkdirSync(at(Array.from({ length: 50 }, (_, depth) => `deep${depth}`).join("/")), { recursive: true });
  fs.mkdirSync(at("empty"));
  fs.mkdirSync(at("many"));
  for (let index = 0; index < 400; index++) fs.writeFileSync(at(`many/entry-${index}-${"p".repeat(index % 60)}`), "");
  return root;
}

/** Bytes that no two blocks of which are alike, the same at every run. */
export function noise(length: number, seed: string): Buffer {
  const pieces: Buffer[] = [];
  for (let index = 0; index * 32 < length; index++) {
    pieces.push(createHash("sha256").update(`${seed} ${index}`).digest());
  }
  return Buffer.concat(pieces).subarray(0, length);
}
