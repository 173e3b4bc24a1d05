/** Very large files on their way into the store, on filesystems that can and cannot be written past the page cache. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore, type SourceFacts } from "../../src/store/store.ts";
import { temporaryFolder } from "../program.ts";

const MEBIBYTE = 1024 * 1024;
/** No multiple of anything, and more than goes through the page cache. */
const SIZE = 131 * MEBIBYTE + 4097;
const CHUNK = 65_500;

let opened: DisposableStack;
let folder: string;
beforeEach(() => {
  opened = new DisposableStack();
  folder = opened.use(temporaryFolder()).path;
});
afterEach(() => opened.dispose());

const facts = (size: number | null): SourceFacts => ({
  url: "http://h.example/big.iso",
  size,
  etag: '"1"',
  lastModified: null,
});

/** Bytes that differ from place to place, with their digest as they come. */
function numbered(from: number, to: number, hash = createHash("sha256")) {
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let at = from; at < to; at += CHUNK) {
      await Promise.resolve();
      yield bytesAt(at, Math.min(CHUNK, to - at));
    }
  }
  for (let at = 0; at < to; at += CHUNK) hash.update(bytesAt(at, Math.min(CHUNK, to - at)));
  return { body: body(), digest: `sha256:${hash.digest("hex")}` };
}

function bytesAt(offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length, offset % 251);
  bytes.writeUInt32LE(offset, 0);
  return bytes;
}

function sha256sum(file: string): string {
  return `sha256:${execFileSync("sha256sum", [file], { encoding: "utf8" }).slice(0, 64)}`;
}

/** A filesystem of its own until the test is over. */
function mounted(...words: string[]): string {
  const point = path.join(folder, "mounted");
  fs.mkdirSync(point);
  execFileSync("mount", [...words, point]);
  opened.defer(() => execFileSync("umount", [point]));
  return point;
}

describe("a very large file", () => {
  it("comes whole, its odd end too, whether its size is known or not", async () => {
    for (const size of [SIZE, null]) {
      const { body, digest } = numbered(0, SIZE);
      const store = openStore(path.join(folder, `cache-${size}`));
      const stored = await store.write("key", facts(size), body);
      expect(stored).toMatchObject({ digest, size: SIZE });
      expect(sha256sum(stored.path)).toBe(digest);
      expect(fs.readdirSync(path.join(store.folder, "tmp"))).toEqual([]);
    }
  });

  it("comes whole on a tmpfs", async () => {
    const { body, digest } = numbered(0, SIZE);
    const stored = await openStore(mounted("-t", "tmpfs", "guestboot-test")).write("key", facts(SIZE), body);
    expect(sha256sum(stored.path)).toBe(digest);
  });

  it("that breaks off keeps its beginning, without a hole, and goes on behind it", async () => {
    const store = openStore(path.join(folder, "cache"));
    const { body } = numbered(0, SIZE);
    async function* broken() {
      let sent = 0;
      for await (const bytes of body) {
        yield bytes;
        sent += bytes.length;
        if (sent > 100 * MEBIBYTE) throw new Error("the line was cut");
      }
    }
    await expect(store.write("key", facts(SIZE), broken())).rejects.toThrow("the line was cut");
    const behind = store.partial("key");
    if (behind === null) throw new Error("nothing was kept");
    expect(behind.bytes).toBeGreaterThan(100 * MEBIBYTE);
    const { digest } = numbered(0, SIZE);
    async function* rest() {
      for (let at = behind?.bytes ?? 0; at < SIZE;) {
        await Promise.resolve();
        const start = Math.floor(at / CHUNK) * CHUNK;
        const bytes = bytesAt(start, Math.min(CHUNK, SIZE - start)).subarray(at - start);
        yield bytes;
        at += bytes.length;
      }
    }
    const stored = await store.write("key", facts(SIZE), rest(), { behind });
    expect(stored.digest).toBe(digest);
    expect(sha256sum(stored.path)).toBe(digest);
  });

  it("that does not fit is refused by name, and nothing stays", async () => {
    const point = mounted("-t", "tmpfs", "-o", "size=40m", "guestboot-test");
    const { body } = numbered(0, SIZE);
    const store = openStore(point);
    await expect(store.write("key", facts(null), body)).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(fs.readdirSync(path.join(point, "tmp"))).toEqual([]);
    expect(store.partial("key")).toBeNull();
  });
});
