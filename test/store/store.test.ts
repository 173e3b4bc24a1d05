import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempDisposableSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore, type SourceFacts, type Store } from "../../src/store/store.ts";

/** FIPS 180-2, appendix B.1: SHA-256 of "abc". */
const ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const FACTS: SourceFacts = { url: "http://h.example/abc", size: null, etag: '"1"', lastModified: null };

let folder: ReturnType<typeof mkdtempDisposableSync>;
let store: Store;
beforeEach(() => {
  folder = mkdtempDisposableSync(join(tmpdir(), "guestboot-test-"));
  store = openStore(join(folder.path, "cache"));
});
afterEach(() => folder.remove());

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await Promise.resolve();
    yield Buffer.from(text);
  }
}

function filesBelow(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1));
}

function indexFile(): string {
  const [name = ""] = readdirSync(join(store.folder, "index"));
  return join(store.folder, "index", name);
}

describe("a file that is written", () => {
  it("is found under its key, with everything that was known of it", async () => {
    const before = Date.now();
    const written = await store.write("the key", { ...FACTS, size: 3 }, pieces("a", "", "bc"));
    expect(written).toMatchObject({
      key: "the key",
      url: FACTS.url,
      digest: `sha256:${ABC}`,
      size: 3,
      validators: { etag: '"1"', lastModified: null },
      path: join(store.folder, "content/sha256", ABC.slice(0, 2), ABC.slice(2)),
    });
    expect(readFileSync(written.path, "utf8")).toBe("abc");
    expect(written.fetchedAt.getTime()).toBeGreaterThanOrEqual(before);
    expect(written.checkedAt).toEqual(written.fetchedAt);
    expect(store.find("the key")).toEqual(written);
    expect(openStore(store.folder).find("the key")).toEqual(written);
    expect(store.find("another key")).toBeNull();
  });

  it("is read-only, and nothing unfinished stays", async () => {
    const { path } = await store.write("key", FACTS, pieces("abc"));
    expect(statSync(path).mode & 0o7777).toBe(0o444);
    expect(readdirSync(join(store.folder, "tmp"))).toEqual([]);
  });

  it("has the digest that sha256sum says, however large it is", async () => {
    const body = Array.from({ length: 64 }, (_, part) => `${part}`.repeat(40_000));
    const { path, digest } = await store.write("key", FACTS, pieces(...body));
    expect(digest).toBe(`sha256:${execFileSync("sha256sum", [path], { encoding: "utf8" }).slice(0, 64)}`);
  });

  it("may be empty, and its key may be anything", async () => {
    const key = `../../${"x".repeat(5000)}\n\0"`;
    const written = await store.write(key, { ...FACTS, size: 0 }, pieces());
    expect(written.size).toBe(0);
    expect(store.find(key)).toEqual(written);
  });

  it("tells how many bytes have come", async () => {
    const counts: number[] = [];
    await store.write("key", FACTS, pieces("abc", "de"), { onBytes: (count) => counts.push(count) });
    expect(counts).toEqual([3, 2]);
  });

  it("is kept once when two keys have the same bytes", async () => {
    const one = await store.write("one", FACTS, pieces("abc"));
    const inode = statSync(one.path).ino;
    const other = await store.write("other", FACTS, pieces("abc"));
    expect(other.path).toBe(one.path);
    expect(statSync(one.path).ino).toBe(inode);
    expect(store.list().map(({ key }) => key)).toEqual(["one", "other"]);
  });

  it("takes the place of what its key stood for, whose bytes stay", async () => {
    const old = await store.write("key", FACTS, pieces("old"));
    await store.write("key", FACTS, pieces("new"));
    expect(readFileSync(store.find("key")?.path ?? "", "utf8")).toBe("new");
    expect(readFileSync(old.path, "utf8")).toBe("old");
  });
});

describe("a write that fails", () => {
  it("leaves nothing, and what the key stood for before", async () => {
    await store.write("key", FACTS, pieces("abc"));
    const before = filesBelow(store.folder);
    async function* broken() {
      yield* pieces("part");
      throw new Error("the line is cut");
    }
    await expect(store.write("key", FACTS, broken())).rejects.toThrow("the line is cut");
    expect(filesBelow(store.folder)).toEqual(before);
    expect(store.find("key")?.size).toBe(3);
  });

  it("says so when fewer or more bytes come than were announced", async () => {
    await expect(store.write("key", { ...FACTS, size: 4 }, pieces("abc"))).rejects.toMatchObject({
      code: "TRANSFER_TRUNCATED",
      message: "http://h.example/abc: 3 bytes came where 4 were announced",
    });
    await expect(store.write("key", { ...FACTS, size: 2 }, pieces("abc"))).rejects.toMatchObject({
      code: "TRANSFER_FAILED",
    });
    expect(filesBelow(store.folder)).toEqual([]);
  });

  it("says so when the folder cannot be used", async () => {
    writeFileSync(join(folder.path, "file"), "");
    const broken = openStore(join(folder.path, "file/cache"));
    await expect(broken.write("key", FACTS, pieces("abc"))).rejects.toMatchObject({
      code: "CACHE_UNWRITABLE",
      message: `the cache folder ${folder.path}/file/cache cannot be written: not a directory`,
    });
    expect(broken.find("key")).toBeNull();
  });
});

