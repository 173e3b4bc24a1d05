/**
 * A folder that holds one of everything that a filesystem reader can get wrong; it becomes the content of the images
 * that the tests read back.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";

export interface TreeOptions {
  /** Entries of the folder `many`. */
  readonly many: number;
  /** With a file whose blocks lie so far apart that block lists of three levels are needed (at 1 KiB blocks). */
  readonly far: boolean;
  /** With sockets, FIFOs and devices, which mke2fs -d does not all know. */
  readonly special: boolean;
}

const KIB = 1024;
const MIB = 1024 * KIB;
/** Around what fits into an inode, and around whole blocks. */
const SIZES = [0, 1, 59, 60, 61, 100, 150, 156, 160, 161, 200, 1023, 1024, 1025, 4095, 4096, 4097, 65537];

export function makeGuestTree(root: string, { many, far, special }: TreeOptions): void {
  const put = (name: string, content: Uint8Array | string) => fs.writeFileSync(path.join(root, name), content);
  const folder = (name: string) => fs.mkdirSync(path.join(root, name), { recursive: true });
  fs.mkdirSync(root);

  folder("sizes");
  for (const size of SIZES) put(`sizes/${size}`, noise(size, size + 1));
  put("five-megabytes", noise(5 * MIB, 7));

  folder("sparse");
  sparse(path.join(root, "sparse/hole-at-the-start"), 304 * KIB, [300 * KIB]);
  sparse(path.join(root, "sparse/hole-in-the-middle"), 304 * KIB, [0, 300 * KIB]);
  sparse(path.join(root, "sparse/hole-at-the-end"), 2 * MIB + 5, [0, 4 * KIB]);
  sparse(path.join(root, "sparse/nothing-but-a-hole"), 100_000, []);
  if (far) sparse(path.join(root, "sparse/far"), 70 * MIB, [0, MIB, 66 * MIB]);

  folder("few");
  for (let index = 0; index < 4; index++) put(`few/a-name-of-thirty-characters-${index}`, String(index));
  folder("some");
  for (let index = 0; index < 12; index++) put(`some/file-${index}`, String(index));
  folder("emptied");

  folder("names");
  for (const name of ["x".repeat(255), "né\u{1f480}", " space ", "new\nline", "back\\slash", "..."]) {
    put(`names/${name}`, name);
  }
  for (const bytes of ["ff", "61ff62", "c3", "eda080"]) {
    fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/names/`), Buffer.from(bytes, "hex")]), bytes);
  }

  folder("many");
  // Hard links: twenty thousand names without twenty thousand inodes.
  for (let index = 0; index < many; index++) {
    const original = path.join(root, `many/entry-${Math.floor(index / 1000) * 1000}`);
    const name = path.join(root, `many/entry-${index}`);
    if (index % 1000 === 0) fs.writeFileSync(name, String(index));
    else fs.linkSync(original, name);
  }

  const deep = Array.from({ length: 100 }, (_, level) => `level-${level}`).join("/");
  folder(`deep/${deep}`);
  put(`deep/${deep}/bottom`, "the bottom");

  makeLinks(root, deep);
  if (special) makeSpecial(path.join(root, "special"));
}

/** Pieces of 4 KiB of noise at the offsets; everything else is a hole. */
function sparse(file: string, size: number, offsets: readonly number[]): void {
  const fd = fs.openSync(file, "w");
  for (const offset of offsets) fs.writeSync(fd, noise(4 * KIB, offset + 3), 0, 4 * KIB, offset);
  fs.ftruncateSync(fd, size);
  fs.closeSync(fd);
}

function makeLinks(root: string, deep: string): void {
  const links = path.join(root, "links");
  fs.mkdirSync(links);
  const link = (name: string, target: string) => fs.symlinkSync(target, path.join(links, name));
  for (const length of [59, 60, 61, 1000]) {
    // Leading "./" make a target of any length that still leads somewhere.
    const target = "target";
    const rest = length - target.length;
    link(`of-${length}-bytes`, `${rest % 2 === 0 ? "" : "/"}${"./".repeat(Math.floor(rest / 2))}${target}`);
  }
  fs.writeFileSync(path.join(links, "target"), "the target");
  fs.writeFileSync(path.join(root, "target"), "the target at the root");
  link("relative", "../sizes/61");
  link("absolute", "/sizes/61");
  link("beyond-the-root", "../../../../../../sizes/61");
  link("folder", `/deep/${deep}`);
  link("through-a-file", "target/../target");
  link("dangling", "nowhere");
  link("itself", "itself");
  link("circle-a", "circle-b");
  link("circle-b", "circle-a");
  link("folder-circle", "../links/folder-circle/x");
  for (let index = 1; index <= 41; index++) link(`chain-${index}`, index === 1 ? "target" : `chain-${index - 1}`);
  fs.symlinkSync(Buffer.from("../names/\xff", "latin1"), path.join(links, "no-utf-8"));
}

function makeSpecial(folder: string): void {
  fs.mkdirSync(folder);
  call("mknod", [path.join(folder, "fifo"), "p"], "coreutils");
  call("mknod", [path.join(folder, "null"), "c", "1", "3"], "coreutils");
  call("mknod", [path.join(folder, "loop"), "b", "7", "0"], "coreutils");
  const bind = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])";
  call("/usr/bin/python3", ["-c", bind, path.join(folder, "socket")], "python3-minimal");
}

/** Paths at which a walker may go wrong: what is there is for the kernel to say. */
export const PATHS: readonly string[] = [
  "/",
  "//sizes///61",
  "/./sizes/./61",
  "/sizes/../sizes/61",
  "/../../sizes/61",
  "/sizes/61/..",
  "/sizes/61/../61",
  "/sizes/61/x",
  "/sizes/62",
  "/missing/61",
  "/emptied",
  "/emptied/x",
  "/deep/level-0/level-1",
  "/special/fifo",
  ...[59, 60, 61, 1000].map((length) => `/links/of-${length}-bytes`),
  ...["relative", "absolute", "beyond-the-root", "dangling", "itself", "circle-a", "folder-circle"].map(
    (name) => `/links/${name}`,
  ),
  "/links/folder/bottom",
  "/links/folder/../level-99/bottom",
  "/links/through-a-file",
  "/links/chain-1",
  "/links/chain-40",
  "/links/chain-41",
  "/links/no-utf-8",
  `/names/${"x".repeat(255)}`,
  `/names/${"x".repeat(256)}`,
  "/names/né\u{1f480}",
];
