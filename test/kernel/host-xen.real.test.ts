import * as fs from "node:fs";
import { describe, expect, it } from "vitest";
import { decompressorsOf, readXenDecompressors, whyXenCannotUnpack } from "../../src/kernel/host-xen.ts";
import { pipe } from "../compress/tools.ts";

const LIBRARY = "/usr/lib/x86_64-linux-gnu/libxenguest.so.4.17";

describe("what this host's Xen unpacks", () => {
  it("is what its library takes from the decompressors' libraries, by readelf", () => {
    if (!fs.existsSync(LIBRARY)) throw new Error(`${LIBRARY} is missing: apt-get install libxenmisc4.17`);
    const needed = pipe(`readelf -dW ${LIBRARY}`).toString("latin1");
    const found = readXenDecompressors();
    expect(found).not.toBeNull();
    for (const [compression, library] of [
      ["bzip2", "libbz2.so"],
      ["xz", "liblzma.so"],
      ["lzma", "liblzma.so"],
      ["lzo", "liblzo2.so"],
      ["zstd", "libzstd.so"],
      ["gzip", "libz.so"],
    ] as const) {
      expect(found?.has(compression), compression).toBe(needed.includes(library));
    }
  });

  it("is not known where there is no library", () => {
    expect(readXenDecompressors(["/nonexistent", "/etc"])).toBeNull();
  });

  it("is gzip alone where the library has nothing else", () => {
    expect([...decompressorsOf(Buffer.from("xc_dom_check_gzip"))]).toEqual(["gzip"]);
  });
});

describe("the sentence about a kernel that Xen cannot unpack", () => {
  const old = new Set(["gzip", "bzip2", "lzma", "xz", "lzo"] as const);

  it("names the compression and what to do", () => {
    const sentence = whyXenCannotUnpack({ payload: "zstd" }, old);
    expect(sentence).toMatch(
      /^This host's Xen cannot unpack the kernel, which is packed with zstd: --decompress-kernel/,
    );
  });

  it("says from when on Xen can, when this host's is not known", () => {
    expect(whyXenCannotUnpack({ payload: "zstd" }, null)).toContain("from version 4.15 on");
    expect(whyXenCannotUnpack({ payload: "xz" }, null)).toBeNull();
  });

  it("is not there for a kernel that Xen unpacks, or that is not packed", () => {
    expect(whyXenCannotUnpack({ payload: "xz" }, old)).toBeNull();
    expect(whyXenCannotUnpack({ payload: null }, old)).toBeNull();
  });
});
