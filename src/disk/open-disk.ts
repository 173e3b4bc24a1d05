/**
 * Opens a guest's disk: a block device, or a file that holds one. Everything that needs a path happens here, so that
 * the process can give up its rights to files right after.
 */
import * as fs from "node:fs";
import { checkRange, targetOf, type ByteSource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { giveBack } from "../base/give-back.ts";

export interface OpenDisk extends Disposable {
  readonly path: string;
  readonly source: ByteSource;
  /** The disk's descriptor, open for reading. */
  readonly fd: number;
  /** Bytes of a logical sector, in which partition tables count. */
  readonly sectorSize: number;
}

/** A disk image does not say; sectors of 512 bytes are what guests' virtual disks have had since ever. */
const IMAGE_SECTOR_SIZE = 512;

/** The unit of `/sys/dev/block/…/size`, whatever the device's own sectors are. */
const SYSFS_SECTOR_SIZE = 512;

/** @throws DISK_UNREADABLE */
export function openDisk(path: string): OpenDisk {
  // Opening a character device can have effects of its own (a tape rewinds, a watchdog starts): look before.
  refuseOtherKinds(
    path,
    reading(path, () => fs.statSync(path)),
  );
  // O_NONBLOCK: a FIFO that took the path's place since then must not make us wait for a writer.
  const fd = reading(path, () => fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK));
  try {
    const { size, sectorSize } = measure(path, fd);
    let closed = false;
    return {
      path,
      sectorSize,
      fd,
      source: {
        size,
        read: (offset, length, into) => readExactly(path, fd, size, offset, length, into),
        onDisk(offset, length) {
          checkRange(offset, length, size, path);
          return { offset, length };
        },
      },
      [Symbol.dispose]() {
        // A second close could hit another file that has got the same number meanwhile.
        if (!closed) giveBack(fd);
        closed = true;
      },
    };
  } catch (error) {
    giveBack(fd);
    throw error;
  }
}

interface Measures {
  readonly size: number;
  readonly sectorSize: number;
}

function measure(path: string, fd: number): Measures {
  const stats = reading(path, () => fs.fstatSync(fd));
  refuseOtherKinds(path, stats);
  const measures = stats.isBlockDevice()
    ? measureBlockDevice(path, stats.rdev)
    : { size: stats.size, sectorSize: IMAGE_SECTOR_SIZE };
  if (measures.size === 0) throw new GuestbootError("DISK_UNREADABLE", `${path} is empty: a disk of 0 bytes`);
  return measures;
}

/** Node has no ioctl; the kernel tells the same in sysfs. A partition's queue is its parent's. */
function measureBlockDevice(path: string, rdev: number): Measures {
  // The encoding of device numbers that glibc's major(3) and minor(3) take apart.
  const major = (rdev >> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >> 12) & 0xfff00);
  const device = `/sys/dev/block/${major}:${minor}`;
  const read = (name: string) => Number(fs.readFileSync(`${device}/${name}`, "utf8").trim());
  const sectors = reading(path, () => read("size"));
  const queue = fs.existsSync(`${device}/partition`) ? "../queue" : "queue";
  const sectorSize = reading(path, () => read(`${queue}/logical_block_size`));
  return { size: sectors * SYSFS_SECTOR_SIZE, sectorSize };
}

function readExactly(
  path: string,
  fd: number,
  size: number,
  offset: number,
  length: number,
  into: Uint8Array | undefined,
): Uint8Array {
  checkRange(offset, length, size, path);
  const target = targetOf(length, into);
  let done = 0;
  while (done < length) {
    const got = reading(path, () => fs.readSync(fd, target, done, length - done, offset + done));
    if (got === 0) {
      throw new GuestbootError("DISK_UNREADABLE", `${path} ended at byte ${offset + done}, before its end at ${size}`);
    }
    done += got;
  }
  return target;
}

function reading<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new GuestbootError("DISK_UNREADABLE", `${path} cannot be read: ${systemReason(error)}`, { cause: error });
  }
}

function refuseOtherKinds(path: string, stats: fs.Stats): void {
  if (stats.isBlockDevice() || stats.isFile()) return;
  throw new GuestbootError("DISK_UNREADABLE", `${path} is ${kindOf(stats)}, not a disk or a disk image`);
}

function kindOf(stats: fs.Stats): string {
  if (stats.isDirectory()) return "a folder";
  if (stats.isCharacterDevice()) return "a character device";
  return stats.isFIFO() ? "a FIFO" : "a special file";
}
