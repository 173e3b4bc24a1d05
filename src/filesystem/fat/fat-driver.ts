/**
 * FAT12, FAT16 and FAT32, read-only, with long names.
 *
 * Not read: exFAT, transactions (TFAT), compressed volumes. Short names outside of ASCII are taken for code page 437.
 * Folders end where the first free entry says so, at the latest after 65,536 entries.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { GuestbootError } from "../../base/errors.ts";
import type { FilesystemDriver } from "../filesystem.ts";
import { readBootSector } from "./boot-sector.ts";
import { Folders, ROOT } from "./directory.ts";
import { Table } from "./table.ts";

/** @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED */
export function openFat(source: ByteSource): FilesystemDriver {
  const boot = readBootSector(source);
  const folders = new Folders({ source, boot, table: new Table(source, boot) });
  return {
    type: `fat${boot.bits}`,
    uuid: boot.serial,
    label: folders.label() ?? boot.label,
    notes:
      boot.size <= source.size ? [] : [`the filesystem has ${boot.size} bytes, but its volume only ${source.size}`],
    root: ROOT,
    lookup: (directory, name) => folders.find(directory, name),
    list: (directory) => folders.list(directory).map(({ name, node }) => ({ name, node })),
    readLink() {
      throw new GuestbootError("NOT_A_FILE", "FAT has no symbolic links");
    },
    content: (file) => folders.content(file),
  };
}
