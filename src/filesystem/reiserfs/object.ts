/**
 * Stat data: what an object of the filesystem is. Two forms, told apart by their lengths.
 * Specification: Florian Buchholz, "The structure of the Reiser file system", section "Stat items".
 */
import { CheckedReader } from "../../base/checked-reader.ts";
import type { NodeKind } from "../filesystem.ts";
import { damaged } from "./damage.ts";
import { firstKeyOf, type ObjectId } from "./key.ts";
import type { Tree } from "./tree.ts";

export interface FilesystemObject {
  readonly id: ObjectId;
  readonly kind: NodeKind;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

const OLD_SIZE = 32;
const NEW_SIZE = 44;
const KINDS: Readonly<Record<number, NodeKind>> = { 0x4000: "directory", 0x8000: "file", 0xa000: "symlink" };

/** @throws FILESYSTEM_DAMAGED, OUT_OF_BOUNDS */
export function readObject(tree: Tree, id: ObjectId): FilesystemObject {
  const item = tree.find(firstKeyOf(id));
  if (item === null) throw damaged(`a folder names object ${nameOf(id)}, which is not there`);
  const { body } = item;
  const reader = new CheckedReader(body, "ReiserFS stat data");
  if (body.length !== OLD_SIZE && body.length !== NEW_SIZE) {
    throw damaged(`the stat data of object ${nameOf(id)} have ${body.length} bytes`);
  }
  const isNew = body.length === NEW_SIZE;
  return {
    id,
    kind: KINDS[reader.u16le(0, "sd_mode") & 0xf000] ?? "other",
    size: isNew ? reader.u64le(8, "sd_size") : reader.u32le(8, "sd_size"),
    mtime: isNew ? reader.u32le(28, "sd_mtime") : reader.u32le(16, "sd_mtime"),
  };
}

/** As reiserfsprogs write it. */
export function nameOf({ directoryId, objectId }: ObjectId): string {
  return `[${directoryId} ${objectId}]`;
}
