/**
 * Reads every image below a folder as a guest's disk: the corrupt images of filesystems' own test suites (e2fsprogs,
 * xfstests, syzkaller's), packed or not. `npm run fuzz:corpus FOLDER`. Exit status 1 where one was not read and not
 * refused in guestboot's words either, or took too long.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { GuestbootError } from "../../src/base/errors.ts";
import { memorySource, type ByteSource } from "../../src/base/byte-source.ts";
import { expandAtOnce } from "../../src/compress/block.ts";
import { recogniseCompression } from "../../src/compress/compression.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { readVolumes } from "../../src/disk/volumes.ts";
import { explore } from "../filesystem/explore.ts";

/** Of one image: the reader's own limits are tighter; this one ends what has none. */
const LONGEST_MS = 60_000;
const MOST_UNPACKED = 1024 ** 3;

const [first, second] = process.argv.slice(2);
if (first === "--one" && second !== undefined) readImage(second);
else if (first !== undefined && fs.statSync(first, { throwIfNoEntry: false })?.isDirectory() === true) readAll(first);
else {
  process.stderr.write("usage: npm run fuzz:corpus FOLDER\n");
  process.exitCode = 2;
}

/** Each in a process of its own, which may be ended. */
function readAll(folder: string): void {
  const files = fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const counts = { read: 0, refused: 0, failed: 0 };
  for (const { parentPath, name } of files) {
    const file = path.join(parentPath, name);
    const done = spawnSync(process.execPath, [import.meta.filename, "--one", file], {
      encoding: "utf8",
      timeout: LONGEST_MS,
      stdio: ["ignore", "pipe", "pipe"],
    });
    if (done.status === 0) counts[done.stdout.startsWith("read") ? "read" : "refused"]++;
    else {
      counts.failed++;
      process.stdout.write(`${file}: ${done.status === null ? `no end after ${LONGEST_MS} ms` : done.stderr.trim()}\n`);
    }
  }
  process.stdout.write(
    `${files.length} images: ${counts.read} read, ${counts.refused} refused, ${counts.failed} failed\n`,
  );
  process.exitCode = counts.failed === 0 ? 0 : 1;
}

function readImage(file: string): void {
  try {
    using image = openImage(file);
    const { volumes } = readVolumes(image.source);
    const files = volumes.reduce((sum, { source }) => sum + explore(source).files, 0);
    process.stdout.write(files > 0 ? `read ${files} files\n` : "refused: no file in it could be read\n");
  } catch (error) {
    if (!(error instanceof GuestbootError) || error.code === "INTERNAL") throw error;
    process.stdout.write(`refused: ${error.code}: ${error.message}\n`);
  }
}

function openImage(file: string): Disposable & { readonly source: ByteSource } {
  const disk = openDisk(file);
  const head = disk.source.read(0, Math.min(16, disk.source.size));
  const compression = recogniseCompression(head);
  if (compression === null) return disk;
  const packed = disk.source.read(0, disk.source.size);
  disk[Symbol.dispose]();
  return { source: memorySource(expandAtOnce(packed, compression, MOST_UNPACKED)), [Symbol.dispose]: () => undefined };
}
