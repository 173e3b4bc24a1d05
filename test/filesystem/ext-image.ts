/**
 * Ext images that the kernel's own driver has filled, with what only a mounted filesystem can be given: real
 * fragmentation, unwritten extents, index trees of folders, old content in free blocks.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { makeFilesystemImage, type ExtType } from "../../fixtures/disk-images.ts";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { PATHS } from "./guest-tree.ts";
import { manifestOfFolder, type Manifest } from "./manifest.ts";

const MIB = 1024 * 1024;

export interface ExtImage {
  readonly path: string;
  readonly type: ExtType;
  readonly blockSize: number;
  readonly sizeMiB: number;
  readonly options: readonly string[];
  /** What is copied into it. */
  readonly folder: string;
  /** Pieces of the file `fragments`. */
  readonly fragments: number;
}

/** What the kernel's driver says of an image. */
export interface KernelSays {
  readonly manifest: Manifest;
  /** By path, links followed inside the image: "file SIZE FIRST-BYTES-IN-HEX", "directory", "other" or an errno. */
  readonly paths: Readonly<Record<string, string>>;
}

export function makeExtImage(image: ExtImage): KernelSays {
  const options = ["-E", "nodiscard", "-b", String(image.blockSize), ...image.options];
  makeFilesystemImage({ path: image.path, type: image.type, sizeMiB: image.sizeMiB, options });
  withMounted(image, "rw", (mounted) => {
    makeFragments(mounted, image.fragments, image.blockSize);
    call("cp", ["-a", `${image.folder}/.`, mounted], "coreutils");
    makeUnwritten(mounted);
    makeTails(mounted);
  });
  call("e2fsck", ["-fn", image.path], "e2fsprogs");
  return withMounted(image, "ro", (mounted) => ({ manifest: manifestOfFolder(mounted), paths: walkPaths(mounted) }));
}

function withMounted<T>(image: ExtImage, mode: "rw" | "ro", work: (folder: string) => T): T {
  const folder = `${image.path}.mounted`;
  fs.mkdirSync(folder);
  call("mount", ["-t", image.type, "-o", `loop,${mode}`, image.path, folder], "mount");
  try {
    return work(folder);
  } finally {
    call("umount", [folder], "mount");
    fs.rmdirSync(folder);
  }
}

/**
 * Every second block first, and the others when all that lies between is taken: no two blocks are neighbours. What
 * took the space in between was noise, so that later every block that reads as zeros was not found so.
 */
function makeFragments(mounted: string, count: number, blockSize: number): void {
  const target = path.join(mounted, "fragments");
  const reserve = path.join(mounted, "reserve");
  const filler = path.join(mounted, "filler");
  const content = noise(count * blockSize, 11);
  fs.writeFileSync(reserve, noise(Math.max(count * blockSize, 4 * MIB), 12));
  const writeEvery = (first: number) => {
    const fd = fs.openSync(target, first === 0 ? "w" : "r+");
    try {
      for (let index = first; index < count; index += 2) {
        fs.writeSync(fd, content, index * blockSize, blockSize, index * blockSize);
      }
    } finally {
      fs.closeSync(fd);
    }
    call("sync", ["-f", target], "coreutils");
  };
  writeEvery(0);
  fillUp(filler);
  fs.rmSync(reserve);
  call("sync", ["-f", target], "coreutils");
  writeEvery(1);
  fs.rmSync(filler);
  call("sync", ["-f", target], "coreutils");
}

function fillUp(file: string): void {
  const fd = fs.openSync(file, "w");
  const piece = noise(MIB, 13);
  try {
    for (;;) fs.writeSync(fd, piece);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
  } finally {
    fs.closeSync(fd);
  }
}

/** Blocks that are reserved but not written, before, between and behind written ones; where the format has them. */
function makeUnwritten(mounted: string): void {
  const file = path.join(mounted, "unwritten");
  fs.writeFileSync(file, "");
  try {
    call("fallocate", ["-l", "1000000", file], "util-linux");
  } catch (error) {
    if (String(error).includes("not supported")) return;
    throw error;
  }
  const fd = fs.openSync(file, "r+");
  fs.writeSync(fd, noise(10_000, 14), 0, 10_000, 300_000);
  fs.closeSync(fd);
  // Reserved behind the end of the file.
  call("fallocate", ["-n", "-o", "1000000", "-l", "500000", file], "util-linux");
}

/** Files that were made longer without being written: their ends read as zeros. */
function makeTails(mounted: string): void {
  for (const size of [30, 100, 140, 3000]) {
    const file = path.join(mounted, `lengthened-to-${size}`);
    fs.writeFileSync(file, "ten bytes.");
    call("sync", ["-f", file], "coreutils");
    fs.truncateSync(file, size);
  }
}

/** The kernel's walk with the image as the root, in a process of its own. */
function walkPaths(mounted: string): Record<string, string> {
  const program = `
import errno, json, os, stat, sys
paths = json.load(sys.stdin)
os.chroot(sys.argv[1])
os.chdir("/")
said = {}
for path in paths:
    try:
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode):
            said[path] = "file %d %s" % (found.st_size, open(path, "rb").read(16).hex())
        else:
            said[path] = "directory" if stat.S_ISDIR(found.st_mode) else "other"
    except OSError as error:
        said[path] = errno.errorcode[error.errno]
print(json.dumps(said))
`;
  const said = call("/usr/bin/python3", ["-c", program, mounted], "python3-minimal", asciiJson(PATHS));
  return JSON.parse(said) as Record<string, string>;
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\0-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
