/** Filesystems: every name and some of every file of an image, with its checksums put right after each change. */
import * as fs from "node:fs";
import { makeFilesystemImage } from "../../../fixtures/disk-images.ts";
import { makeIsoImage } from "../../../fixtures/iso-images.ts";
import { updateCrc32c } from "../../../src/filesystem/crc32c.ts";
import { checksumOf as checksumOfXfs } from "../../../src/filesystem/xfs/checksum.ts";
import { noise } from "../../base/seeded.ts";
import { makeForgeable as makeForgeableBtrfs } from "../../filesystem/btrfs-forge.ts";
import { call } from "../../filesystem/call.ts";
import { explore, type ExplorationLimits } from "../../filesystem/explore.ts";
import { makeXfsImage, makeXfsImageOf } from "../../filesystem/xfs-image.ts";
import { sampleImage } from "../../filesystem/reiserfs-image.ts";
import { blocksRead, openPacked, packImage, tableSize } from "../packed-image.ts";
import type { FuzzTarget } from "../target.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";

const LARGEST = 4 << 20;
/**
 * Each folder is listed whole; of like names in it a few are opened, since to open one more takes the same way once more.
 * Of each file: enough for more than one piece of it.
 */
const LIMITS: ExplorationLimits = { names: 60, namesOfFolder: 8, read: 12 * 1024 };

interface FilesystemSeeds {
  readonly name: string;
  readonly blockSize: number;
  /** Images, each made from a folder of small files. */
  readonly make: (image: string, content: string) => readonly (() => void)[];
  readonly repair?: (input: Uint8Array) => void;
  /** Much of an image is never read: what is not in a seed is left out. */
  readonly isLarge?: boolean;
}

const filesystemTarget = ({ name, blockSize, make, repair, isLarge = false }: FilesystemSeeds): FuzzTarget => ({
  name,
  isFixedSize: true,
  largest: LARGEST,
  fixedHead: tableSize,
  ...(repair === undefined ? {} : { repair }),
  seeds: () =>
    inTemporaryFolder((folder) => {
      const content = `${folder}/content`;
      makeContent(content);
      const image = `${folder}/image`;
      return make(image, content).map((make) => {
        make();
        const bytes = fs.readFileSync(image);
        if (!isLarge) return packImage(bytes, blockSize);
        const read = blocksRead(bytes, blockSize, (source) => void explore(source, LIMITS));
        return packImage(bytes, blockSize, (block) => read.has(block));
      });
    }),
  run: (input) => explore(openPacked(input).source, LIMITS),
});

/** Folders of a few and of many names, files in pieces, links. */
function makeContent(folder: string): void {
  fs.mkdirSync(`${folder}/boot/grub`, { recursive: true });
  fs.writeFileSync(`${folder}/boot/grub/grub.cfg`, "menuentry x { linux /boot/vmlinuz\n}\n");
  fs.writeFileSync(`${folder}/boot/vmlinuz`, noise(9000, 1));
  fs.writeFileSync(`${folder}/tiny`, "x");
  fs.mkdirSync(`${folder}/many`);
  for (let index = 0; index < 60; index++) fs.writeFileSync(`${folder}/many/a-name-of-some-length-${index}`, "");
  fs.symlinkSync("boot/vmlinuz", `${folder}/link`);
  fs.symlinkSync(`./${"./".repeat(100)}tiny`, `${folder}/long-link`);
}

const ext =
  (type: "ext2" | "ext4", image: string, content: string, ...options: readonly string[]) =>
  (): void =>
    makeFilesystemImage({ path: image, type, sizeMiB: 8, folder: content, options: ["-N", "128", ...options] });

function makeFat(image: string, content: string, bits: number): void {
  fs.rmSync(image, { force: true });
  fs.writeFileSync(image, "");
  fs.truncateSync(image, (bits === 32 ? 36 : bits === 16 ? 6 : 2) << 20);
  call("mkfs.fat", ["-F", String(bits), "-s", "1", image], "dosfstools");
  for (const name of ["boot", "tiny", "many"]) {
    call("mcopy", ["-i", image, "-s", "-Q", `${content}/${name}`, "::/"], "mtools");
  }
}

