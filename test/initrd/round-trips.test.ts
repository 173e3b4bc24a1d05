/**
 * What is written must be read back as what it was, whatever it is: overlays as cpio archives, bytes as gzip members.
 */
import * as zlib from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget } from "../../src/base/budget.ts";
import { memorySource } from "../../src/base/byte-source.ts";
import { decodeText } from "../../src/base/text.ts";
import { storeInGzip } from "../../src/compress/gzip-stored.ts";
import { ByteStream } from "../../src/initrd/byte-stream.ts";
import type { OverlayEntry } from "../../src/initrd/overlay.ts";
import { readCpio } from "../../src/initrd/read-cpio.ts";
import { packOverlay } from "../../src/initrd/write-cpio.ts";
import { joined } from "./initrd-files.ts";

/** A name of one folder: any bytes but a slash and a zero, and not one of those that mean a folder. */
const name = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((bytes) => decodeText(bytes.map((byte) => (byte === 0 || byte === 47 ? 120 : byte))))
  .filter((text) => text !== "." && text !== "..");
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
const number = fc.integer({ min: 0, max: 0xffff_ffff });

const entry: fc.Arbitrary<OverlayEntry> = fc
  .record({
    path: path.filter((text) => text !== "TRAILER!!!"),
    isFolder: fc.boolean(),
    content: fc.uint8Array({ maxLength: 300 }),
    mode: fc.integer({ min: 0, max: 0o7777 }),
    uid: number,
    gid: number,
    mtime: number,
  })
  .map(({ isFolder, content, ...rest }) => ({
    ...rest,
    kind: isFolder ? "directory" : "file",
    size: isFolder ? 0 : content.length,
    content: isFolder ? null : memorySource(content),
  }));

async function read(archive: Uint8Array) {
  const chunks = [archive];
  const stream = new ByteStream({ next: () => Promise.resolve(chunks.shift() ?? null) });
  const records = [];
  for await (const record of readCpio(stream, "archive", new Budget("records", 100))) {
    const { path, kind } = record;
    const { mode, uid, gid, mtime } = record.header;
    const bytes = Buffer.concat(await Array.fromAsync(record.content()));
    records.push({ path, kind, mode: mode & 0o7777, uid, gid, mtime, content: [...bytes] });
  }
  return records;
}

describe("an overlay", () => {
  it.each(["newc", "crc"] as const)("in an archive of the format %s is read back as it was", async (format) => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (overlay) => {
        const said = overlay.map(({ path, kind, mode, uid, gid, mtime, size, content }) => {
          return { path, kind, mode, uid, gid, mtime, content: [...(content?.read(0, size) ?? [])] };
        });
        expect(await read(await joined(packOverlay(overlay, format)))).toEqual(said);
      }),
    );
  });
});

describe("bytes that are stored in a gzip member", () => {
  it("are what zlib expands them to", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 500 }), { maxLength: 8 }), (chunks) => {
        expect(zlib.gunzipSync(Buffer.concat([...storeInGzip(chunks)]))).toEqual(Buffer.concat(chunks));
      }),
    );
  });

  it("may be longer than a block", () => {
    for (const size of [0xfffe, 0xffff, 0x10000, 0x1ffff]) {
      const bytes = new Uint8Array(size).fill(size);
      expect(zlib.gunzipSync(Buffer.concat([...storeInGzip([bytes])]))).toEqual(Buffer.from(bytes));
    }
  });
});
