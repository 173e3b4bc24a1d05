import * as fs from "node:fs";
import * as path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { overlayFromArchive } from "../../src/initrd/overlay-archive.ts";
import { earlyArchivesSize, endsInLz4 } from "../../src/initrd/early-archives.ts";
import { repackInitrd } from "../../src/initrd/repack.ts";
import { call } from "../filesystem/call.ts";
import { temporaryFolder } from "../program.ts";
import { cpioArchive } from "./cpio-bytes.ts";
import { cpioOf, makeTree, treeOf, unpack } from "./host-tree.ts";
import { joined, LIMITS } from "./initrd-files.ts";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());
const at = (name: string) => path.join(temporary.path, name);
const root = at("tree");

beforeAll(() => {
  makeTree(root);
  // As today's distributions have it.
  fs.mkdirSync(path.join(root, "usr/lib/firmware"), { recursive: true });
  fs.symlinkSync("usr/lib", path.join(root, "lib"));
  fs.writeFileSync(path.join(root, "usr/lib/library"), "the initrd's library\n");
});

async function repacked(initrd: Uint8Array, overlay: Uint8Array): Promise<Buffer> {
  const entries = await overlayFromArchive(memorySource(overlay), "overlay");
  return joined(repackInitrd(memorySource(initrd), entries, LIMITS));
}

let count = 0;
/** The repacked initrd as GNU cpio unpacks it. */
async function unpacked(initrd: Uint8Array, overlay: Uint8Array): Promise<string> {
  const folder = at(`result-${count++}`);
  unpack(await repacked(initrd, overlay), folder);
  return folder;
}

const DIRECTORY = { mode: 0o40755, nlink: 2 };
const read = (folder: string, name: string) => fs.readFileSync(path.join(folder, name), "utf8");

describe("a repacked initrd", () => {
  it("without an overlay is what it was", async () => {
    const folder = await unpacked(gzipSync(cpioOf(root)), cpioArchive());
    expect(treeOf(folder)).toEqual(treeOf(root));
  });

  it("of several members is one archive with the files of all, hard links apart", async () => {
    const second = cpioArchive(
      { name: "a", fields: { ino: 1, nlink: 2 } },
      { name: "b", content: "two names", fields: { ino: 1, nlink: 2 } },
    );
    const initrd = Buffer.concat([
      gzipSync(second),
      gzipSync(cpioOf(root)),
      gzipSync(cpioArchive({ name: "c", content: "c" })),
    ]);
    const folder = await unpacked(initrd, cpioArchive());
    expect([read(folder, "a"), read(folder, "c")]).toEqual(["two names", "c"]);
    expect(fs.statSync(path.join(folder, "a")).nlink).toBe(2);
    expect(fs.statSync(path.join(folder, "third-name")).nlink).toBe(3);
  });

  it("has the overlay's file in place of its own, once", async () => {
    const overlay = cpioArchive({ name: "etc/empty", content: "not any more" });
    const bytes = await repacked(cpioOf(root), overlay);
    expect(bytes.toString("latin1").split("etc/empty").length - 1).toBe(1);
    const folder = at("replaced");
    unpack(bytes, folder);
    expect(read(folder, "etc/empty")).toBe("not any more");
  });

  it("merges folders, with the overlay's rights", async () => {
    const overlay = cpioArchive(
      { name: "etc", fields: { ...DIRECTORY, mode: 0o40700 } },
      { name: "etc/new", content: "new" },
    );
    const folder = await unpacked(cpioOf(root), overlay);
    expect(fs.readdirSync(path.join(folder, "etc")).sort()).toEqual(["empty", "new", "ünïcode"]);
    expect(fs.statSync(path.join(folder, "etc")).mode & 0o777).toBe(0o700);
  });

  it("puts a folder's files behind the symbolic link that the initrd has of its name", async () => {
    const overlay = cpioArchive(
      { name: "lib", fields: DIRECTORY },
      { name: "lib/library", content: "the overlay's library\n" },
      { name: "lib/modules", fields: DIRECTORY },
      { name: "lib/modules/driver.ko", content: "driver" },
    );
    const folder = await unpacked(cpioOf(root), overlay);
    expect(fs.readlinkSync(path.join(folder, "lib"))).toBe("usr/lib");
    expect(read(folder, "usr/lib/library")).toBe("the overlay's library\n");
    expect(read(folder, "usr/lib/modules/driver.ko")).toBe("driver");
    expect(fs.existsSync(path.join(folder, "usr/lib/firmware"))).toBe(true);
  });

  it("makes the folders that miss on the way to a file, and none where a link is", async () => {
    const overlay = cpioArchive({ name: "lib/a/file", content: "a" }, { name: "opt/b/file", content: "b" });
    const folder = await unpacked(cpioOf(root), overlay);
    expect([read(folder, "usr/lib/a/file"), read(folder, "opt/b/file")]).toEqual(["a", "b"]);
  });

  it("replaces one name of a file and leaves the others with their content", async () => {
    for (const name of ["bin/tool", "bin/zz-other-name", "third-name"]) {
      const folder = await unpacked(cpioOf(root), cpioArchive({ name, content: "replaced" }));
      expect(read(folder, name)).toBe("replaced");
      const others = ["bin/tool", "bin/zz-other-name", "third-name"].filter((other) => other !== name);
      for (const other of others) expect(fs.statSync(path.join(folder, other)).size).toBe(300_001);
    }
  });

  it("has a file where the initrd had a folder, and a folder where it had a file", async () => {
    const overlay = cpioArchive(
      { name: "bin", content: "a file now" },
      { name: "fifo", fields: DIRECTORY },
      { name: "fifo/inside", content: "inside" },
    );
    const folder = await unpacked(cpioOf(root), overlay);
    expect([read(folder, "bin"), read(folder, "fifo/inside")]).toEqual(["a file now", "inside"]);
  });
});

describe("early archives", () => {
  const microcode = cpioArchive(
    { name: "kernel", fields: DIRECTORY },
    { name: "kernel/x86/microcode/GenuineIntel.bin", content: "microcode" },
  );
  const main = gzipSync(cpioArchive({ name: "init" }));

  it("are told from the main one, and end where it begins", async () => {
    const padding = Buffer.alloc(512);
    expect(await earlyArchivesSize(memorySource(Buffer.concat([microcode, padding, main])))).toBe(
      microcode.length + 512,
    );
    expect(await earlyArchivesSize(memorySource(main))).toBe(0);
    expect(await earlyArchivesSize(memorySource(Buffer.concat([cpioArchive({ name: "init" }), main])))).toBe(0);
    expect(await earlyArchivesSize(memorySource(microcode))).toBe(0);
  });

  it("are stepped over in the search for LZ4", async () => {
    fs.writeFileSync(at("main"), cpioArchive({ name: "init" }));
    call("lz4", ["-l", "-q", "-f", at("main"), at("main.lz4")], "lz4");
    const lz4 = fs.readFileSync(at("main.lz4"));
    expect(await endsInLz4(memorySource(Buffer.concat([microcode, lz4])))).toBe(true);
    expect(await endsInLz4(memorySource(Buffer.concat([microcode, main])))).toBe(false);
    expect(await endsInLz4(memorySource(microcode))).toBe(false);
  });
});
