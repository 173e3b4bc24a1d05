/**
 * What a tree holds, a line a name, so that two readers of it can be compared: the host's kernel and ours.
 * Names are bytes, shown as Latin-1.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import type { ByteSource } from "../../src/base/byte-source.ts";
import { encodeText } from "../../src/base/text.ts";
import type { FilesystemDriver, FilesystemNode } from "../../src/filesystem/filesystem.ts";

/** By path: "directory", "other", "symlink TARGET" or "file SIZE SHA1". */
export type Manifest = Readonly<Record<string, string>>;

const PIECE = 1024 * 1024;

export function manifestOfFolder(folder: string): Manifest {
  const found: Record<string, string> = {};
  const visit = (host: Buffer, path: string): void => {
    for (const name of fs.readdirSync(host, { encoding: "buffer" })) {
      const file = Buffer.concat([host, Buffer.from("/"), name]);
      const below = `${path}/${name.toString("latin1")}`;
      const stats = fs.lstatSync(file);
      if (stats.isSymbolicLink()) {
        found[below] = `symlink ${fs.readlinkSync(file, { encoding: "buffer" }).toString("latin1")}`;
      } else if (stats.isFile()) found[below] = hostFile(file, stats.size);
      else found[below] = stats.isDirectory() ? "directory" : "other";
      if (stats.isDirectory()) visit(file, below);
    }
  };
  visit(Buffer.from(folder), "");
  return sorted(found);
}

export function manifestOfDriver(driver: FilesystemDriver): Manifest {
  const found: Record<string, string> = {};
  const visit = (folder: FilesystemNode, path: string): void => {
    for (const { name, node } of driver.list(folder)) {
      const below = `${path}/${Buffer.from(encodeText(name)).toString("latin1")}`;
      if (node.kind === "symlink") {
        found[below] = `symlink ${Buffer.from(encodeText(driver.readLink(node))).toString("latin1")}`;
      } else if (node.kind === "file") found[below] = fileOf(driver.content(node));
      else found[below] = node.kind;
      if (node.kind === "directory") visit(node, below);
    }
  };
  visit(driver.root, "");
  return sorted(found);
}

/** Where two manifests differ, at the first few names; empty when they do not. */
export function differences(left: Manifest, right: Manifest): string[] {
  return differencesAt(new Set([...Object.keys(left), ...Object.keys(right)]), left, right);
}

/** Where `right` differs from `left` in what `left` has; it may have more. */
export function differencesWithin(left: Manifest, right: Manifest): string[] {
  return differencesAt(new Set(Object.keys(left)), left, right);
}

function differencesAt(paths: ReadonlySet<string>, left: Manifest, right: Manifest): string[] {
  return [...paths]
    .filter((path) => left[path] !== right[path])
    .slice(0, 20)
    .map((path) => `${path}: ${left[path] ?? "missing"} | ${right[path] ?? "missing"}`);
}

export function fileOf(source: ByteSource): string {
  const hash = createHash("sha1");
  const buffer = new Uint8Array(Math.min(PIECE, source.size));
  for (let at = 0; at < source.size; at += PIECE) {
    hash.update(source.read(at, Math.min(PIECE, source.size - at), buffer));
  }
  return `file ${source.size} ${hash.digest("hex")}`;
}

function hostFile(file: Buffer, size: number): string {
  const fd = fs.openSync(file, "r");
  try {
    const read = (at: number, length: number, into = new Uint8Array(length)) =>
      into.subarray(0, fs.readSync(fd, into, 0, length, at));
    return fileOf({ size, read });
  } finally {
    fs.closeSync(fd);
  }
}

function sorted(manifest: Manifest): Manifest {
  return Object.fromEntries(Object.entries(manifest).sort(([a], [b]) => (a < b ? -1 : 1)));
}
