import * as fs from "node:fs";
import * as path from "node:path";
import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { markBootFiles, sweepBootFiles } from "../../src/store/boot-marks.ts";
import { handOut } from "../../src/store/hand-out.ts";
import { pruneStore, sweepStore } from "../../src/store/prune.ts";
import { indexFile, openStore, type Store, type StoredFile } from "../../src/store/store.ts";
import { verifyStore } from "../../src/store/verify.ts";
import { temporaryFolder } from "../program.ts";

let folder: ReturnType<typeof temporaryFolder>;
let store: Store;
beforeEach(() => {
  folder = temporaryFolder();
  store = openStore(path.join(folder.path, "cache"));
});
afterEach(() => folder[Symbol.dispose]());

async function* body(text: string): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield Buffer.from(text);
}

/** A file of `text`, last used that many minutes ago. */
async function put(key: string, text: string, minutes: number): Promise<StoredFile> {
  const file = await store.write(key, { url: key, size: null, etag: null, lastModified: null }, body(text));
  const then = new Date(Date.now() - minutes * 60_000);
  fs.utimesSync(indexFile(store.folder, key), then, then);
  fs.utimesSync(file.path, then, then);
  return file;
}

const keys = () => store.list().map(({ key }) => key);
const limit = (maxSize: number | null, maxAge: number | null = null) => ({ maxSize, maxAge });

describe("a cache that is to be smaller", () => {
  it("lets go of what was used longest ago, until it is small enough", async () => {
    await put("old", "1".repeat(100), 30);
    await put("new", "2".repeat(100), 10);
    await put("middle", "3".repeat(100), 20);
    const { removed, freed, left } = pruneStore(store.folder, limit(250));
    expect(removed.map(({ urls }) => urls)).toEqual([["old"]]);
    expect({ freed, left }).toEqual({ freed: 100, left: 200 });
    expect(keys()).toEqual(["middle", "new"]);
    expect(verifyStore(store.folder)).toMatchObject({ files: 2, bad: [] });
  });

  it("counts a hand-out as a use", async () => {
    await put("old", "1".repeat(100), 30);
    await put("new", "2".repeat(100), 10);
    store.use("old");
    pruneStore(store.folder, limit(150));
    expect(keys()).toEqual(["old"]);
  });

  it("lets go of what has not been used for too long", async () => {
    await put("old", "1", 30);
    await put("new", "2", 10);
    pruneStore(store.folder, limit(null, 20 * 60));
    expect(keys()).toEqual(["new"]);
  });

  it("says what would go, and changes nothing then", async () => {
    await put("old", "1", 30);
    expect(pruneStore(store.folder, limit(0), { dryRun: true }).removed).toHaveLength(1);
    expect(keys()).toEqual(["old"]);
  });

  it("keeps what is in use: a boot file, what a start has just found, what is spared", async () => {
    const linked = await put("linked", "1".repeat(10), 30);
    handOut(linked.path, path.join(folder.path, "boot_kernel.aaaaaa"));
    await put("found", "2".repeat(10), 30);
    store.use("found");
    const spared = await put("spared", "3".repeat(10), 30);
    const { removed, kept } = pruneStore(store.folder, limit(0), { spare: new Set([spared.digest]) });
    expect({ removed, kept }).toEqual({ removed: [], kept: 30 });
    fs.rmSync(path.join(folder.path, "boot_kernel.aaaaaa"));
    expect(pruneStore(store.folder, limit(20)).removed.map(({ urls }) => urls)).toEqual([["linked"]]);
  });

  it("lets go of content that no key stands for any more", async () => {
    await put("key", "old", 30);
    const { path: orphan } = store.find("key") ?? { path: "" };
    await put("key", "newer", 1);
    fs.utimesSync(orphan, new Date(0), new Date(0));
    expect(pruneStore(store.folder, limit(null, 600)).removed).toMatchObject([{ urls: [] }]);
    expect(keys()).toEqual(["key"]);
  });
});

