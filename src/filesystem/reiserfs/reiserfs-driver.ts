/**
 * ReiserFS 3.5 and 3.6, read-only.
 *
 * Read: both forms of keys, tails, holes, folders through their hashes (R5, TEA, Rupasov's), and what a crash has left
 * in the journal. Not read: a journal on another device (refused when it is needed), a superblock at 8 KiB (before
 * Linux 2.4), extended attributes, Reiser4.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { decodeText, encodeText } from "../../base/text.ts";
import type { FilesystemDriver, FilesystemNode } from "../filesystem.ts";
import { contentOf } from "./content.ts";
import { damaged } from "./damage.ts";
import { findInDirectory, readDirectory } from "./directory.ts";
import { recover } from "./journal.ts";
import type { ObjectId } from "./key.ts";
import { nameOf, readObject } from "./object.ts";
import { Tree } from "./tree.ts";

const ROOT: ObjectId = { directoryId: 1, objectId: 2 };
/** Linux keeps extended attributes in there, and shows it to nobody. */
const HIDDEN_IN_ROOT = ".reiserfs_priv";
/** A path of the kernel, and so a link, has at most that many bytes. */
const MAX_LINK_SIZE = 4096;

/** @throws FEATURE_UNSUPPORTED, FILESYSTEM_DAMAGED, OUT_OF_BOUNDS, BUDGET_EXCEEDED */
export function openReiserfs(source: ByteSource): FilesystemDriver {
  const { source: recovered, superblock, notes } = recover(source);
  const tree = new Tree(recovered, superblock);
  const objects = new ObjectNumbers();
  const nodeOf = (id: ObjectId): FilesystemNode => {
    const { kind, size, mtime } = readObject(tree, id);
    return { id: objects.numberOf(id), kind, size, mtime };
  };
  const root = nodeOf(ROOT);
  if (root.kind !== "directory") throw damaged("its root is no folder");
  const isHidden = (directory: FilesystemNode, name: string) => directory.id === root.id && name === HIDDEN_IN_ROOT;
  const content = (node: FilesystemNode) => contentOf(tree, readObject(tree, objects.at(node.id)));
  const size = superblock.blockCount * superblock.blockSize;
  return {
    type: "reiserfs",
    uuid: superblock.uuid,
    label: superblock.label,
    features: [superblock.format, ...(superblock.hash === null ? [] : [superblock.hash])],
    notes: [
      ...notes,
      ...(superblock.hasErrors ? ["the filesystem is marked as damaged: reiserfsck --check tells more"] : []),
      ...(size > source.size ? [`the filesystem has ${size} bytes, but its volume only ${source.size}`] : []),
    ],
    root,
    lookup(directory, name) {
      if (isHidden(directory, name)) return null;
      const object = findInDirectory(tree, objects.at(directory.id), encodeText(name));
      return object === null ? null : nodeOf(object);
    },
    list(directory) {
      return readDirectory(tree, objects.at(directory.id)).flatMap(({ name: bytes, object }) => {
        const name = decodeText(bytes);
        return isHidden(directory, name) ? [] : [{ name, node: nodeOf(object) }];
      });
    },
    readLink(link) {
      const target = content(link);
      if (target.size > MAX_LINK_SIZE) throw damaged(`a symbolic link of ${target.size} bytes`);
      return decodeText(target.read(0, target.size));
    },
    content,
  };
}

/** A number for each object that was met: what ReiserFS itself tells them apart by are two of 32 bits. */
class ObjectNumbers {
  readonly #ids: ObjectId[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(id: ObjectId): number {
    const name = nameOf(id);
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    this.#numbers.set(name, this.#ids.length);
    return this.#ids.push(id) - 1;
  }

  at(number: number): ObjectId {
    const id = this.#ids[number];
    if (id === undefined) throw damaged(`no object has the number ${number}`);
    return id;
  }
}
