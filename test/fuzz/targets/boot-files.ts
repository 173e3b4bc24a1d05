/** Kernels and initrds. */
import * as fs from "node:fs";
import { memorySource } from "../../../src/base/byte-source.ts";
import { GuestbootError } from "../../../src/base/errors.ts";
import { readUki } from "../../../src/bootconfig/uki.ts";
import { describeInitrd } from "../../../src/initrd/describe.ts";
import { earlyArchivesSize, endsInLz4 } from "../../../src/initrd/early-archives.ts";
import { checkVolume } from "../../../src/initrd/ext2/check.ts";
import type { ImageFile } from "../../../src/initrd/ext2/image-file.ts";
import { findEntry, readEntries } from "../../../src/initrd/ext2/directory.ts";
import { readInode } from "../../../src/initrd/ext2/inode.ts";
import { Volume } from "../../../src/initrd/ext2/volume.ts";
import { extractFile } from "../../../src/initrd/extract.ts";
import { linksInTheWay } from "../../../src/initrd/links-in-the-way.ts";
import type { Overlay } from "../../../src/initrd/overlay.ts";
import { overlayFromArchive } from "../../../src/initrd/overlay-archive.ts";
import { repackInitrd } from "../../../src/initrd/repack.ts";
import { decompressKernel } from "../../../src/kernel/decompress.ts";
import { readKernelImage } from "../../../src/kernel/kernel-image.ts";
import { DEBIAN_INSTALLER } from "../../../fixtures/debian-installer.ts";
import { call } from "../../filesystem/call.ts";
import { noise } from "../../base/seeded.ts";
import { bzImage, elf64, LINUX_XEN_NOTES, packed } from "../../kernel/kernel-bytes.ts";
import { makeImage } from "../../initrd/ext2-image.ts";
import { bytesOf, drain, ignoreRefusal, type FuzzTarget } from "../target.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";

const MOST = 1 << 20;

/** A folder that initrds have a link in the place of. */
const LIB: Overlay = [
  { path: "lib", kind: "directory", mode: 0o755, uid: 0, gid: 0, mtime: 0, size: 0, content: null },
];

/** An archive of each kind of file, as GNU cpio writes it. */
function archive(format: "newc" | "crc"): Uint8Array {
  return inTemporaryFolder((folder) => {
    fs.mkdirSync(`${folder}/lib/modules/6.1.0/kernel`, { recursive: true });
    fs.writeFileSync(`${folder}/lib/modules/6.1.0/kernel/a.ko`, "module");
    fs.linkSync(`${folder}/lib/modules/6.1.0/kernel/a.ko`, `${folder}/b.ko`);
    fs.symlinkSync("lib/modules", `${folder}/link`);
    call("mkfifo", [`${folder}/fifo`], "coreutils");
    const said = call("sh", ["-c", `cd ${folder} && find . | sort | cpio -o -H ${format} --quiet | base64`], "cpio");
    return new Uint8Array(Buffer.from(said, "base64"));
  });
}

function ext2Image(): Uint8Array {
  return inTemporaryFolder((folder) => {
    fs.mkdirSync(`${folder}/root/etc`, { recursive: true });
    fs.writeFileSync(`${folder}/root/etc/file`, "x".repeat(3000));
    makeImage(`${folder}/image`, { sizeKiB: 64, folder: `${folder}/root`, options: ["-N", "16", "-b", "1024"] });
    // mke2fs leaves out what is empty at the end.
    fs.truncateSync(`${folder}/image`, 64 * 1024);
    return new Uint8Array(fs.readFileSync(`${folder}/image`));
  });
}

/** An image that is written to in memory. */
function memoryImage(bytes: Uint8Array): ImageFile {
  let held = bytes;
  return {
    what: "image",
    get size() {
      return held.length;
    },
    read: (offset, length, into) => memorySource(held).read(offset, length, into),
    write(offset, written) {
      if (offset + written.length > held.length) throw new GuestbootError("OUT_OF_BOUNDS", "past the end");
      held.set(written, offset);
    },
    extend(size) {
      const longer = new Uint8Array(size);
      longer.set(held);
      held = longer;
    },
  };
}

