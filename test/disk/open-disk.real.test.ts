import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { openDisk } from "../../src/disk/open-disk.ts";
import { noise } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";
import { makeEmptyDrive } from "./empty-drive.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-disk-"));
const image = path.join(folder, "disk.img");
const devices: string[] = [];

afterEach(() => {
  for (const device of devices.splice(0)) call("losetup", ["--detach", device], "mount");
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function attach(...options: readonly string[]): string {
  const device = call("losetup", ["--find", "--show", ...options, image], "mount").trim();
  devices.push(device);
  return device;
}

const unreadable = (words: string): unknown =>
  expect.objectContaining({ code: "DISK_UNREADABLE", message: expect.stringContaining(words) as unknown });

describe("a disk image", () => {
  it("is read byte for byte, to its end and no further", () => {
    const bytes = noise(100_001, 3);
    fs.writeFileSync(image, bytes);
    using disk = openDisk(image);
    expect([disk.source.size, disk.sectorSize]).toEqual([100_001, 512]);
    expect(Buffer.compare(disk.source.read(0, 100_001), bytes)).toBe(0);
    expect(disk.source.read(99_999, 2)).toEqual(bytes.subarray(99_999));
    const buffer = new Uint8Array(16);
    expect(disk.source.read(5, 4, buffer)).toEqual(bytes.subarray(5, 9));
    expect(buffer.subarray(0, 4)).toEqual(bytes.subarray(5, 9));
    expect(() => disk.source.read(100_000, 2)).toThrow(expect.objectContaining({ code: "OUT_OF_BOUNDS" }));
  });

  it("may be named through a link", () => {
    fs.writeFileSync(image, "disk");
    fs.rmSync(path.join(folder, "link"), { force: true });
    fs.symlinkSync("disk.img", path.join(folder, "link"));
    using disk = openDisk(path.join(folder, "link"));
    expect(disk.source.size).toBe(4);
  });

  it("that shrinks while it is open is told as what it is", () => {
    fs.writeFileSync(image, noise(5000, 1));
    using disk = openDisk(image);
    fs.truncateSync(image, 1000);
    expect(() => disk.source.read(500, 1000)).toThrow(unreadable("ended at byte 1000"));
  });
});

describe("a block device", () => {
  it("has the size and the sectors that the kernel says", () => {
    fs.writeFileSync(image, noise(3 * 1024 * 1024, 9));
    const device = attach();
    using disk = openDisk(device);
    expect(String(disk.source.size)).toBe(call("blockdev", ["--getsize64", device], "util-linux").trim());
    expect(String(disk.sectorSize)).toBe(call("blockdev", ["--getss", device], "util-linux").trim());
    expect(Buffer.compare(disk.source.read(0, disk.source.size), fs.readFileSync(image))).toBe(0);
    expect(disk.source.read(1, 3)).toEqual(noise(4, 9).subarray(1));
  });

  it("of 4096-byte sectors is told as such, and read at any byte all the same", () => {
    fs.writeFileSync(image, noise(1024 * 1024, 8));
    const device = attach("--sector-size", "4096");
    using disk = openDisk(device);
    expect([disk.source.size, disk.sectorSize]).toEqual([1024 * 1024, 4096]);
    expect(disk.source.read(5, 7)).toEqual(noise(12, 8).subarray(5));
  });

  it("without a medium is told as empty", () => {
    expect(() => openDisk(makeEmptyDrive(folder))).toThrow(unreadable("0 bytes"));
  });

  it("whose device fails is told with the system's words", () => {
    // The end of the device is cut off under it: its last bytes cannot be read.
    fs.writeFileSync(image, noise(1024 * 1024, 8));
    const device = attach();
    fs.truncateSync(image, 4096);
    using disk = openDisk(device);
    expect(() => disk.source.read(512 * 1024, 4096)).toThrow(unreadable(device));
  });
});

describe("what is no disk", () => {
  it("is refused by name: nothing there", () => {
    expect(() => openDisk(path.join(folder, "missing"))).toThrow(unreadable("no such file or directory"));
    expect(() => openDisk(path.join(image, "below"))).toThrow(unreadable("not a directory"));
  });

  it("is refused by name: a folder", () => {
    expect(() => openDisk(folder)).toThrow(unreadable("is a folder"));
  });

  it("is refused by name: a FIFO, without waiting for its writer", () => {
    const fifo = path.join(folder, "fifo");
    call("mkfifo", [fifo], "coreutils");
    const started = performance.now();
    expect(() => openDisk(fifo)).toThrow(unreadable("is a FIFO"));
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it("is refused by name: a character device", () => {
    expect(() => openDisk("/dev/null")).toThrow(unreadable("is a character device"));
  });

  it("is refused by name: an empty file", () => {
    fs.writeFileSync(image, "");
    expect(() => openDisk(image)).toThrow(unreadable("is empty"));
  });

  it("is refused by name: a file that this user may not read", () => {
    fs.writeFileSync(image, "secret");
    fs.chmodSync(image, 0o600);
    fs.chmodSync(folder, 0o755);
    process.seteuid?.(65534);
    try {
      expect(() => openDisk(image)).toThrow(unreadable("permission denied"));
    } finally {
      process.seteuid?.(0);
    }
  });

  it("leaves no file open", () => {
    fs.writeFileSync(image, "");
    const open = () => fs.readdirSync("/proc/self/fd").length;
    const before = open();
    for (let round = 0; round < 20; round++) expect(() => openDisk(image)).toThrow();
    expect(open()).toBe(before);
  });
});
