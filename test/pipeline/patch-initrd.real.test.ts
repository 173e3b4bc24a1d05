import * as fs from "node:fs";
import * as path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { mergeOverlays } from "../../src/initrd/merge-overlays.ts";
import { openOverlay } from "../../src/pipeline/open-overlay.ts";
import { patchToFile, type PatchedFile, type PatchWishes } from "../../src/pipeline/patch-initrd.ts";
import { makeZip } from "../../fixtures/zip-files.ts";
import { call } from "../filesystem/call.ts";
import { cpioArchive } from "../initrd/cpio-bytes.ts";
import { judgeByE2fsck, makeImage } from "../initrd/ext2-image.ts";
import { unpack } from "../initrd/host-tree.ts";
import { filesOf } from "../initrd/initrd-files.ts";
import { temporaryFolder } from "../program.ts";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());
const at = (name: string) => path.join(temporary.path, name);
const LIMITS = { maximumBytes: 64 * 1024 * 1024 };
const AS_IT_COMES: PatchWishes = { repack: false, compression: null, kernelVersion: null };

const ORIGINAL = cpioArchive(
  { name: "init", content: "#!/bin/sh\n", fields: { mode: 0o100755 } },
  { name: "etc", fields: { mode: 0o40755, nlink: 2 } },
  { name: "etc/motd", content: "the original\n" },
);
const OVERLAY = cpioArchive({ name: "etc/motd", content: "the overlay\n" }, { name: "proof", content: "proof\n" });

let count = 0;
async function patched(
  initrd: Uint8Array,
  overlay: Uint8Array = OVERLAY,
  wishes: Partial<PatchWishes> = {},
  limits = LIMITS,
): Promise<PatchedFile & { readonly path: string }> {
  const folder = at(`patch-${count++}`);
  fs.mkdirSync(folder);
  const [input, over, output] = ["initrd", "overlay", "output"].map((name) => path.join(folder, name));
  if (input === undefined || over === undefined || output === undefined) throw new Error("three names are three paths");
  fs.writeFileSync(input, initrd);
  fs.writeFileSync(over, overlay);
  const before = fs.statSync(input);
  try {
    using source = openDisk(input);
    using opened = await openOverlay(over);
    const to = { path: output, mode: 0o644 };
    const all = { ...AS_IT_COMES, ...wishes };
    const done = await patchToFile({ path: input, source: source.source }, opened.overlay, all, limits, to);
    return { ...done, path: output };
  } catch (error) {
    // Nothing is left of a failure.
    expect(fs.readdirSync(folder).sort()).toEqual(["initrd", "overlay"]);
    throw error;
  } finally {
    expect(fs.readFileSync(input).equals(initrd)).toBe(true);
    expect(fs.statSync(input).mtimeMs).toBe(before.mtimeMs);
  }
}

async function codeOf(...given: Parameters<typeof patched>): Promise<string> {
  try {
    await patched(...given);
    return "none";
  } catch (error) {
    if (error instanceof GuestbootError) return error.code;
    throw error;
  }
}

/** What an initrd packed by another program is. */
function packedBy(program: string, args: readonly string[], debianPackage: string): Buffer {
  const file = at(`packed-${program}`);
  fs.writeFileSync(`${file}.cpio`, ORIGINAL);
  call("sh", ["-c", '"$0" "$@" > "$FILE" < "$FILE.cpio"'.replaceAll("$FILE", file), program, ...args], debianPackage);
  return fs.readFileSync(file);
}

const PACKERS = [
  ["gzip", ["-c"], "gzip"],
  ["xz", ["-c", "--check=crc32"], "xz-utils"],
  ["lzma", ["-c"], "xz-utils"],
  ["bzip2", ["-c"], "bzip2"],
  ["lz4", ["-l", "-c"], "lz4"],
  ["lzop", ["-c"], "lzop"],
  ["zstd", ["-c"], "zstd"],
] as const;