/** Systemd's stub with the sections of a unified kernel image. */
function unifiedImage(): Uint8Array {
  return inTemporaryFolder((folder) => {
    const sections = {
      osrel: "ID=debian\nVERSION_ID=12\n",
      uname: "6.1.0",
      cmdline: "root=/dev/xvda1",
      linux: "kernel",
    };
    const args = Object.entries({ ...sections, initrd: "ramdisk" }).flatMap(([name, content], index) => {
      fs.writeFileSync(`${folder}/${name}`, content);
      const place = `.${name}=${0x2000000 + index * 0x1000000}`;
      return ["--add-section", `.${name}=${folder}/${name}`, "--change-section-vma", place];
    });
    const stub = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
    call("objcopy", [...args, stub, `${folder}/image.efi`], "binutils and systemd-boot-efi");
    return new Uint8Array(fs.readFileSync(`${folder}/image.efi`));
  });
}

export const bootFileTargets: readonly FuzzTarget[] = [
  {
    name: "kernel",
    // The beginning of a real one, whose payload would take a second to unpack each time, and whole ones that hold little.
    seeds: () => [
      new Uint8Array(fs.readFileSync(DEBIAN_INSTALLER.kernel).subarray(0, 40_000)),
      elfKernel(),
      ...(["gzip", "zstd"] as const).map((by) =>
        bzImage(packed(by, elf64(LINUX_XEN_NOTES, Buffer.from(noise(1000, 7))))),
      ),
    ],
    largest: 64 * 1024,
    isFixedSize: true,
    run: async (input) => {
      readKernelImage({ bytes: input, isWhole: true });
      readKernelImage({ bytes: input, isWhole: false });
      // What is no bzImage is handed on as it is.
      await drain(decompressKernel(memorySource(input), { maximumBytes: MOST })).catch(ignoreUnsupported);
    },
  },
  {
    name: "unified kernel image",
    seeds: () => [unifiedImage()],
    largest: 256 * 1024,
    isFixedSize: true,
    run: (input) => readUki(memorySource(input)),
  },
  {
    name: "cpio",
    seeds: () => [archive("newc"), archive("crc")],
    dictionary: ["070701", "070702", "TRAILER!!!", "00000000", "FFFFFFFF", "../", "\0"],
    run: async (input) => {
      await describeInitrd(memorySource(input), { maximumBytes: MOST }, () => undefined);
      await overlayFromArchive(memorySource(input), "overlay");
    },
  },
  {
    name: "initrd",
    seeds: async () => {
      const { gzipSync, zstdCompressSync } = await import("node:zlib");
      const plain = archive("newc");
      return [
        Buffer.concat([plain, Buffer.alloc(512 - (plain.length % 512)), gzipSync(plain)]),
        zstdCompressSync(plain),
      ];
    },
    run: async (input) => {
      const initrd = memorySource(input);
      const limits = { maximumBytes: MOST };
      await Promise.all([earlyArchivesSize(initrd), endsInLz4(initrd)]).catch(ignoreRefusal);
      await linksInTheWay(initrd, LIB, limits).catch(ignoreRefusal);
      await drain(extractFile(initrd, "link/6.1.0/kernel/a.ko", limits)).catch(ignoreRefusal);
      await drain(repackInitrd(initrd, [], limits));
    },
  },
  {
    name: "ext2 ramdisk",
    seeds: () => [ext2Image()],
    largest: 64 * 1024,
    isFixedSize: true,
    run: (input) => {
      const volume = new Volume(memoryImage(input.slice()), 2 * MOST);
      checkVolume(volume);
      const root = readInode(volume, 2);
      for (const { inode } of readEntries(volume, root)) readInode(volume, inode);
      findEntry(volume, root, bytesOf("etc"));
    },
  },
];

function ignoreUnsupported(error: unknown): void {
  if (!(error instanceof GuestbootError) || error.code !== "FEATURE_UNSUPPORTED") throw error;
}

/** The smallest that has Xen's notes: a program header of notes with one for the guest's OS (xen/include/public/elfnote.h). */
function elfKernel(): Uint8Array {
  const file = Buffer.alloc(0x200);
  file.write("\x7fELF\x02\x01\x01", 0, "latin1");
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(62, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(4, 64);
  file.writeBigUInt64LE(0x100n, 72);
  file.writeBigUInt64LE(24n, 96);
  file.writeUInt32LE(4, 0x100);
  file.writeUInt32LE(8, 0x104);
  file.writeUInt32LE(6, 0x108);
  file.write("Xen\0linux\0\0\0", 0x10c, "latin1");
  return file;
}
