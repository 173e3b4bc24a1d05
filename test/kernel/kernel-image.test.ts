import { randomBytes } from "node:crypto";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readKernelImage } from "../../src/kernel/kernel-image.ts";
import { bzImage, elf32WithGuestSection, elf64, LINUX_XEN_NOTES, note, packed } from "./kernel-bytes.ts";

const whole = (bytes: Uint8Array) => readKernelImage({ bytes, isWhole: true });
const head = (bytes: Uint8Array) => readKernelImage({ bytes, isWhole: false });
const BOTH_MODES = { seen: "notes", notes: { guestOs: "linux", xenVersion: "xen-3.0", pv: true, pvh: true } };

describe("an ELF kernel", () => {
  it("says by its notes that it starts as a PV and as a PVH guest", () => {
    expect(whole(elf64(LINUX_XEN_NOTES))).toMatchObject({ kind: "kernel", format: "ELF", xen: BOTH_MODES });
  });

  it("without notes of Xen cannot start as a Xen guest", () => {
    expect(whole(elf64(note("GNU", 3, "build id")))).toMatchObject({ format: "ELF", xen: { seen: "none" } });
  });

  it("has its notes behind what was read of it: they cannot be seen", () => {
    const kernel = elf64(LINUX_XEN_NOTES, Buffer.alloc(4096));
    expect(head(kernel.subarray(0, 1024))).toMatchObject({
      format: "ELF",
      leastSize: kernel.length,
      xen: { seen: "hidden" },
    });
  });

  it("of 2005 says it in a section __xen_guest", () => {
    const kernel = elf32WithGuestSection(
      "GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,VIRT_BASE=0xC0000000,LOADER=generic",
    );
    const notes = { guestOs: "linux", xenVersion: "xen-3.0", pv: true, pvh: false };
    expect(whole(kernel)).toMatchObject({ format: "ELF", xen: { seen: "notes", notes } });
  });

  it("that is gzipped (vmlinuz-xen) is looked into", () => {
    const code = Buffer.from("....Linux version 2.6.18-8.el5xen (mockbuild@builder) (gcc) #1 SMP\n");
    expect(whole(gzipSync(elf64(LINUX_XEN_NOTES, code)))).toMatchObject({
      format: "ELF",
      compression: "gzip",
      version: "2.6.18-8.el5xen",
      xen: BOTH_MODES,
    });
  });

  it("that is no kernel but a program with an interpreter is named as such", () => {
    const program = elf64(LINUX_XEN_NOTES);
    program.writeUInt32LE(3, 64); // PT_INTERP
    expect(whole(program)).toEqual({ kind: "other", what: "a program for a running system (ELF)" });
  });
});

describe("a bzImage", () => {
  it("tells its version and its least size from its head", () => {
    const kernel = bzImage(packed("gzip", elf64(LINUX_XEN_NOTES)));
    expect(head(kernel.subarray(0, 1024))).toMatchObject({
      format: "bzImage",
      version: "6.1.0-7-amd64",
      leastSize: kernel.length,
      xen: { seen: "hidden" },
    });
  });

  it.each(["gzip", "zstd"] as const)("shows the Xen notes in its %s payload", (by) => {
    expect(whole(bzImage(packed(by, elf64(LINUX_XEN_NOTES))))).toMatchObject({ format: "bzImage", xen: BOTH_MODES });
  });

  it("with a damaged xz payload says so in place of its notes", () => {
    const xz = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 4]);
    expect(whole(bzImage(xz))).toMatchObject({
      payload: "xz",
      xen: { seen: "hidden", why: "xz payload that cannot be expanded" },
    });
  });

  it("tells from its head how its payload is compressed", () => {
    const kernel = bzImage(packed("zstd", elf64(LINUX_XEN_NOTES, randomBytes(5000))));
    expect(head(kernel.subarray(0, 2000))).toMatchObject({ payload: "zstd", xen: { seen: "hidden" } });
  });

  it("with an ELF image as it is for a payload shows its notes", () => {
    expect(whole(bzImage(elf64(LINUX_XEN_NOTES)))).toMatchObject({ payload: null, xen: BOTH_MODES });
  });

  it("with a payload that expands to more than any kernel says that it cannot be expanded", () => {
    const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024));
    expect(whole(bzImage(bomb))).toMatchObject({
      xen: { seen: "hidden", why: "gzip payload that cannot be expanded" },
    });
  });

  it("with a payload past its end is told from one whose notes are missing", () => {
    const kernel = bzImage(packed("gzip", elf64(LINUX_XEN_NOTES)));
    expect(whole(kernel.subarray(0, 1100))).toMatchObject({
      xen: { seen: "hidden", why: "the payload is past the file's end" },
    });
  });
});

describe("kernels of other architectures", () => {
  const at = (offset: number, text: string) => {
    const bytes = Buffer.alloc(0x11000, 1);
    bytes.write(text, offset, "latin1");
    return bytes;
  };

  it("are known by their magics", () => {
    const pe = at(0, "MZ");
    pe.writeUInt32LE(0x80, 0x3c);
    pe.write("PE\0\0", 0x80, "latin1");
    expect(head(at(0x38, "ARM\x64"))).toMatchObject({ format: "arm64 Image" });
    expect(head(pe)).toMatchObject({ format: "PE" });
    expect(head(at(0x24, "\x18\x28\x6f\x01"))).toMatchObject({ format: "zImage" });
    expect(head(at(0x10008, "S390EP"))).toMatchObject({ format: "s390 Image" });
  });
});

describe("what is no kernel", () => {
  it.each([
    ["<!DOCTYPE html><html><head><title>404 Not Found</title>", 'a web page ("404 Not Found")'],
    ["\n <HTML><head></head>", "a web page"],
    ["<html>\r\n<head><title>Index of /images/</title></head>", "a directory listing"],
    ["", "an empty file"],
    ["\0\0\0\0\0\0\0\0", "nothing but zeros"],
    ["moved\n", 'text ("moved")'],
    ["070701", "a cpio archive: an initrd?"],
    ["PK\x03\x04", "a zip archive"],
  ])("%j is named: %s", (content, what) => {
    expect(whole(Buffer.from(content, "latin1"))).toEqual({ kind: "other", what });
  });

  it("inside gzip is named too", () => {
    expect(whole(gzipSync("070701"))).toEqual({ kind: "other", what: "gzip data that is a cpio archive: an initrd?" });
  });

  it("never makes a page's title move an admin's cursor", () => {
    const page = "<html><head><title>\x1b[2Jgone</title>";
    expect(whole(Buffer.from(page))).toEqual({ kind: "other", what: String.raw`a web page ("\x1b[2Jgone")` });
  });
});

describe("hostile bytes", () => {
  const samples = [
    elf64(LINUX_XEN_NOTES),
    elf32WithGuestSection("GUEST_OS=linux"),
    bzImage(packed("gzip", elf64(LINUX_XEN_NOTES))),
    gzipSync(elf64(LINUX_XEN_NOTES)),
  ];

  it("end in a result wherever a byte is wrong or the file ends", () => {
    for (const sample of samples) {
      for (let offset = 0; offset < Math.min(sample.length, 1200); offset++) {
        const changed = Buffer.from(sample);
        changed[offset] = 0xff;
        expect(["kernel", "other"]).toContain(whole(changed).kind);
        expect(["kernel", "other"]).toContain(whole(sample.subarray(0, offset)).kind);
      }
    }
  });
});