describe("what is not whole is not found, and its entry is dropped", () => {
  it.each<[string, () => void]>([
    ["an entry that ends early", () => truncateSync(indexFile(), 40)],
    ["an empty entry", () => truncateSync(indexFile(), 0)],
    ["an entry that is no JSON", () => writeFileSync(indexFile(), "\0\0\0\0")],
    [
      "an endless entry",
      () => writeFileSync(indexFile(), `${readFileSync(indexFile(), "utf8")}${" ".repeat(70_000)}x`),
    ],
    ["an entry of a later version", () => edit(indexFile(), (entry) => ({ ...entry, version: 2 }))],
    ["an entry with a size that is no number", () => edit(indexFile(), (entry) => ({ ...entry, size: "3" }))],
    ["an entry with a date that is none", () => edit(indexFile(), (entry) => ({ ...entry, fetchedAt: "today" }))],
    ["an entry whose digest is a path", () => edit(indexFile(), (entry) => ({ ...entry, digest: "sha256:../../x" }))],
    ["an entry of another key", () => edit(indexFile(), (entry) => ({ ...entry, key: "other" }))],
    ["content that has gone", () => unlinkSync(contentFile())],
    ["content that is too short", () => truncateSync(contentFile(), 2)],
    ["content that is a link", () => replaceByLink(contentFile())],
  ])("%s", async (_, damage) => {
    await store.write("key", FACTS, pieces("abc"));
    damage();
    expect(store.find("key")).toBeNull();
    expect(readdirSync(join(store.folder, "index"))).toEqual([]);
    expect(store.touch("key", new Date())).toBeNull();
    expect(store.list()).toEqual([]);
  });

  it("and the next write mends it", async () => {
    for (const damage of ["x", "xyz", "longer"]) {
      const { path } = await store.write("key", FACTS, pieces("abc"));
      chmodSync(path, 0o644);
      writeFileSync(path, damage);
      await store.write("key", FACTS, pieces("abc"));
      expect(readFileSync(path, "utf8")).toBe("abc");
      expect(readdirSync(join(store.folder, "tmp"))).toEqual([]);
    }
  });
});

describe("a file that its source calls current", () => {
  it("keeps its bytes and gets a new time of checking", async () => {
    const written = await store.write("key", FACTS, pieces("abc"));
    const checkedAt = new Date("2030-01-02T03:04:05.678Z");
    expect(store.touch("key", checkedAt)).toEqual({ ...written, checkedAt });
    expect(store.find("key")).toEqual({ ...written, checkedAt });
  });

  it("gets new validators where the source has some", async () => {
    await store.write("key", FACTS, pieces("abc"));
    const validators = { etag: '"2"', lastModified: "Sat, 10 Jun 2023 11:12:13 GMT" };
    store.touch("key", new Date(), { validators });
    expect(store.find("key")?.validators).toEqual(validators);
  });
});

describe("what dead writers have left", () => {
  it("goes at the next write; what a living one writes stays", async () => {
    await store.write("key", FACTS, pieces("abc"));
    const dead = execFileSync("/bin/sh", ["-c", "echo $$"], { encoding: "utf8" }).trim();
    const here = encodeURIComponent(hostname());
    const names = [
      `${here}~${dead}~0`,
      `${here}~${process.pid}~0`,
      `elsewhere~${dead}~0`,
      `elsewhere~${dead}~1`,
      "junk",
    ];
    for (const name of names) writeFileSync(join(store.folder, "tmp", name), "part");
    const yesterday = (Date.now() - 25 * 3600 * 1000) / 1000;
    utimesSync(join(store.folder, "tmp", `elsewhere~${dead}~1`), yesterday, yesterday);
    await store.write("key", FACTS, pieces("def"));
    expect(readdirSync(join(store.folder, "tmp")).sort()).toEqual(
      [`${here}~${process.pid}~0`, `elsewhere~${dead}~0`, "junk"].sort(),
    );
  });
});

function contentFile(): string {
  const [name = ""] = filesBelow(join(store.folder, "content"));
  return join(store.folder, "content", name);
}

function replaceByLink(file: string): void {
  const moved = join(folder.path, "moved");
  renameSync(file, moved);
  symlinkSync(moved, file);
}

function edit(file: string, change: (entry: object) => object): void {
  const entry: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (typeof entry !== "object" || entry === null) throw new Error("no entry");
  writeFileSync(file, JSON.stringify(change(entry)));
}
