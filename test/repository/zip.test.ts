import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeZip, type ZipEntry } from "../../fixtures/zip-files.ts";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { temporaryFolder } from "../program.ts";
import { bytesOf, failureOf, textOf } from "./reading.ts";

let folder: ReturnType<typeof temporaryFolder>;
let archive: string;
beforeEach(() => {
  folder = temporaryFolder();
  archive = path.join(folder.path, "netboot.zip");
});
afterEach(() => folder[Symbol.dispose]());

async function open(bytes: Uint8Array): Promise<Repository> {
  fs.writeFileSync(archive, bytes);
  return openRepository(parseLocation(archive));
}

const good: ZipEntry = { name: "vmlinuz", content: "a kernel" };

describe("a zip as a repository", () => {
  it("made by zip(1) gives its files byte for byte", async () => {
    const tree = path.join(folder.path, "tree");
    fs.mkdirSync(path.join(tree, "images"), { recursive: true });
    const initrd = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * index) >> 3));
    fs.writeFileSync(path.join(tree, "images/initrd.gz"), initrd);
    fs.writeFileSync(path.join(tree, "images/Größe 1"), "x");
    fs.writeFileSync(path.join(tree, "empty"), "");
    execFileSync("zip", ["-q", "-r", archive, "."], { cwd: tree, env: { ...process.env, LC_ALL: "C.UTF-8" } });
    await using repository = await openRepository(parseLocation(archive));
    expect(await repository.look("images/initrd.gz")).toMatchObject({
      url: `file://${archive}/images/initrd.gz`,
      size: 300_000,
    });
    expect(initrd.equals(await bytesOf(await repository.fetch("images/initrd.gz")))).toBe(true);
    expect(await textOf(await repository.fetch("./images//Größe 1"))).toBe("x");
    expect(await textOf(await repository.fetch("empty"))).toBe("");
  });

  it("is known as one by its first bytes, whatever its name", async () => {
    archive = path.join(folder.path, "download");
    await using repository = await open(makeZip([good]));
    expect(await textOf(await repository.fetch("vmlinuz"))).toBe("a kernel");
  });

  it("has no file where there is none, or a folder", async () => {
    await using repository = await open(makeZip([good, { name: "images/", content: "", mode: 0o40755, method: 0 }]));
    for (const missing of ["none", "images", "images/", "vmlinuz/", "vmlinuz/x"]) {
      expect(await repository.look(missing), missing).toBeNull();
      expect(await repository.fetch(missing), missing).toMatchObject({ outcome: "missing" });
    }
  });

  it("says that a file is unchanged, until the zip is another", async () => {
    let facts;
    {
      await using repository = await open(makeZip([good]));
      facts = await repository.look("vmlinuz");
      if (facts === null) throw new Error("missing");
      expect(await repository.fetch("vmlinuz", { unless: facts })).toMatchObject({ outcome: "unchanged" });
    }
    await using other = await open(makeZip([{ name: "vmlinuz", content: "a newer one" }]));
    expect(await textOf(await other.fetch("vmlinuz", { unless: facts }))).toBe("a newer one");
  });
});

