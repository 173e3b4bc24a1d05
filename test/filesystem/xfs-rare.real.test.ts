import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { hashOf } from "../../src/filesystem/xfs/directory-index.ts";
import { openXfs } from "../../src/filesystem/xfs/xfs-driver.ts";
import { call } from "./call.ts";
import { makeGuestTree } from "./guest-tree.ts";
import { differences, manifestOfDriver, manifestOfFolder } from "./manifest.ts";
import { CRC, Forged } from "./xfs-forge.ts";
import { makeXfsImage, withMounted } from "./xfs-image.ts";

const MIB = 1024 * 1024;
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-xfs-rare-"));
const image = path.join(folder, "disk.img");
const tree = path.join(folder, "tree");

beforeAll(() => makeGuestTree(tree, { many: 500, far: false, special: true }));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const xfsDb = (...requests: readonly string[]) =>
  call("xfs_db", ["-r", ...requests.flatMap((request) => ["-c", request]), image], "xfsprogs");

function expectReadAsByTheKernel(): void {
  const kernel = withMounted(image, "ro", manifestOfFolder);
  using disk = openDisk(image);
  const driver = openXfs(disk.source);
  expect(driver.notes).toEqual([]);
  expect(Object.keys(kernel).length).toBeGreaterThan(500);
  expect(differences(kernel, manifestOfDriver(driver))).toEqual([]);
}

describe("an XFS filesystem", () => {
  it("with exchange and parent, newer than mkfs.xfs 6.1, is read as the kernel reads it", () => {
    makeXfsImage(image, 320, ["-i", "nrext64=1"]);
    const forged = new Forged(image);
    forged.forge(forged.superblock, CRC.superblock, (block) =>
      block.writeUInt32BE(block.readUInt32BE(216) | 0xc0, 216),
    );
    fs.writeFileSync(image, forged.bytes);
    // The kernel writes a parent pointer into the attributes of each file then.
    withMounted(image, "rw", (mounted) => call("cp", ["-a", `${tree}/.`, mounted], "coreutils"));
    expectReadAsByTheKernel();
  });

  it("that was given another UUID is read, and told by the new one", () => {
    makeXfsImage(image, 320, []);
    withMounted(image, "rw", (mounted) => call("cp", ["-a", `${tree}/.`, mounted], "coreutils"));
    call("xfs_admin", ["-U", "01234567-89ab-cdef-0123-456789abcdef", image], "xfsprogs");
    expect(xfsDb("version")).toContain("META_UUID");
    expectReadAsByTheKernel();
    using disk = openDisk(image);
    expect(openFilesystem(disk.source).uuid).toBe("01234567-89ab-cdef-0123-456789abcdef");
  });

  it("whose free space was so broken that its inodes lie in half chunks is read", () => {
    makeXfsImage(image, 64, ["-d", "agcount=1"]);
    withMounted(image, "rw", (mounted) => {
      const filler = path.join(mounted, "filler");
      const slack = path.join(mounted, "slack");
      const rest = path.join(mounted, "rest");
      // The kernel keeps some space for itself: that, too.
      call("xfs_io", ["-x", "-c", "resblks 0", mounted], "xfsprogs");
      call("fallocate", ["-l", "26m", filler], "util-linux");
      call("fallocate", ["-l", "128k", slack], "util-linux");
      for (const size of [4 * MIB, MIB / 8, 4096]) takeAll(rest, size);
      fs.rmSync(slack);
      // Holes of seven blocks: there is room for 32 inodes in a row, and not for 64.
      const holes = Array.from({ length: 400 }, (_, index) => `fpunch ${index * 65536} 28672`);
      call("xfs_io", [...holes.flatMap((hole) => ["-c", hole]), filler], "xfsprogs");
      fs.mkdirSync(path.join(mounted, "new"));
      for (let index = 0; index < 600; index++) fs.writeFileSync(path.join(mounted, `new/${index}`), String(index));
      for (const name of [filler, rest]) fs.rmSync(name);
    });
    expect(xfsDb("agi 0", "addr root", "print recs")).toMatch(/,0x(ff|ff00),/);
    expectReadAsByTheKernel();
  });
});

describe("the hash of a name", () => {
  it("is the one that xfs_db computes", () => {
    makeXfsImage(image, 64, []);
    for (const name of ["a", "ab", "abc", "abcd", "abcde", "vmlinuz", "initrd.img-6.1.0-13-amd64", "x".repeat(255)]) {
      expect([name, hashOf(Buffer.from(name))]).toEqual([name, Number(xfsDb(`hash ${name}`))]);
    }
  });
});

/** Makes the file longer in steps, as long as there is space. */
function takeAll(file: string, step: number): void {
  try {
    for (;;) {
      const size = fs.existsSync(file) ? fs.statSync(file).size : 0;
      call("fallocate", ["-o", String(size), "-l", String(step), file], "util-linux");
    }
  } catch (error) {
    if (!String(error).includes("No space left")) throw error;
  }
}
