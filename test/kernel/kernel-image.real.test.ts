import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { describe, expect, it } from "vitest";
import { DEBIAN_INSTALLER } from "../../fixtures/debian-installer.ts";
import { HEAD_SIZE, readKernelImage } from "../../src/kernel/kernel-image.ts";

/** Kernels for Xen guests that Debian ships, and the packages that they are in. */
const ELF_KERNELS = [
  ["/usr/lib/xen-4.17/boot/xen-shim", "xen-utils-4.17"],
  ["/usr/lib/grub-xen/grub-x86_64-xen.bin", "grub-xen-host"],
  ["/usr/lib/grub-xen/grub-i386-xen.bin", "grub-xen-host"],
  ["/usr/lib/grub-xen/grub-i386-xen_pvh.bin", "grub-xen-host"],
] as const;

function run(program: string, packaged: string, args: readonly string[]): string {
  if (!fs.existsSync(`/usr/bin/${program}`)) throw new Error(`${program} is missing: apt-get install ${packaged}`);
  return execFileSync(`/usr/bin/${program}`, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

function readWhole(file: string, packaged: string): Buffer {
  if (!fs.existsSync(file)) throw new Error(`${file} is missing: apt-get install ${packaged}`);
  return fs.readFileSync(file);
}

describe("beside file(1)", () => {
  it("Debian's installer kernel has the version that file(1) reads", () => {
    const bytes = readWhole(DEBIAN_INSTALLER.kernel, DEBIAN_INSTALLER.package);
    const version = /bzImage, version (\S+)/.exec(run("file", "file", ["-bL", DEBIAN_INSTALLER.kernel]))?.[1];
    const image = readKernelImage({ bytes: bytes.subarray(0, HEAD_SIZE), isWhole: false });
    expect(version).toBeDefined();
    expect(image).toMatchObject({ kind: "kernel", format: "bzImage", version });
  });

  it("Debian's installer initrd is no kernel", () => {
    const bytes = readWhole(DEBIAN_INSTALLER.initrd, DEBIAN_INSTALLER.package);
    const what = "gzip data that is a cpio archive: an initrd?";
    expect(readKernelImage({ bytes, isWhole: true })).toEqual({ kind: "other", what });
  });
});

describe("beside readelf(1)", () => {
  it.each(ELF_KERNELS)("%s has the Xen notes that readelf lists", (file, packaged) => {
    const types = run("readelf", "binutils", ["-nW", file]).matchAll(
      /^ +Xen .*?\(0x([0-9a-f]+)\)|^ +Xen .*(NT_VERSION)/gm,
    );
    const listed = new Set(
      [...types].map(([, type, version]) => (version === undefined ? parseInt(type ?? "", 16) : 1)),
    );
    const image = readKernelImage({ bytes: readWhole(file, packaged), isWhole: true });
    // readelf 2.40 knows GNU's meaning of type 1 only.
    const pv = [1, 2, 3].some((type) => listed.has(type));
    // For a type that it does not know it prints the number: 0x12 is PHYS32_ENTRY.
    expect(listed.size).toBeGreaterThan(0);
    expect(image).toMatchObject({ format: "ELF", xen: { seen: "notes", notes: { pv, pvh: listed.has(0x12) } } });
  });
});
