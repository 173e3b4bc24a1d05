/** Handing out on and between real filesystems: the temporary folder's own, tmpfs, and an XFS with reflinks. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempDisposableSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { handOut } from "../../src/store/hand-out.ts";

const BYTES = Buffer.alloc(3_000_000, "bytes of a ramdisk ");

let opened: DisposableStack;
let folder: string;
let object: string;
beforeEach(() => {
  opened = new DisposableStack();
  folder = opened.use(mkdtempDisposableSync(join(tmpdir(), "guestboot-test-"))).path;
  object = makeObject(folder);
});
afterEach(() => opened.dispose());

function makeObject(where: string): string {
  const path = join(where, "object");
  writeFileSync(path, BYTES);
  chmodSync(path, 0o444);
  return path;
}

/** Mounts something on a new folder until the test is over. */
function mounted(...words: string[]): string {
  const point = join(folder, `mount-${readdirSync(folder).length}`);
  mkdirSync(point);
  execFileSync("mount", [...words, point]);
  opened.defer(() => execFileSync("umount", [point]));
  return point;
}

/** Makes the object immutable: such a file cannot be linked (chattr(1)). */
function forbidLinks(path: string): void {
  execFileSync("chattr", ["+i", path]);
  opened.defer(() => execFileSync("chattr", ["-i", path]));
}

describe("handing out a file of the store", () => {
  it("is a hard link on the same filesystem, and the store's own name outlives it", () => {
    const target = join(folder, "kernel");
    expect(handOut(object, target)).toBe("hard link");
    expect(statSync(target).ino).toBe(statSync(object).ino);
    unlinkSync(target);
    expect(BYTES.equals(readFileSync(object))).toBe(true);
  });

  it("is a copy on another filesystem, readable for its owner alone", () => {
    const memory = opened.use(mkdtempDisposableSync("/dev/shm/guestboot-test-")).path;
    const target = join(memory, "kernel");
    expect(handOut(object, target)).toBe("copy");
    expect(BYTES.equals(readFileSync(target))).toBe(true);
    expect(statSync(target).mode & 0o7777).toBe(0o600);
  });

  it("is a copy where links are not allowed and blocks cannot be shared", () => {
    forbidLinks(object);
    const target = join(folder, "kernel");
    expect(handOut(object, target)).toBe("copy");
    expect(BYTES.equals(readFileSync(target))).toBe(true);
  });

  it("is a reflink where links are not allowed and blocks can be shared", () => {
    if (!existsSync("/sbin/mkfs.xfs")) throw new Error("mkfs.xfs is missing: apt-get install xfsprogs");
    const disk = join(folder, "xfs.img");
    const fd = openSync(disk, "w");
    ftruncateSync(fd, 320 * 1024 * 1024);
    closeSync(fd);
    execFileSync("/sbin/mkfs.xfs", ["-q", "-m", "reflink=1", disk]);
    const xfs = mounted("-o", "loop", disk);
    const source = makeObject(xfs);
    forbidLinks(source);
    const target = join(xfs, "kernel");
    expect(handOut(source, target)).toBe("reflink");
    expect(BYTES.equals(readFileSync(target))).toBe(true);
    expect(statSync(target).mode & 0o7777).toBe(0o600);
    // xfs_bmap(8) names the blocks; those of both files are the same.
    const blocks = (path: string) =>
      execFileSync("/usr/sbin/xfs_bmap", [path], { encoding: "utf8" }).split("\n").slice(1);
    expect(blocks(target)).toEqual(blocks(source));
  });

  it("never overwrites", () => {
    const target = join(folder, "kernel");
    writeFileSync(target, "somebody's");
    expect(() => handOut(object, target)).toThrow(
      expect.objectContaining({ code: "BOOT_DIRECTORY", message: `${target} exists already` }),
    );
    const memory = opened.use(mkdtempDisposableSync("/dev/shm/guestboot-test-")).path;
    writeFileSync(join(memory, "kernel"), "somebody's");
    expect(() => handOut(object, join(memory, "kernel"))).toThrow(expect.objectContaining({ code: "BOOT_DIRECTORY" }));
    expect(readFileSync(join(memory, "kernel"), "utf8")).toBe("somebody's");
  });

  it("notices before it copies that there is no space", () => {
    const small = mounted("-t", "tmpfs", "-o", "size=1m", "guestboot-test");
    expect(() => handOut(object, join(small, "kernel"))).toThrow(
      expect.objectContaining({
        code: "NO_SPACE",
        message: `not enough free space in ${small} for ${small}/kernel (3.0 MB); 1.0 MB are free there`,
      }),
    );
    expect(readdirSync(small)).toEqual([]);
  });

  it("leaves no partial file when the copy fails on the way", () => {
    // A file grows past what statfs has promised when its size is more than the user's limit (setrlimit(2)).
    const memory = opened.use(mkdtempDisposableSync("/dev/shm/guestboot-test-")).path;
    const module = JSON.stringify(new URL("../../src/store/hand-out.ts", import.meta.url).href);
    const script = `
      import { handOut } from ${module};
      process.on("SIGXFSZ", () => {});
      try { handOut(${JSON.stringify(object)}, ${JSON.stringify(join(memory, "kernel"))}); }
      catch ({ code, message }) { console.log(code, message); }`;
    const output = execFileSync("prlimit", ["--fsize=1000000", process.execPath, "--input-type=module", "-e", script], {
      encoding: "utf8",
    });
    expect(output).toBe(`BOOT_DIRECTORY ${memory}/kernel cannot be written: file too large\n`);
    expect(readdirSync(memory)).toEqual([]);
  });

  it("says of a folder that is missing or read-only that it cannot be written", () => {
    expect(() => handOut(object, join(folder, "missing/kernel"))).toThrow(
      expect.objectContaining({
        code: "BOOT_DIRECTORY",
        message: `${folder}/missing/kernel cannot be written: no such file or directory`,
      }),
    );
    const frozen = mounted("-t", "tmpfs", "-o", "ro", "guestboot-test");
    expect(() => handOut(object, join(frozen, "kernel"))).toThrow(
      expect.objectContaining({
        code: "BOOT_DIRECTORY",
        message: `${frozen}/kernel cannot be written: read-only file system`,
      }),
    );
  });

  it("says of an object that is gone that the cache is damaged", () => {
    expect(() => handOut(join(folder, "gone"), join(folder, "kernel"))).toThrow(
      expect.objectContaining({ code: "STORE_DAMAGED" }),
    );
  });
});
