/** `guestboot cache`: what it prints, what it removes, and its exit status. */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore, type StoredFile } from "../../src/store/store.ts";
import { programPath, run, temporaryFolder } from "../program.ts";

const MEBIBYTE = 1024 * 1024;
const HOUR = 3600;
let folder: ReturnType<typeof temporaryFolder>;
let cache: string;
let old: StoredFile;
let recent: StoredFile;

beforeEach(async () => {
  folder = temporaryFolder();
  cache = path.join(folder.path, "cache");
  old = await stored("http://mirror.example/old.gz", 3 * MEBIBYTE, 48 * HOUR);
  recent = await stored("http://mirror.example/recent.gz", 2 * MEBIBYTE, HOUR);
});
afterEach(() => folder[Symbol.dispose]());

/** @param age seconds since its last use */
async function stored(url: string, size: number, age: number): Promise<StoredFile> {
  async function* body() {
    yield await Promise.resolve(Buffer.alloc(size, url));
  }
  const file = await openStore(cache).write(url, { url, size, etag: '"1"', lastModified: null }, body());
  const used = Date.now() / 1000 - age;
  // The content's own time counts too; the entry learns of it, so that nobody need look at the bytes again.
  fs.utimesSync(file.path, used, used);
  openStore(cache).touch(url, file.checkedAt, { trust: "signed" });
  for (const name of fs.readdirSync(path.join(cache, "index"))) {
    const entry = path.join(cache, "index", name);
    if (fs.readFileSync(entry, "utf8").includes(url)) fs.utimesSync(entry, used, used);
  }
  return file;
}

function cacheCommand(...args: readonly string[]) {
  return run(programPath("guestboot"), ["cache", ...args], { GUESTBOOT_CACHE_DIR: cache });
}

describe("guestboot cache list", () => {
  it("says of each file where it came from, its digest, and how far it is known as the distribution's", () => {
    const ended = cacheCommand("list");
    expect(ended).toMatchObject({ status: 0, stderr: `${cache}: 2 files\n` });
    expect(ended.stdout).toMatch(/signed +sha256:[0-9a-f]{64} {2}http:\/\/mirror\.example\/old\.gz\n/);
    expect(JSON.parse(cacheCommand("list", "--json").stdout)).toMatchObject([
      { url: old.url, digest: old.digest, size: old.size, trust: "signed" },
      { url: recent.url, digest: recent.digest, size: recent.size, trust: "signed" },
    ]);
  });
});

describe("guestboot cache verify", () => {
  it("is content with a cache that is whole", () => {
    expect(cacheCommand("verify")).toMatchObject({ status: 0, stdout: "" });
    expect(JSON.parse(cacheCommand("verify", "--json").stdout)).toEqual({
      files: 2,
      bytes: 5 * MEBIBYTE,
      bad: [],
      repaired: false,
    });
  });

  it("finds a byte that the disk has changed, fails, and with --repair throws the file away", () => {
    const { mtime } = fs.statSync(old.path);
    fs.chmodSync(old.path, 0o600);
    const fd = fs.openSync(old.path, "r+");
    fs.writeSync(fd, "X", MEBIBYTE);
    fs.closeSync(fd);
    fs.utimesSync(old.path, mtime, mtime);
    const found = cacheCommand("verify");
    expect(found).toMatchObject({ status: 1, stdout: `damaged  ${old.path}  ${old.url}\n` });
    expect(found.stderr).toContain("1 bad");
    expect(JSON.parse(cacheCommand("verify", "--json").stdout)).toMatchObject({
      bad: [{ problem: "damaged", path: old.path, urls: [old.url] }],
    });
    expect(cacheCommand("verify", "--repair").status).toBe(0);
    expect(fs.existsSync(old.path)).toBe(false);
    expect(cacheCommand("verify").status).toBe(0);
    expect(openStore(cache).find(old.key)).toBeNull();
    expect(openStore(cache).find(recent.key)?.digest).toBe(recent.digest);
  });
});

describe("guestboot cache prune", () => {
  it("removes what was not used for longest, until the rest fits", () => {
    const dry = cacheCommand("prune", "--max-size", "2M", "--dry-run", "--json");
    expect(JSON.parse(dry.stdout)).toMatchObject({ dryRun: true, freed: old.size, left: recent.size, inUse: 0 });
    expect(openStore(cache).list()).toHaveLength(2);
    expect(cacheCommand("prune", "--max-size", "2M")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(old.digest) as string,
      stderr: expect.stringContaining("1 file removed") as string,
    });
    expect(
      openStore(cache)
        .list()
        .map(({ url }) => url),
    ).toEqual([recent.url]);
  });

  it("removes what was not used for a time", () => {
    expect(cacheCommand("prune", "--max-age", "1d").status).toBe(0);
    expect(openStore(cache).list()).toMatchObject([{ url: recent.url }]);
    expect(cacheCommand("prune", "--max-age", "30m").status).toBe(0);
    expect(openStore(cache).list()).toEqual([]);
  });

  it("never removes what is in use, and says so", () => {
    fs.linkSync(old.path, path.join(folder.path, "boot_kernel.abc123"));
    const { stdout, status } = cacheCommand("prune", "--max-size", "1M", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ removed: [{ digest: recent.digest }], inUse: old.size - MEBIBYTE });
    expect(openStore(cache).find(old.key)?.digest).toBe(old.digest);
  });

  it("removes what killed processes have left of verdicts on signatures, and verdicts of another day", () => {
    const verified = path.join(cache, "verified");
    fs.mkdirSync(verified);
    // Larger than any process's number (proc(5), pid_max).
    for (const name of ["a.json", "b.json", "c.json.4194305"]) fs.writeFileSync(path.join(verified, name), "{}");
    fs.utimesSync(path.join(verified, "b.json"), 1, 1);
    expect(cacheCommand("prune", "--max-size", "1G").status).toBe(0);
    expect(fs.readdirSync(verified)).toEqual(["a.json"]);
  });
});

describe("guestboot cache, used wrongly,", () => {
  it.each([
    [[], /what to do with the cache .* is missing/],
    [["wipe"], /cache cannot wipe/],
    [["prune"], /needs a limit/],
    [["prune", "--max-size", "big"], /--max-size must be a number of bytes/],
    [["prune", "--max-age", "soon"], /--max-age must be a number of seconds/],
    [["list", "--repair"], /cache list takes no --repair/],
    [["verify", "--max-size", "1G"], /cache verify takes no --max-size/],
  ])("%j is explained", (args, words) => {
    const ended = cacheCommand(...args);
    expect(ended).toMatchObject({ status: 2, stdout: "" });
    expect(ended.stderr).toMatch(words);
  });
});
