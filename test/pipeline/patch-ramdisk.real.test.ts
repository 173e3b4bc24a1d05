import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { silent } from "../../src/base/progress.ts";
import { answerOverlay } from "../../src/pipeline/answer-file.ts";
import { patchRamdisk, type RamdiskPatch } from "../../src/pipeline/patch-ramdisk.ts";
import { openStore, type StoredFile } from "../../src/store/store.ts";
import { call } from "../filesystem/call.ts";
import { cpioArchive } from "../initrd/cpio-bytes.ts";
import { judgeByE2fsck, makeImage } from "../initrd/ext2-image.ts";
import { filesOf } from "../initrd/initrd-files.ts";
import { temporaryFolder } from "../program.ts";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());
const at = (name: string) => path.join(temporary.path, name);
const store = openStore(at("cache"));

const INITRD = gzipSync(cpioArchive({ name: "init", content: "init" }));
const md5Of = (bytes: Uint8Array) => createHash("md5").update(bytes).digest("hex");

async function stored(name: string, bytes: Uint8Array): Promise<StoredFile> {
  const facts = { url: `http://mirror/${name}`, size: bytes.length, etag: null, lastModified: null };
  // eslint-disable-next-line @typescript-eslint/require-await -- a body is a stream
  const body = (async function* () {
    yield bytes;
  })();
  return store.write(facts.url, facts, body);
}

function fixups(name: string, line: string): string {
  const folder = at(name);
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, "vendor.map"), `# fixups\n${line}\n`);
  fs.writeFileSync(path.join(folder, "fix.cpio"), cpioArchive({ name: "fixed", content: "by the map\n" }));
  return folder;
}

let ramdisk: StoredFile;
beforeAll(async () => {
  ramdisk = await stored("initrd.gz", INITRD);
});
const patch = (given: Partial<RamdiskPatch>) =>
  patchRamdisk({
    ramdisk,
    fixupsFolder: at("no-folder"),
    overlays: [],
    repack: false,
    kernelVersion: null,
    maxInitrdSize: 64 * 1024 * 1024,
    store,
    progress: silent,
    ...given,
  });

describe("an installation's ramdisk", () => {
  it("that needs nothing is handed out as it is", async () => {
    expect((await patch({})).path).toBe(ramdisk.path);
  });

  it("gets the overlay that a map names for its MD5", async () => {
    const folder = fixups("cpio", `${md5Of(INITRD)} cpio fix.cpio some distribution`);
    const done = await patch({ fixupsFolder: folder });
    const files = await filesOf(fs.readFileSync(done.path));
    expect(files.map((file) => file.path)).toEqual(["init", "fixed"]);
    // What was computed while the bytes came is believed: no file is read for it again.
    const known = (md5: string) => patch({ fixupsFolder: folder, ramdisk: { ...ramdisk, md5 } });
    expect((await known(md5Of(INITRD))).path).toBe(done.path);
    expect((await known("0".repeat(32))).path).toBe(ramdisk.path);
    expect(store.find(ramdisk.key)?.md5).toBe(md5Of(INITRD));
  });

  it("gets an answer file, which lies over the fixup, and the store keeps the result", async () => {
    const answer = answerOverlay(Buffer.from("answers\n"), "preseed.cfg");
    const done = await patch({ overlays: [answer] });
    expect((await filesOf(fs.readFileSync(done.path))).map((file) => file.path)).toEqual(["init", "preseed.cfg"]);
    expect((await patch({ overlays: [answer] })).fetchedAt).toEqual(done.fetchedAt);
    const other = await patch({ overlays: [answerOverlay(Buffer.from("other answers\n"), "preseed.cfg")] });
    expect(other.digest).not.toBe(done.digest);
  });

  it("that is a compressed ext2 image is handed out uncompressed, with the files in it", async () => {
    fs.mkdirSync(at("guest"));
    makeImage(at("guest.img"), { options: ["-r", "0", "-b", "1024"], sizeKiB: 256, folder: at("guest") });
    const image = gzipSync(fs.readFileSync(at("guest.img")));
    const old = await stored("initrd.img", image);
    const folder = fixups("ext2", `${md5Of(image)} ext2 fix.cpio rhel4`);
    const done = await patch({ ramdisk: old, fixupsFolder: folder });
    judgeByE2fsck(done.path);
    expect(call("debugfs", ["-R", "cat /fixed", done.path], "e2fsprogs")).toBe("by the map\n");
    expect(fs.readdirSync(path.join(store.folder, "tmp"))).toEqual([]);
  });
});

describe("a ramdisk that grows past the host's limit", () => {
  it("stops the installation and leaves nothing in the store", async () => {
    const bomb = await stored("bomb.gz", gzipSync(cpioArchive({ name: "zeros", content: Buffer.alloc(3_000_000) })));
    const failure = patch({ ramdisk: bomb, repack: true, maxInitrdSize: 2_000_000 });
    await expect(failure).rejects.toMatchObject({ code: "BUDGET_EXCEEDED" });
    expect(fs.readdirSync(path.join(store.folder, "tmp"))).toEqual([]);
    expect((await patch({ ramdisk: bomb, repack: true, maxInitrdSize: 4_000_000 })).digest).not.toBe(bomb.digest);
  });
});

describe("a map that cannot be followed stops the installation", () => {
  it("when the overlay that it names is missing", async () => {
    const folder = fixups("missing", `${md5Of(INITRD)} cpio gone.cpio label`);
    await expect(patch({ fixupsFolder: folder })).rejects.toMatchObject({ code: "SUPPORT_PACKAGE_MISSING" });
  });

  it("when a line of it lacks a field", async () => {
    const folder = fixups("fields", `${md5Of(INITRD)} cpio fix.cpio`);
    const failure = patch({ fixupsFolder: folder });
    await expect(failure).rejects.toMatchObject({ code: "FIXUP_MAP_INVALID" });
    await expect(failure).rejects.toThrow("vendor.map, line 2");
  });

  it("when it is of another type than the ramdisk", async () => {
    const folder = fixups("type", `${md5Of(INITRD)} ext2 fix.cpio label`);
    await expect(patch({ fixupsFolder: folder })).rejects.toMatchObject({ code: "FIXUP_MAP_INVALID" });
  });
});