export const filesystemTargets: readonly FuzzTarget[] = [
  filesystemTarget({
    name: "ext",
    blockSize: 1024,
    make: (image, content) => [
      ext("ext2", image, content),
      ext("ext4", image, content, "-O", "^has_journal,inline_data,metadata_csum_seed", "-I", "256"),
      ext("ext4", image, content, "-O", "has_journal,bigalloc,casefold", "-J", "size=1"),
    ],
  }),
  filesystemTarget({
    name: "XFS",
    blockSize: 1024,
    make: (image, content) => [
      () => makeXfsImageOf(image, 16, ["-m", "crc=0", "-b", "size=1024", "-n", "ftype=0"], content),
      () => makeXfsImageOf(image, 16, ["-b", "size=1024"], content),
      () => makeXfsImage(image, 16, ["-b", "size=4096"]),
    ],
    repair: repairXfs,
  }),
  filesystemTarget({
    name: "btrfs",
    blockSize: 4096,
    make: (image) => [() => makeForgeableBtrfs(image)],
    repair: repairBtrfs,
    isLarge: true,
  }),
  filesystemTarget({
    name: "FAT",
    blockSize: 512,
    make: (image, content) => [12, 16, 32].map((bits) => () => makeFat(image, content, bits)),
  }),
  filesystemTarget({
    name: "ISO 9660",
    blockSize: 2048,
    make: (image, content) =>
      [["-R", "-J"], ["-R"], ["-J"], []].map(
        (options) => () => makeIsoImage({ path: image, folder: content, program: "xorriso", options }),
      ),
  }),
  filesystemTarget({
    name: "squashfs",
    blockSize: 512,
    make: (image, content) =>
      ["gzip", "xz", "zstd", "lz4"].map((compression) => () => {
        fs.rmSync(image, { force: true });
        call("mksquashfs", [content, image, "-quiet", "-comp", compression, "-b", "4096"], "squashfs-tools");
      }),
  }),
  filesystemTarget({
    name: "ReiserFS",
    blockSize: 512,
    make: (image) => [() => fs.writeFileSync(image, sampleImage("small"))],
    isLarge: true,
  }),
];

const XFS_TREES: ReadonlyMap<string, number> = new Map([
  ["XDB3", 4],
  ["XDD3", 4],
  ["XDF3", 4],
  ["XSLM", 12],
  ["BMA3", 64],
]);
/** `XFS_DIR3_LEAF1_MAGIC`, `XFS_DIR3_LEAFN_MAGIC`, `XFS_DA3_NODE_MAGIC`, at byte 8 of their blocks. */
const XFS_INDEXES: ReadonlySet<number> = new Set([0x3df1, 0x3dff, 0x3ebe]);

/** XFS Algorithms & Data Structures: where each structure has its checksum. */
function repairXfs(input: Uint8Array): void {
  const { blocks, blockAt } = openPacked(input);
  const first = blockAt(0);
  const version = first === null ? 0 : (first[101] ?? 0) & 0xf;
  if (version !== 5) return;
  for (const { bytes } of blocks()) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const magic = Buffer.from(bytes.buffer, bytes.byteOffset, 4).toString("latin1");
    const place = XFS_TREES.get(magic) ?? (XFS_INDEXES.has(view.getUint16(8)) ? 12 : null);
    if (place !== null) seal(bytes, place);
    for (let at = 0; at + 512 <= bytes.length; at += 512) {
      const sector = bytes.subarray(at, at + 512);
      if (sector[0] === 0x49 && sector[1] === 0x4e) seal(sector, 100);
      else if (at === 0 && magic === "XFSB") seal(sector, 224);
    }
  }
}

function seal(structure: Uint8Array, field: number): void {
  const view = new DataView(structure.buffer, structure.byteOffset, structure.length);
  view.setUint32(field, checksumOfXfs(structure, field), true);
}

/** Tree blocks are told by the filesystem's UUID, which each repeats. */
function repairBtrfs(input: Uint8Array): void {
  const { blocks, blockAt } = openPacked(input);
  const uuid = blockAt(64 * 1024)?.subarray(32, 48);
  if (uuid === undefined) return;
  for (const { bytes } of blocks()) {
    if (Buffer.compare(bytes.subarray(32, 48), uuid) !== 0) continue;
    const crc = ~updateCrc32c(0xffffffff, bytes, 32, bytes.length) >>> 0;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, crc, true);
  }
}