describe("a zip that is not to be trusted is refused as a whole", () => {
  it.each<[string, readonly ZipEntry[], RegExp]>([
    ["a name that climbs out", [good, { name: "../etc/passwd", content: "x" }], /invalid relative path/],
    ["a name that climbs out within", [{ name: "a/../../b", content: "x" }], /invalid relative path/],
    ["an absolute name", [{ name: "/etc/passwd", content: "x" }], /absolute path/],
    ["a name with a drive", [{ name: "C:/boot.ini", content: "x" }], /absolute path/],
    ["a name with a backslash", [{ name: "..\\..\\boot.ini", content: "x" }], /invalid characters/],
    ["a name with a control character", [{ name: "a\u001b[2Jb", content: "x" }], /control character/],
    ["two files of one name", [good, { name: "vmlinuz", content: "another" }], /holds "vmlinuz" twice/],
    ["two files of one name in two spellings", [good, { name: "./vmlinuz", content: "another" }], /twice/],
    [
      "files on top of each other",
      [good, { ...good, name: "b", sharesBytesOf: 0 }],
      /"b" lies on another file|"vmlinuz" lies/,
    ],
    ["a stored file with two sizes", [{ ...good, method: 0, size: 3 }], /size mismatch/],
  ])("for %s", async (_what, entries, why) => {
    const failure = await failureOf(open(makeZip(entries)));
    expect(failure.code).toBe("INVALID_SOURCE");
    expect(failure.message).toMatch(why);
    expect(failure.message).toContain(`file://${archive}/: the zip`);
    expect(failure.message).not.toMatch(/[\x00-\x1f]/);
  });

  it("for more files than there are in its list", async () => {
    expect((await failureOf(open(makeZip([good], { count: 2 })))).code).toBe("INVALID_SOURCE");
  });

  it("when it was cut off anywhere", async () => {
    const whole = makeZip([good, { name: "initrd", content: "an initrd" }]);
    for (let length = 4; length < whole.length; length += 1) {
      const failure = await failureOf(open(whole.subarray(0, length)));
      expect(failure.code, `${length} bytes`).toBe("INVALID_SOURCE");
    }
  });

  it("when bytes of its list are flipped, or its files are still right", async () => {
    const whole = makeZip([good, { name: "initrd", content: "an initrd" }]);
    const start = whole.readUInt32LE(whole.length - 6);
    for (let at = start; at < whole.length; at += 1) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      const text = await open(damaged)
        .then(async (repository) => {
          await using opened = repository;
          return await textOf(await opened.fetch("vmlinuz"));
        })
        .catch((error: unknown) => (error instanceof Error ? error.message : ""));
      expect(text, `byte ${at}`).toMatch(/^a kernel$|zip|announced|broke off|outcome was missing|empty\.|no such/);
    }
  });
});

describe("a file in a zip is refused", () => {
  it.each<[string, Partial<ZipEntry>, RegExp]>([
    ["that is a symbolic link", { mode: 0o120777, content: "/etc/passwd" }, /symbolic link/],
    ["that is a device", { mode: 0o60644 }, /no plain file/],
    ["that is encrypted", { flags: 1 }, /encrypted/],
    ["in an unknown compression", { method: 12 }, /method 12/],
    ["that would grow beyond measure", { content: new Uint8Array(64 * 1024 ** 2) }, /would grow to 67108864/],
    ["that is named differently in its two places", { localName: "vmlinux" }, /differently/],
  ])("%s", async (_what, lie, why) => {
    await using repository = await open(
      makeZip([
        { ...good, ...lie },
        { name: "other", content: "fine" },
      ]),
    );
    const failure = await failureOf(repository.fetch("vmlinuz"));
    expect(failure.code).toBe("INVALID_SOURCE");
    expect(failure.message).toMatch(why);
    expect(failure.message).toContain(`file://${archive}/vmlinuz`);
    expect(await textOf(await repository.fetch("other"))).toBe("fine");
  });

  it.each<[string, Partial<ZipEntry>, string, RegExp]>([
    ["whose checksum is another", { crc: 1 }, "TRANSFER_FAILED", /checksum/],
    ["that is larger than it says", { size: 3 }, "TRANSFER_FAILED", /larger than the 3 bytes/],
    ["that is smaller than it says", { size: 30 }, "TRANSFER_TRUNCATED", /announced 30 bytes/],
    ["whose compressed bytes are cut", { compressedSize: 4 }, "TRANSFER_FAILED", /damaged/],
  ])("%s", async (_what, lie, code, why) => {
    await using repository = await open(makeZip([{ ...good, content: "a kernel ".repeat(9).slice(0, 20), ...lie }]));
    const failure = await failureOf(repository.fetch("vmlinuz").then(bytesOf));
    expect(failure.code).toBe(code);
    expect(failure.message).toMatch(why);
  });

  it("that is larger than the limit", async () => {
    fs.writeFileSync(archive, makeZip([good]));
    await using repository = await openRepository(parseLocation(archive), { limits: { maxFileSize: 7 } });
    expect((await failureOf(repository.fetch("vmlinuz"))).code).toBe("FILE_TOO_LARGE");
  });

  it("without ending the process when nobody reads it", async () => {
    await using repository = await open(makeZip([{ ...good, crc: 1, compressedSize: 4 }]));
    expect(await repository.fetch("vmlinuz")).toMatchObject({ outcome: "content" });
  });
});
