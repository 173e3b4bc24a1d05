/** Partition tables made by hand: what no tool writes. */

export interface TableEntry {
  readonly type: number;
  readonly start: number;
  readonly count: number;
  /** 0x80 is active. */
  readonly status?: number;
}

const ENTRIES_OFFSET = 446;

/** Writes a table (of a disk, or of a link of the chain of logical partitions) into the sector at byte `offset`. */
export function putTable(disk: Buffer, offset: number, entries: readonly TableEntry[]): void {
  entries.forEach(({ type, start, count, status = 0 }, index) => {
    const at = offset + ENTRIES_OFFSET + index * 16;
    disk.writeUInt8(status, at);
    disk.writeUInt8(type, at + 4);
    disk.writeUInt32LE(start, at + 8);
    disk.writeUInt32LE(count, at + 12);
  });
  disk.writeUInt16LE(0xaa55, offset + 510);
}

const SECTOR = 512;
const EXTENDED_START = 64;

/** A disk whose extended partition has a chain of that many logical partitions, of 4 sectors each, 8 sectors apart. */
export function chainDisk(links: number): Buffer {
  const disk = Buffer.alloc((EXTENDED_START + links * 8 + 8) * SECTOR);
  putTable(disk, 0, [{ type: 5, start: EXTENDED_START, count: links * 8 }]);
  for (let index = 0; index < links; index++) {
    const next = index === links - 1 ? [] : [{ type: 5, start: (index + 1) * 8, count: 8 }];
    putTable(disk, (EXTENDED_START + index * 8) * SECTOR, [{ type: 0x83, start: 2, count: 4 }, ...next]);
  }
  return disk;
}