describe("a look at every byte", () => {
  it("finds what has changed, though nothing but its bytes tells, and repairs by taking it out", async () => {
    const good = await put("good", "good", 1);
    const bad = await put("bad", "bytes", 1);
    const { mtime } = fs.statSync(bad.path);
    fs.chmodSync(bad.path, 0o644);
    fs.writeFileSync(bad.path, "BYTES");
    fs.utimesSync(bad.path, mtime, mtime);
    expect(verifyStore(store.folder)).toEqual({
      files: 2,
      bytes: 9,
      bad: [{ problem: "damaged", path: bad.path, urls: ["bad"] }],
    });
    verifyStore(store.folder, { repair: true });
    expect(verifyStore(store.folder)).toMatchObject({ files: 1, bad: [] });
    expect(keys()).toEqual([good.key]);
  });

  it("finds entries without their content, and entries that cannot be read", async () => {
    const gone = await put("gone", "gone", 1);
    fs.rmSync(gone.path);
    fs.writeFileSync(path.join(store.folder, "index", "torn.json"), '{"version": 1');
    const problems = verifyStore(store.folder, { repair: true }).bad.map(({ problem }) => problem);
    expect(problems.sort()).toEqual(["missing", "unreadable entry"]);
    expect(verifyStore(store.folder).bad).toEqual([]);
  });
});

describe("a pin", () => {
  it("keeps the bytes for whoever uses the link, and goes after it", async () => {
    using other = temporaryFolder("/dev/shm");
    const { path: object } = await put("key", "kernel", 30);
    const target = path.join(other.path, "boot_kernel.aaaaaa");
    expect(handOut(object, target, store.folder)).toBe("symbolic link");
    expect(pruneStore(store.folder, limit(0)).removed).toEqual([]);
    fs.rmSync(object);
    expect(fs.readFileSync(target, "utf8")).toBe("kernel");
    fs.rmSync(target);
    sweepStore(store.folder);
    expect(fs.readdirSync(path.join(store.folder, "pinned"))).toEqual([]);
  });

  it("never takes a name that is taken", async () => {
    using other = temporaryFolder("/dev/shm");
    const { path: object } = await put("key", "kernel", 1);
    const target = path.join(other.path, "boot_kernel.aaaaaa");
    fs.writeFileSync(target, "somebody's");
    expect(() => handOut(object, target, store.folder)).toThrow(/exists already/);
    expect(fs.readFileSync(target, "utf8")).toBe("somebody's");
  });
});

describe("boot files that a killed start has left", () => {
  const files = () => ["boot_kernel.abc123", "boot_ramdisk.abc123"].map((name) => path.join(folder.path, name));
  /** As a process that has ended has left it. */
  function leave(change: object = {}): void {
    for (const file of files()) fs.writeFileSync(file, "x");
    markBootFiles(store.folder, files());
    const boots = path.join(store.folder, "boots");
    const mark = path.join(boots, fs.readdirSync(boots)[0] ?? "");
    const { pid } = spawnSync("true");
    const content: unknown = JSON.parse(fs.readFileSync(mark, "utf8"));
    fs.writeFileSync(mark, JSON.stringify({ ...(content as object), pid, ...change }));
  }
  const left = () => files().filter((file) => fs.existsSync(file)).length;

  it("go at the next start", () => {
    leave();
    sweepBootFiles(store.folder);
    expect(left()).toBe(0);
    expect(fs.readdirSync(path.join(store.folder, "boots"))).toEqual([]);
  });

  it.each<[string, () => object]>([
    ["whose process lives", () => ({ pid: process.pid })],
    ["that a toolstack was told of a minute ago", () => ({ toldAt: Date.now() - 60_000 })],
    ["of another host", () => ({ host: "elsewhere" })],
    [
      "that are named like no boot file of ours",
      () => ({ paths: [path.join(folder.path, "boot_kernel.abc123/../x")] }),
    ],
  ])("stay %s", (_what, change) => {
    leave(change());
    sweepBootFiles(store.folder);
    expect(left()).toBe(2);
  });

  it("stay when they bear no mark", () => {
    leave();
    fs.rmSync(path.join(store.folder, "boots"), { recursive: true });
    sweepBootFiles(store.folder);
    expect(left()).toBe(2);
  });

  it("go too where their process's number is another's by now", () => {
    leave({ pid: process.pid, started: "1" });
    sweepBootFiles(store.folder);
    expect(left()).toBe(0);
  });
});