describe("an initrd of every compression", () => {
  it.each(PACKERS)("%s: the overlay is appended, and wins", async (program, args, debianPackage) => {
    const initrd = packedBy(program, args, debianPackage);
    const { plan, path: output } = await patched(initrd, OVERLAY, { kernelVersion: "6.1.0" });
    expect(plan.how).toBe("append");
    const bytes = fs.readFileSync(output);
    expect(bytes.subarray(0, initrd.length).equals(initrd)).toBe(true);
    const files = await filesOf(bytes);
    expect(files.findLast((file) => file.path === "etc/motd")?.content).toBe("the overlay\n");
    expect(files.some((file) => file.path === "init")).toBe(true);
  });

  it.each(PACKERS)("%s: repacked, GNU cpio unpacks it", async (program, args, debianPackage) => {
    const { path: output, plan } = await patched(packedBy(program, args, debianPackage), OVERLAY, { repack: true });
    expect([plan.how, plan.compression]).toEqual(["repack", "gzip"]);
    fs.renameSync(output, `${output}.gz`);
    call("gzip", ["-t", `${output}.gz`], "gzip");
    call("gzip", ["-d", `${output}.gz`], "gzip");
    unpack(fs.readFileSync(output), `${output}.d`);
    expect(fs.readFileSync(`${output}.d/etc/motd`, "utf8")).toBe("the overlay\n");
    expect(fs.readFileSync(`${output}.d/proof`, "utf8")).toBe("proof\n");
  });

  it("may be written as zstd or not packed at all", async () => {
    const zstd = await patched(ORIGINAL, OVERLAY, { repack: true, compression: "zstd" });
    call("zstd", ["-q", "-t", zstd.path], "zstd");
    const plain = await patched(ORIGINAL, OVERLAY, { repack: true, compression: "none" });
    unpack(fs.readFileSync(plain.path), `${plain.path}.d`);
    expect(fs.readdirSync(`${plain.path}.d`).sort()).toEqual(["etc", "init", "proof"]);
  });

  it("is repacked by itself where the kernel would not find what stands behind LZ4", async () => {
    const lz4 = packedBy("lz4", ["-l", "-c"], "lz4");
    expect((await patched(lz4, OVERLAY, { kernelVersion: "5.4.0" })).plan).toMatchObject({
      how: "repack",
      reason: "LZ4 before Linux 5.8",
    });
    expect((await patched(gzipSync(ORIGINAL), OVERLAY, { kernelVersion: "2.4.21" })).plan.how).toBe("repack");
  });

  it("keeps the microcode that stands first as it is when it is repacked", async () => {
    const early = cpioArchive(
      { name: "kernel", fields: { mode: 0o40755 } },
      { name: "kernel/x86/microcode/AuthenticAMD.bin", content: "microcode" },
    );
    const { path: output } = await patched(Buffer.concat([early, gzipSync(ORIGINAL)]), OVERLAY, { repack: true });
    const bytes = fs.readFileSync(output);
    expect(bytes.subarray(0, early.length).equals(early)).toBe(true);
    expect(bytes.subarray(early.length, early.length + 2)).toEqual(Buffer.from([0x1f, 0x8b]));
    expect((await filesOf(bytes)).map((file) => file.path)).toContain("proof");
  });
});

describe("on a filesystem that shares blocks", () => {
  it("an overlay is appended to the original's own blocks, which are not copied", async () => {
    const disk = at("xfs.img");
    const point = at("xfs");
    fs.mkdirSync(point);
    fs.writeFileSync(disk, "");
    fs.truncateSync(disk, 320 * 1024 * 1024);
    call("/sbin/mkfs.xfs", ["-q", "-m", "reflink=1", disk], "xfsprogs");
    call("mount", ["-o", "loop", disk, point], "mount");
    using mounted = new DisposableStack();
    mounted.defer(() => void call("umount", [point], "mount"));
    const [input, over, output] = [`${point}/initrd`, at("xfs-overlay"), `${point}/output`];
    // Nothing to pack, so that the whole of it lies in blocks of its own: 8 MiB.
    const content = Buffer.alloc(8 * 1024 * 1024, "bytes of a module ");
    fs.writeFileSync(input, cpioArchive({ name: "module", content: content.toString("latin1") }));
    fs.writeFileSync(over, OVERLAY);
    using source = openDisk(input);
    using opened = await openOverlay(over);
    const to = { path: output, mode: 0o644 };
    const initrd = { path: input, source: source.source };
    const { plan } = await patchToFile(initrd, opened.overlay, AS_IT_COMES, LIMITS, to);
    expect(plan.how).toBe("append");
    call("sync", ["-f", output], "coreutils");
    const size = fs.statSync(input).size;
    // filefrag(8): `0:  0..  2047:  24..  2071:  2048:  shared`, in blocks of 4 KiB.
    const extents = call("filefrag", ["-v", output], "e2fsprogs")
      .split("\n")
      .filter((line) => /^ +\d+:/.test(line));
    const blocks = (lines: readonly string[]) =>
      lines.reduce((sum, line) => sum + Number(line.split(":")[3]?.trim()), 0);
    const shared = blocks(extents.filter((line) => line.includes("shared")));
    expect(shared).toBeGreaterThanOrEqual(Math.floor(size / 4096) - 1);
    expect(blocks(extents) - shared).toBeLessThan(16);
    expect(fs.readFileSync(output).subarray(0, size).equals(fs.readFileSync(input))).toBe(true);
  });
});

