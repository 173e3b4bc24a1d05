/**
 * Folders of FAT: entries of 32 bytes, with what they say of a file.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { Budget } from "../../base/budget.ts";
import { CheckedReader } from "../../base/checked-reader.ts";
import type { FilesystemNode } from "../filesystem.ts";
import { contentOf, type Volume } from "./content.ts";
import { damaged } from "./damage.ts";
import { decodeOem, ENTRY_SIZE, LongName, shortName, withoutCase } from "./name.ts";

export interface FatEntry {
  readonly name: string;
  /** Also answers to it. */
  readonly shortName: string;
  readonly node: FilesystemNode;
}

/** The specification's bound: 65,536 entries. */
const MAX_FOLDER_SIZE = 65_536 * ENTRY_SIZE;
/** Bytes of folders that are looked through while one filesystem is open. */
const MAX_SEARCHED = 1024 ** 3;

const DELETED = 0xe5;
const ATTRIBUTE_LABEL = 0x08;
const ATTRIBUTE_FOLDER = 0x10;
const LONG_NAME = 0x0f;
const ATTRIBUTE_MASK = 0x3f;

/** The root folder has no entry; nothing else has the place of the boot sector. */
export const ROOT: FilesystemNode = { id: 0, kind: "directory", size: 0 };

export class Folders {
  readonly #volume: Volume;
  readonly #searched = new Budget("bytes of folders", MAX_SEARCHED);

  constructor(volume: Volume) {
    this.#volume = volume;
  }

  /** @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
  list(folder: FilesystemNode): FatEntry[] {
    const entries: FatEntry[] = [];
    this.#visit(folder, (entry) => {
      entries.push(entry);
      return false;
    });
    return entries;
  }

  /** By long or short name, whatever the case. @throws as `list` */
  find(folder: FilesystemNode, name: string): FilesystemNode | null {
    const wanted = withoutCase(name);
    let found: FilesystemNode | null = null as FilesystemNode | null;
    this.#visit(folder, (entry) => {
      if (withoutCase(entry.name) !== wanted && withoutCase(entry.shortName) !== wanted) return false;
      found = entry.node;
      return true;
    });
    return found;
  }

  /** The label that the root folder keeps; null when it has none. @throws as `list` */
  label(): string | null {
    let label: string | null = null as string | null;
    this.#visitRaw(ROOT, (entry) => {
      const attributes = entry.u8(11, "DIR_Attr") & ATTRIBUTE_MASK;
      if (attributes === LONG_NAME || (attributes & (ATTRIBUTE_LABEL | ATTRIBUTE_FOLDER)) !== ATTRIBUTE_LABEL)
        return false;
      const bytes = Array.from(entry.bytes(0, 11, "DIR_Name"));
      if (bytes[0] === 0x05) bytes[0] = DELETED;
      const text = decodeOem(bytes).trimEnd();
      label = text === "" || text === "NO NAME" ? null : text;
      return true;
    });
    return label;
  }

  /** The content of a file that `list` or `find` gave out. @throws FILESYSTEM_DAMAGED */
  content(file: FilesystemNode): ByteSource {
    const { source } = this.#volume;
    const entry = new CheckedReader(source.read(file.id, ENTRY_SIZE), "directory entry");
    return contentOf(this.#volume, firstClusterOf(entry, this.#volume), entry.u32le(28, "DIR_FileSize"));
  }

  #visit(folder: FilesystemNode, visit: (entry: FatEntry) => boolean): void {
    const long = new LongName();
    this.#visitRaw(
      folder,
      (entry, offset) => {
        const attributes = entry.u8(11, "DIR_Attr") & ATTRIBUTE_MASK;
        if (attributes === LONG_NAME) {
          long.add(entry);
          return false;
        }
        const bytes = entry.bytes(0, 11, "DIR_Name");
        const name = long.take(bytes);
        if ((attributes & ATTRIBUTE_LABEL) !== 0) return false;
        const short = shortName(bytes, entry.u8(12, "DIR_NTRes"));
        if (short === "." || short === "..") return false;
        const kind = (attributes & ATTRIBUTE_FOLDER) === 0 ? "file" : "directory";
        const size = kind === "file" ? entry.u32le(28, "DIR_FileSize") : 0;
        return visit({ name: name ?? short, shortName: short, node: { id: offset, kind, size } });
      },
      () => {
        long.forget();
      },
    );
  }

  /** Shows each entry that is in use and where on the volume it lies, until the answer is true. */
  #visitRaw(
    folder: FilesystemNode,
    visit: (entry: CheckedReader, offset: number) => boolean,
    deleted: () => void = () => undefined,
  ): void {
    for (const { offset, size } of this.#rangesOf(folder)) {
      this.#searched.spend(size);
      const bytes = this.#volume.source.read(offset, size);
      for (let at = 0; at + ENTRY_SIZE <= size; at += ENTRY_SIZE) {
        const first = bytes[at];
        if (first === 0) return;
        if (first === DELETED) deleted();
        else if (visit(new CheckedReader(bytes.subarray(at, at + ENTRY_SIZE), "directory entry"), offset + at)) return;
      }
    }
  }

  /** Where a folder's entries lie, in bytes; in pieces of a bounded size, so that a short one is not read for long. */
  *#rangesOf(folder: FilesystemNode): Generator<{ readonly offset: number; readonly size: number }> {
    const { source, boot, table } = this.#volume;
    if (folder.id === ROOT.id && "offset" in boot.root) {
      yield boot.root;
      return;
    }
    const first =
      folder.id === ROOT.id && "cluster" in boot.root
        ? boot.root.cluster
        : firstClusterOf(new CheckedReader(source.read(folder.id, ENTRY_SIZE), "directory entry"), this.#volume);
    if (first === 0) throw damaged("a folder has no clusters");
    const { clusterSize } = boot;
    for (const run of table.runs(first, Math.ceil(MAX_FOLDER_SIZE / clusterSize))) {
      for (let index = 0; index < run.count; index++)
        yield { offset: run.offset + index * clusterSize, size: clusterSize };
    }
  }
}

function firstClusterOf(entry: CheckedReader, { boot }: Volume): number {
  const high = boot.bits === 32 ? entry.u16le(20, "DIR_FstClusHI") : 0;
  return high * 0x10000 + entry.u16le(26, "DIR_FstClusLO");
}
