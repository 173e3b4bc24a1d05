import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { memorySource, sliceSource, type ByteSource } from "../../src/base/byte-source.ts";
import { prepareSendFile } from "../../src/base/send-file.ts";
import { openDisk } from "../../src/disk/open-disk.ts";
import { copyOut, type SendingDisk } from "../../src/pipeline/copy-out.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-copy-"));
const at = (name: string) => path.join(folder, name);
afterAll(() => fs.rmSync(folder, { recursive: true }));

const content = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
fs.writeFileSync(at("disk"), content);

let target: { fd: number; path: string; role: string; maxSize: number };
beforeEach(() => {
  target = { fd: fs.openSync(at("target"), "w"), path: at("target"), role: "ramdisk", maxSize: 4_000_000 };
});

function copied(sources: readonly ByteSource[], disk: SendingDisk | null): Buffer {
  copyOut(sources, target, disk);
  fs.closeSync(target.fd);
  return fs.readFileSync(at("target"));
}

describe("copying out of a guest", () => {
  it("gives the same bytes by reading and by sending", () => {
    using disk = openDisk(at("disk"));
    const part = sliceSource(disk.source, 1001, 2_500_000, "part");
    const expected = content.subarray(1001, 2_501_001);
    expect(copied([part], null).equals(expected)).toBe(true);
    target = { ...target, fd: fs.openSync(at("target"), "w") };
    expect(copied([part], { fd: disk.fd, send: prepareSendFile() }).equals(expected)).toBe(true);
  });

  it("reads what does not lie on the disk as it is, between pieces that are sent", () => {
    using disk = openDisk(at("disk"));
    // 1,000 bytes from the disk, then 500 that are made up, then the disk again.
    const mixed: ByteSource = {
      size: 2000,
      read(offset, length, into = new Uint8Array(length)) {
        const whole = Buffer.concat([content.subarray(0, 1000), Buffer.alloc(500, "-"), content.subarray(5000, 5500)]);
        into.set(whole.subarray(offset, offset + length));
        return into.subarray(0, length);
      },
      onDisk(offset, length) {
        if (offset < 1000) return { offset, length: Math.min(length, 1000 - offset) };
        return offset < 1500 ? null : { offset: 5000 + offset - 1500, length };
      },
    };
    const expected = Buffer.from(mixed.read(0, 2000));
    expect(copied([mixed], { fd: disk.fd, send: prepareSendFile() }).equals(expected)).toBe(true);
  });

  it("goes on by reading where the kernel will not send", () => {
    using disk = openDisk(at("disk"));
    expect(copied([disk.source], { fd: disk.fd, send: () => 0 }).equals(content)).toBe(true);
  });

  it("goes on after a piece that was sent in part", () => {
    using disk = openDisk(at("disk"));
    const send = prepareSendFile();
    const little: SendingDisk = {
      fd: disk.fd,
      send: (to, from, offset, length) => send(to, from, offset, Math.min(length, 70_001)),
    };
    expect(copied([disk.source], little).equals(content)).toBe(true);
  });

  it("begins each of several ramdisks at a multiple of 4 bytes", () => {
    const sources = ["12345", "67", "8"].map((text) => memorySource(Buffer.from(text)));
    expect(copied(sources, null).toString("latin1")).toBe("12345\0\0\x0067\0\x008");
  });

  it("makes an empty file of an empty source", () => {
    expect(copied([memorySource(new Uint8Array())], null).length).toBe(0);
  });

  it("refuses what is over the limit before it writes anything, padding included", () => {
    const sources = [memorySource(Buffer.alloc(5)), memorySource(Buffer.alloc(1))];
    expect(() => copyOut(sources, { ...target, maxSize: 8 }, null)).toThrow(/limit/);
    expect(fs.statSync(at("target")).size).toBe(0);
    copyOut(sources, { ...target, maxSize: 9 }, null);
    expect(fs.statSync(at("target")).size).toBe(9);
  });
});