describe("a folder of the overlay", () => {
  const merged = cpioArchive(
    { name: "usr", fields: { mode: 0o40755 } },
    { name: "usr/lib", fields: { mode: 0o40755 } },
    { name: "usr/lib/old", content: "old" },
    { name: "lib", content: "usr/lib", fields: { mode: 0o120777 } },
  );
  const overlay = cpioArchive(
    { name: "lib", fields: { mode: 0o40755 } },
    { name: "lib/new", content: "new" },
    { name: "etc", fields: { mode: 0o40755 } },
  );
  const appendedTo = async (initrd: Uint8Array) => {
    const { path: output, plan } = await patched(gzipSync(initrd), overlay);
    expect(plan.how).toBe("append");
    const { length } = gzipSync(initrd);
    return (await filesOf(fs.readFileSync(output).subarray(length + (-length & 3)))).map((file) => file.path);
  };

  it("does not take the place of the initrd's symbolic link", async () => {
    expect(await appendedTo(merged)).toEqual(["lib/new", "etc"]);
  });

  it("stays where the initrd has a folder, or nothing, of its name in the end", async () => {
    expect(await appendedTo(ORIGINAL)).toEqual(["lib", "lib/new", "etc"]);
    const later = cpioArchive({ name: "lib", fields: { mode: 0o40755 } });
    expect(await appendedTo(Buffer.concat([merged, later]))).toEqual(["lib", "lib/new", "etc"]);
  });
});

describe("an ext2 ramdisk", () => {
  const image = () => {
    const folder = at(`guest-${count}`);
    fs.mkdirSync(path.join(folder, "etc"), { recursive: true });
    fs.writeFileSync(path.join(folder, "etc/motd"), "the original\n");
    makeImage(`${folder}.img`, { options: ["-r", "0", "-b", "1024", "-m", "0"], sizeKiB: 512, folder });
    return fs.readFileSync(`${folder}.img`);
  };

  it("gets the overlay's files into its filesystem, and stays compressed if it was", async () => {
    const { plan, path: output } = await patched(gzipSync(image()));
    expect([plan.how, plan.compression]).toEqual(["ext2", "gzip"]);
    call("sh", ["-c", 'gzip -dc < "$1" > "$1.img"', "sh", output], "gzip");
    judgeByE2fsck(`${output}.img`);
    expect(call("debugfs", ["-R", "cat /etc/motd", `${output}.img`], "e2fsprogs")).toBe("the overlay\n");
  });

  it("is handed over uncompressed where that is asked for", async () => {
    const { path: output } = await patched(gzipSync(image()), OVERLAY, { compression: "none" });
    judgeByE2fsck(output);
    expect(call("debugfs", ["-R", "cat /proof", output], "e2fsprogs")).toBe("proof\n");
  });

  it("that is plain is told from zeros", async () => {
    const { plan, path: output } = await patched(image());
    expect([plan.how, plan.compression]).toEqual(["ext2", "none"]);
    judgeByE2fsck(output);
  });

  it("with crossed bitmaps is refused", async () => {
    const bytes = image();
    // The block bitmap, of the first group's descriptor (bg_block_bitmap): everything is free.
    const bitmap = bytes.readUInt32LE(2048) * 1024;
    bytes.fill(0, bitmap, bitmap + 64);
    expect(await codeOf(gzipSync(bytes))).toBe("FILESYSTEM_DAMAGED");
  });
});

