/** Other readers of ext filesystems, and how ours is asked the same. */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { GuestbootError } from "../../src/base/errors.ts";
import type { GuestFilesystem } from "../../src/filesystem/filesystem.ts";
import { call } from "./call.ts";
import { manifestOfFolder, type Manifest } from "./manifest.ts";

export function debugfs(image: string, request: string): string {
  return call("debugfs", ["-R", request, image], "e2fsprogs");
}

/** Files as debugfs copies them out, without the kernel: "file SIZE SHA1" by path. `folder` is made and removed. */
export function dumpedByDebugfs(image: string, paths: readonly string[], folder: string): Manifest {
  fs.mkdirSync(folder);
  try {
    const requests = paths.map((path, index) => `dump "${path}" ${folder}/${index}`).join("\n");
    call("debugfs", ["-f", "-", image], "e2fsprogs", `${requests}\n`);
    const dumped = manifestOfFolder(folder);
    return Object.fromEntries(paths.map((path, index) => [path, dumped[`/${index}`] ?? "missing"]));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/** The whole tree as debugfs copies it out. `folder` is made and removed. */
export function treeOfDebugfs(image: string, folder: string): Manifest {
  fs.mkdirSync(folder);
  try {
    debugfs(image, `rdump / ${folder}`);
    return manifestOfFolder(folder);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/** Files as GRUB's own driver reads them: "file SIZE SHA1" by path. */
export function readByGrub(image: string, paths: readonly string[]): Manifest {
  return Object.fromEntries(
    paths.map((path) => {
      const bytes = Buffer.from(call("grub-fstest", [image, "cat", `(loop0)${path}`], "grub-common"), "latin1");
      return [path, `file ${bytes.length} ${createHash("sha1").update(bytes).digest("hex")}`];
    }),
  );
}

/** What our walk says of a path, in the kernel's words (see `KernelSays`). */
export function saidByUs(filesystem: GuestFilesystem, path: string): string {
  try {
    const node = filesystem.find(path);
    if (node === null) return "missing";
    if (node.kind !== "file") return node.kind;
    const content = filesystem.open(path);
    const head = content.read(0, Math.min(16, content.size));
    return `file ${content.size} ${Buffer.from(head).toString("hex")}`;
  } catch (error) {
    if (error instanceof GuestbootError && error.code === "LINK_LOOP") return "ELOOP";
    throw error;
  }
}

/** Errors that are all the same to us: no such file. */
export function withoutReason(said: string): string {
  return ["ENOENT", "ENOTDIR", "ENAMETOOLONG"].includes(said) ? "missing" : said;
}
