/** The store between real processes and on a full filesystem. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempDisposableSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore, type SourceFacts } from "../../src/store/store.ts";

const MODULE = JSON.stringify(new URL("../../src/store/store.ts", import.meta.url).href);
const FACTS: SourceFacts = { url: "http://h.example/initrd.gz", size: null, etag: null, lastModified: null };
const MEGABYTE = 1_000_000;

let folder: ReturnType<typeof mkdtempDisposableSync>;
let cache: string;
beforeEach(() => {
  folder = mkdtempDisposableSync(join(tmpdir(), "guestboot-test-"));
  cache = join(folder.path, "cache");
});
afterEach(() => folder.remove());

/** A process that writes what the generator `body` gives under the key "key". */
function startWriter(body: string): ChildProcess {
  const script = `
    import { openStore } from ${MODULE};
    async function* body() { ${body} }
    await openStore(${JSON.stringify(cache)}).write("key", ${JSON.stringify(FACTS)}, body());`;
  return spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
}

function sha256sum(path: string): string {
  return execFileSync("sha256sum", [path], { encoding: "utf8" }).slice(0, 64);
}

async function* zeros(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= 100_000) {
    await Promise.resolve();
    yield Buffer.alloc(Math.min(left, 100_000));
  }
}

describe("writers of one key in several processes", () => {
  it("leave content that is what its name says, and an entry of one of them", async () => {
    const writers = Array.from({ length: 8 }, (_, writer) =>
      startWriter(`for (let part = 0; part < 40; part++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        yield Buffer.alloc(100_000, ${writer % 3} + part);
      }`),
    );
    const codes = await Promise.all(writers.map(async (child) => (await once(child, "exit"))[0] as unknown));
    expect(codes).toEqual(Array.from({ length: 8 }, () => 0));

    const content = readdirSync(join(cache, "content"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    expect(content).toHaveLength(3);
    for (const path of content) expect(basename(dirname(path)) + basename(path)).toBe(sha256sum(path));
    expect(openStore(cache).find("key")?.size).toBe(4 * MEGABYTE);
    expect(content).toContain(openStore(cache).find("key")?.path);
    expect(readdirSync(join(cache, "tmp"))).toEqual([]);
  });
});

describe("the MD5 of what is written", () => {
  it("is computed from the bytes as they come: the file is never read", () => {
    const traced = join(folder.path, "trace");
    const script = `
      import { openStore } from ${MODULE};
      async function* body() { for (let part = 0; part < 40; part++) yield Buffer.alloc(100_000, part); }
      const stored = await openStore(${JSON.stringify(cache)}, { md5: true }).write("key", ${JSON.stringify(FACTS)}, body());
      console.log(JSON.stringify(stored));`;
    const calls = "trace=openat,read,pread64,readv,preadv,mmap,sendfile,copy_file_range,splice";
    const words = ["-f", "-y", "-qq", "-e", calls, "-o", traced, process.execPath, "--input-type=module", "-e", script];
    // The runtime must not read past the calls that strace(1) sees.
    const env = { ...process.env, UV_USE_IO_URING: "0" };
    const printed = execFileSync("strace", words, { encoding: "utf8", env });
    const stored = JSON.parse(printed) as { path: string; md5: string; size: number };
    expect(stored.size).toBe(4 * MEGABYTE);
    expect(stored.md5).toBe(execFileSync("md5sum", [stored.path], { encoding: "utf8" }).slice(0, 32));
    const lines = readFileSync(traced, "utf8").split("\n");
    // It was made under a temporary name, and only written to (sync(1) opens it, and reads nothing).
    const temporary = lines.filter((line) => line.includes(`${cache}/tmp/`));
    expect(temporary.some((line) => /openat\(.*O_CREAT/.test(line))).toBe(true);
    const ofContent = lines.filter((line) => line.includes(`${cache}/tmp/`) || line.includes(`${cache}/content/`));
    expect(ofContent.filter((line) => !/openat\(/.test(line))).toEqual([]);
  });
});

describe("a writer that is killed", () => {
  it("leaves nothing that is found, and what it leaves goes at the next write", async () => {
    const writer = startWriter(`
      yield Buffer.alloc(${MEGABYTE});
      console.log("half");
      await new Promise((resolve) => setTimeout(resolve, 1e6));`);
    const ended = once(writer, "exit");
    await once(writer.stdout ?? writer, "data").finally(() => writer.kill("SIGKILL"));
    await ended;

    const store = openStore(cache);
    expect(store.find("key")).toBeNull();
    expect(store.list()).toEqual([]);
    expect(readdirSync(join(cache, "tmp"))).toHaveLength(1);
    const { path } = await store.write("key", FACTS, zeros(10));
    expect(statSync(path).size).toBe(10);
    expect(readdirSync(join(cache, "tmp"))).toEqual([]);
  });
});

describe("a cache on two filesystems", () => {
  it("cannot be written, and that is said; nothing stays on either", async () => {
    using other = mkdtempDisposableSync("/dev/shm/guestboot-test-");
    mkdirSync(cache);
    symlinkSync(other.path, join(cache, "content"));
    await expect(openStore(cache).write("key", FACTS, zeros(MEGABYTE))).rejects.toMatchObject({
      code: "CACHE_UNWRITABLE",
      message: `the cache folder ${cache} cannot be written: cross-device link not permitted`,
      hint: expect.stringMatching(/^all of it must be on one filesystem/) as string,
    });
    expect(readdirSync(join(cache, "tmp"))).toEqual([]);
    const left = readdirSync(other.path, { recursive: true, withFileTypes: true });
    expect(left.filter((entry) => entry.isFile())).toEqual([]);
  });
});

describe("a filesystem without space", () => {
  beforeEach(() => {
    mkdirSync(cache);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "guestboot-test", cache]);
  });
  afterEach(() => {
    execFileSync("umount", [cache]);
  });

  it("is noticed before the first byte when the size is known", async () => {
    let asked = false;
    async function* body() {
      asked = true;
      yield* zeros(4 * MEGABYTE);
    }
    await expect(openStore(cache).write("key", { ...FACTS, size: 4 * MEGABYTE }, body())).rejects.toMatchObject({
      code: "NO_SPACE",
      message: `not enough free space in ${cache} for http://h.example/initrd.gz (4.0 MB); 2.1 MB are free there`,
    });
    expect(asked).toBe(false);
    expect(readdirSync(join(cache, "tmp"))).toEqual([]);
  });

  it("is noticed on the way when it is not, and nothing stays", async () => {
    const store = openStore(cache);
    await expect(store.write("key", FACTS, zeros(4 * MEGABYTE))).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(readdirSync(join(cache, "tmp"))).toEqual([]);
    expect(store.find("key")).toBeNull();
    await store.write("key", FACTS, zeros(MEGABYTE));
    expect(store.find("key")?.size).toBe(MEGABYTE);
  });
});
