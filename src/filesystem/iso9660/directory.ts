/**
 * Folders: their records in order, the records of one file together, and the name that the file goes by.
 * Specification: ECMA-119, sections 6.8 and 9.1; RRIP 1.12, section 4.1.5 for folders that lie elsewhere.
 */
import { textOfUcs2 } from "./fields.ts";
import { isDots, plainName, readDirectoryRecord, type DirectoryRecord, type Extent } from "./directory-record.ts";
import { readRockRidge, type RockRidge } from "./rock-ridge.ts";
import type { IsoVolume } from "./volume.ts";
import { damaged } from "./damage.ts";

/** A file, folder or link as its folder has it. */
export interface NamedFile {
  readonly name: string;
  readonly first: DirectoryRecord;
  /** Where the content lies, in order. */
  readonly sections: readonly Extent[];
  /** null where the names are not Rock Ridge's. */
  readonly rock: RockRidge | null;
}

/** Bytes of a folder that are read at a time. No record is longer than 255. */
const WINDOW_SIZE = 32 * 1024;
const MAX_DIRECTORY_SIZE = 256 * 1024 * 1024;
/** Of up to 4 GiB each. */
const MAX_SECTIONS = 4096;

/** All but `.` and `..`. @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED, OUT_OF_BOUNDS */
export function* filesIn(volume: IsoVolume, directory: Extent): Generator<NamedFile> {
  let sections: Extent[] = [];
  let first: DirectoryRecord | null = null;
  for (const record of recordsIn(volume, directory)) {
    if (isDots(record) || record.isAssociated) continue;
    if (first !== null && !Buffer.from(first.identifier).equals(record.identifier)) {
      throw damaged(`the file at ${first.at} is to be continued by the next record, which is of another file`);
    }
    first ??= record;
    sections.push(record.extent);
    if (sections.length > MAX_SECTIONS) throw damaged(`a file of more than ${MAX_SECTIONS} pieces`);
    if (record.isContinued) continue;
    const file = namedFile(volume, first, sections);
    if (file !== null) yield file;
    first = null;
    sections = [];
  }
  if (first !== null) throw damaged(`the folder ends where the file at ${first.at} is to be continued`);
}

/** The record of the folder itself at the start of its extent, whose size is not known yet. */
export function ownRecord(volume: IsoVolume, start: number): DirectoryRecord {
  const what = "a folder";
  const length = volume.readMetadata({ start, size: 1 }, what)[0] ?? 0;
  const record = readDirectoryRecord(volume.readMetadata({ start, size: length }, what), start, volume.blockSize);
  if (record.identifier.length !== 1 || record.identifier[0] !== 0) throw damaged(`there is no folder at ${start}`);
  return record;
}

function* recordsIn(volume: IsoVolume, { start, size }: Extent): Generator<DirectoryRecord> {
  if (size > MAX_DIRECTORY_SIZE) throw damaged(`a folder of ${size} bytes`);
  const { blockSize } = volume;
  let at = 0;
  while (at < size) {
    const window = volume.readMetadata({ start: start + at, size: Math.min(WINDOW_SIZE, size - at) }, "a folder");
    let used = 0;
    while (used < window.length) {
      const length = window[used] ?? 0;
      if (length === 0) {
        // No record has its place across the end of a sector; what is left there is zeros.
        used = (Math.floor((at + used) / blockSize) + 1) * blockSize - at;
        continue;
      }
      if (used + length > window.length) {
        if (at + window.length === size) throw damaged(`a directory record reaches past the end of its folder`);
        break;
      }
      volume.spendRecord();
      yield readDirectoryRecord(window.subarray(used, used + length), start + at + used, blockSize);
      used += length;
    }
    at += used;
  }
}

/** null for what is not to be seen. */
function namedFile(volume: IsoVolume, first: DirectoryRecord, sections: readonly Extent[]): NamedFile | null {
  const { identifier, systemUse } = first;
  const rock = volume.names === "rock-ridge" ? readRockRidge(volume, systemUse.subarray(volume.skip)) : null;
  if (rock?.isRelocated === true) return null;
  const name = volume.names === "joliet" ? jolietName(identifier) : (rock?.name ?? plainName(identifier));
  return name === "" || name === "." || name === ".." ? null : { name, first, sections, rock };
}

function jolietName(identifier: Uint8Array): string {
  return textOfUcs2(identifier).replace(/;1$/, "");
}
