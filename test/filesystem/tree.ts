/**
 * The whole content of a filesystem as plain lines, once through a driver of ours and once through the host's kernel,
 * so that the two can be compared.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import type { ByteSource } from "../../src/base/byte-source.ts";
import type { FilesystemDriver, FilesystemNode } from "../../src/filesystem/filesystem.ts";

/** Path (a byte a character), then what is there: `directory`, `symlink <target>`, `file <size> <sha256>`. */
export type Tree = ReadonlyMap<string, string>;

/** What mkfs makes by itself. */
const NOT_OURS = "lost+found";
const PIECE = 256 * 1024;

export function driverTree(driver: FilesystemDriver): Tree {
  const tree = new Map<string, string>();
  const walk = (folder: FilesystemNode, path: string) => {
    for (const { name, node } of driver.list(folder)) {
      if (path === "" && name === NOT_OURS) continue;
      const here = `${path}/${bytesOf(name)}`;
      if (tree.has(here)) throw new Error(`${here} is listed twice`);
      tree.set(here, describe(driver, node));
      if (node.kind === "directory") walk(node, here);
    }
  };
  walk(driver.root, "");
  return sorted(tree);
}

export function hostTree(root: string): Tree {
  const tree = new Map<string, string>();
  const walk = (folder: Buffer, path: string) => {
    for (const name of fs.readdirSync(folder, { encoding: "buffer" })) {
      if (path === "" && name.toString() === NOT_OURS) continue;
      const file = Buffer.concat([folder, Buffer.from("/"), name]);
      const here = `${path}/${name.toString("latin1")}`;
      const stat = fs.lstatSync(file);
      if (stat.isDirectory()) {
        tree.set(here, "directory");
        walk(file, here);
      } else if (stat.isSymbolicLink()) {
        tree.set(here, `symlink ${fs.readlinkSync(file, { encoding: "buffer" }).toString("latin1")}`);
      } else {
        tree.set(here, stat.isFile() ? `file ${stat.size} ${hostDigest(file)}` : "other");
      }
    }
  };
  walk(Buffer.from(root), "");
  return sorted(tree);
}

/** The sha256 of a source, read in pieces into one buffer as the copy of a boot file is. */
export function digestOf(source: ByteSource): string {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(PIECE);
  for (let at = 0; at < source.size; at += PIECE) {
    hash.update(source.read(at, Math.min(PIECE, source.size - at), buffer));
  }
  return hash.digest("hex");
}

function describe(driver: FilesystemDriver, node: FilesystemNode): string {
  if (node.kind === "symlink") return `symlink ${bytesOf(driver.readLink(node))}`;
  if (node.kind !== "file") return node.kind;
  return `file ${node.size} ${digestOf(driver.content(node))}`;
}

function hostDigest(file: Buffer): string {
  const hash = createHash("sha256");
  const fd = fs.openSync(file, "r");
  try {
    const buffer = new Uint8Array(PIECE);
    for (let at = 0, got = 1; got > 0; at += got) {
      got = fs.readSync(fd, buffer, 0, PIECE, at);
      hash.update(buffer.subarray(0, got));
    }
  } finally {
    fs.closeSync(fd);
  }
  return hash.digest("hex");
}

/**
 * The bytes of a decoded name, a character each: what is no UTF-8 stands as U+DC00 + byte in our texts (see
 * `base/text.ts`), which is spelled out here again so that the comparison does not lean on our own encoder.
 */
function bytesOf(text: string): string {
  return Array.from(text, (character) => {
    const code = character.charCodeAt(0);
    return character.length === 1 && code >= 0xdc80 && code <= 0xdcff
      ? String.fromCharCode(code - 0xdc00)
      : Buffer.from(character).toString("latin1");
  }).join("");
}

function sorted(tree: ReadonlyMap<string, string>): Tree {
  return new Map([...tree].sort(([left], [right]) => (left < right ? -1 : 1)));
}
