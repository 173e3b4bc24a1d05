import * as fs from "node:fs";
import * as path from "node:path";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { memorySource } from "../../src/base/byte-source.ts";
import { overlayFromArchive } from "../../src/initrd/overlay-archive.ts";
import { overlayFromFolder } from "../../src/initrd/overlay-folder.ts";
import { packOverlay } from "../../src/initrd/write-cpio.ts";
import { call } from "../filesystem/call.ts";
import { temporaryFolder } from "../program.ts";
import { cpioOf, LONG_NAME, makeTree, treeOf, unpack } from "./host-tree.ts";
import { filesOf, joined } from "./initrd-files.ts";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());
const at = (name: string) => path.join(temporary.path, name);
const root = at("tree");

beforeAll(() => makeTree(root));

const shaOf = (file: string) => createHash("sha256").update(fs.readFileSync(file)).digest("hex");

describe.each(["newc", "crc"] as const)("an archive that GNU cpio makes in the format %s", (format) => {
  it("is read whole: every kind of file, and names longer than 255 bytes", async () => {
    const files = await filesOf(cpioOf(root, format));
    const kinds = Object.fromEntries(files.map((file) => [file.path, file.kind]));
    expect(kinds).toMatchObject({
      "bin/tool": "file",
      "third-name": "file",
      bin: "directory",
      "bin/link": "symlink",
      "dev/null": "character device",
      "dev/sda": "block device",
      fifo: "fifo",
      sock: "socket",
      [LONG_NAME]: "file",
    });
    expect(LONG_NAME.length).toBeGreaterThan(500);
  });

  it("is written again so that GNU cpio unpacks the same files, owners, times and links", async () => {
    const overlay = await overlayFromArchive(memorySource(cpioOf(root, format)), "overlay");
    const folder = at(`again-${format}`);
    unpack(await joined(packOverlay(overlay, format)), folder);
    expect(treeOf(folder)).toEqual(treeOf(root));
    expect(shaOf(path.join(folder, "third-name"))).toBe(shaOf(path.join(root, "bin/tool")));
  });
});

describe("a folder as an overlay", () => {
  it("holds what the folder holds, owned by root", async () => {
    const folder = at("from-folder");
    unpack(await joined(packOverlay(overlayFromFolder(root))), folder);
    expect(treeOf(folder, { owners: false })).toEqual(treeOf(root, { owners: false }));
    const { uid, gid } = fs.statSync(path.join(folder, "etc/empty"));
    expect([uid, gid]).toEqual([0, 0]);
  });

  it("gives the same bytes wherever it lies", async () => {
    call("cp", ["-a", root, at("copy")], "coreutils");
    const bytes = (folder: string) => joined(packOverlay(overlayFromFolder(folder)));
    expect((await bytes(at("copy"))).equals(await bytes(root))).toBe(true);
  });
});

describe("a compressed archive as an overlay", () => {
  it.each([
    ["gzip", "gzip"],
    ["xz", "xz-utils"],
    ["zstd", "zstd"],
    ["bzip2", "bzip2"],
    ["lz4", "lz4"],
  ])("may come from %s", async (program, debianPackage) => {
    cpioOf(root);
    const file = at(`overlay.${program}`);
    call("sh", ["-c", `${program} -c < "$1" > "$2"`, "sh", `${root}.newc`, file], debianPackage);
    if (program !== "gzip") call(program, ["--version"], debianPackage);
    const overlay = await overlayFromArchive(memorySource(fs.readFileSync(file)), "overlay");
    expect(overlay.length).toBe((await filesOf(cpioOf(root))).length);
  });
});