describe("overlays", () => {
  const zipped = (entries: Parameters<typeof makeZip>[0]) => makeZip(entries);

  it("may come from a zip, whose folders are made", async () => {
    const zip = zipped([{ name: "opt/new/proof", content: "zipped", mode: 0o100750 }]);
    const { path: output } = await patched(gzipSync(ORIGINAL), zip, { repack: true, compression: "none" });
    unpack(fs.readFileSync(output), `${output}.d`);
    expect(fs.readFileSync(`${output}.d/opt/new/proof`, "utf8")).toBe("zipped");
    expect(fs.statSync(`${output}.d/opt/new/proof`).mode & 0o777).toBe(0o750);
  });

  it.each([
    ["a zip whose names lead out", zipped([{ name: "../x", content: "x" }])],
    ["a zip whose size is a lie", zipped([{ name: "x", content: "x".repeat(1000), size: 10 }])],
    ["a zip whose checksum is a lie", zipped([{ name: "x", content: "x", crc: 1 }])],
    ["a zip of bombs", zipped([{ name: "x", content: Buffer.alloc(40_000_000) }])],
    ["an archive whose names lead out", cpioArchive({ name: "a/../../x" })],
    ["an archive that is cut off", OVERLAY.subarray(0, -200)],
    ["something else", Buffer.from("no archive at all, but text\n")],
  ])("from %s are refused", async (_what, overlay) => {
    const codes = ["OVERLAY_INVALID", "INVALID_SOURCE", "ARCHIVE_DAMAGED", "BUDGET_EXCEEDED"];
    expect(codes).toContain(await codeOf(gzipSync(ORIGINAL), overlay));
  });

  it("that grow past 64 MiB in a compressed archive are refused", async () => {
    const bomb = gzipSync(cpioArchive({ name: "zeros", content: Buffer.alloc(70 * 1024 * 1024) }));
    expect(await codeOf(gzipSync(ORIGINAL), bomb)).toBe("BUDGET_EXCEEDED");
  });

  it("that are several: the later one's files win, and folders merge", async () => {
    const folders = [at("first"), at("second")];
    for (const [index, folder] of folders.entries()) {
      fs.mkdirSync(path.join(folder, "etc"), { recursive: true });
      fs.writeFileSync(path.join(folder, "etc/both"), String(index));
      fs.writeFileSync(path.join(folder, `etc/only-${index}`), "");
    }
    const opened = await Promise.all(folders.map((folder) => openOverlay(folder)));
    const merged = mergeOverlays(opened.map((each) => each.overlay));
    expect(merged.map((entry) => entry.path).sort()).toEqual(["etc", "etc/both", "etc/only-0", "etc/only-1"]);
    expect(Buffer.from(merged.find((entry) => entry.path === "etc/both")?.content?.read(0, 1) ?? []).toString()).toBe(
      "1",
    );
  });
});

describe("bad initrds leave no output and the original as it was", () => {
  it.each([
    ["cut off", gzipSync(ORIGINAL).subarray(0, -20), "DATA_DAMAGED"],
    [
      "with a wrong magic in the middle",
      Buffer.concat([gzipSync(ORIGINAL), Buffer.from("garbage")]),
      "ARCHIVE_DAMAGED",
    ],
    ["with names that lead out", gzipSync(cpioArchive({ name: "../../etc/passwd" })), "ARCHIVE_DAMAGED"],
    ["with names that hold a zero", gzipSync(cpioArchive({ name: "a\0b" })), "ARCHIVE_DAMAGED"],
    ["with a negative size", gzipSync(cpioArchive({ fields: { filesize: "-0000001" } })), "ARCHIVE_DAMAGED"],
    ["with a huge size", gzipSync(cpioArchive({ fields: { filesize: "ffffffff" } })), "ARCHIVE_DAMAGED"],
    ["that is a web page", Buffer.from("<!DOCTYPE html><html></html>"), "ARCHIVE_DAMAGED"],
  ])("%s", async (_what, initrd, code) => {
    expect(await codeOf(initrd, OVERLAY, { repack: true })).toBe(code);
  });

  it("that grow past the limit", async () => {
    const bomb = gzipSync(cpioArchive({ name: "zeros", content: Buffer.alloc(3_000_000) }));
    expect(await codeOf(bomb, OVERLAY, { repack: true }, { maximumBytes: 2_000_000 })).toBe("BUDGET_EXCEEDED");
  });

  it("that are the output as well", async () => {
    const file = at("same");
    fs.writeFileSync(file, gzipSync(ORIGINAL));
    using source = openDisk(file);
    const to = { path: file, mode: 0o644 };
    const done = patchToFile({ path: file, source: source.source }, [], AS_IT_COMES, LIMITS, to);
    await expect(done).rejects.toMatchObject({ code: "OUTPUT_FAILED" });
    expect(fs.readFileSync(file).equals(gzipSync(ORIGINAL))).toBe(true);
  });
});
