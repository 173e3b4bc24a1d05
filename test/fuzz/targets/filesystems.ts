/** Filesystems: every name and some of every file of an image, with its checksums put right after each change. */
import * as fs from "node:fs";
import { makeFilesystemImage } from "../../../fixtures/disk-images.ts";
import { makeIsoImage } from "../../../fixtures/iso-images.ts";
import { updateCrc32c } from "../../../src/filesystem/crc32c.ts";
import { checksumOf as checksumOfXfs } from "../../../src/filesystem/xfs/checksum.ts";
import { noise } from "../../base/seeded.ts";
import { btrfs, COMPRESSIONS, compressible, makeBtrfsImage, withBtrfs } from "../../filesystem/btrfs-image.ts";
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
  readonly repair?: (input: Uint8Array, parent: Uint8Array) => void;
  /** Of the largest folder: so many that it takes more than one block. */
  readonly names?: number;
  /** Much of an image is never read: what is not in a seed is left out. */
  readonly isLarge?: boolean;
}

const filesystemTarget = ({
  name,
  blockSize,
  make,
  repair,
  names = 60,
  isLarge = false,
}: FilesystemSeeds): FuzzTarget => ({
  name,
  isFixedSize: true,
  largest: LARGEST,
  fixedHead: tableSize,
  ...(repair === undefined ? {} : { repair }),
  seeds: () =>
    inTemporaryFolder((folder) => {
      const content = `${folder}/content`;
      makeContent(content, names);
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
function makeContent(folder: string, names: number): void {
  fs.mkdirSync(`${folder}/boot/grub`, { recursive: true });
  fs.writeFileSync(`${folder}/boot/grub/grub.cfg`, "menuentry x { linux /boot/vmlinuz\n}\n");
  fs.writeFileSync(`${folder}/boot/vmlinuz`, noise(9000, 1));
  fs.writeFileSync(`${folder}/tiny`, "x");
  fs.mkdirSync(`${folder}/many`);
  for (let index = 0; index < names; index++) fs.writeFileSync(`${folder}/many/a-name-of-some-length-${index}`, "");
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

/** Files plain, in pieces and compressed in each way, folders, a link, a subvolume: a tree of two levels. */
function makeBtrfs(image: string): void {
  makeBtrfsImage(image, 24, ["--mixed", "-n", "4096", "-m", "single", "-d", "single"]);
  withBtrfs(image, "rw", (mounted) => {
    const put = (name: string, bytes: Uint8Array | string) => fs.writeFileSync(`${mounted}/${name}`, bytes);
    put("inline", "inline");
    put("pieces", noise(24_000, 2));
    call("sync", ["-f", mounted], "coreutils");
    const fd = fs.openSync(`${mounted}/pieces`, "r+");
    for (let at = 0; at < 12_000; at += 8192) fs.writeSync(fd, noise(4096, at + 3), 0, 4096, at);
    fs.closeSync(fd);
    for (const compression of COMPRESSIONS) {
      fs.mkdirSync(`${mounted}/${compression}`);
      btrfs("property", "set", `${mounted}/${compression}`, "compression", compression);
      put(`${compression}/inline`, compressible(1000, 4));
      put(`${compression}/file`, compressible(20_000, 5));
    }
    fs.mkdirSync(`${mounted}/folder`);
    for (let index = 0; index < 40; index++) put(`folder/a-name-of-some-length-${index}`, String(index));
    fs.symlinkSync("folder/a-name-of-some-length-7", `${mounted}/link`);
    btrfs("subvolume", "create", `${mounted}/subvolume`);
    put("subvolume/file", "in a subvolume");
  });
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
    make: (image) => [() => makeBtrfs(image)],
    repair: repairBtrfs,
    isLarge: true,
  }),
  filesystemTarget({
    name: "FAT",
    blockSize: 512,
    // Each takes four entries of 32 bytes.
    names: 20,
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
function repairBtrfs(input: Uint8Array, parent: Uint8Array): void {
  const { changedBlocks, blockAt } = openPacked(input);
  const uuid = blockAt(64 * 1024)?.subarray(32, 48);
  if (uuid === undefined) return;
  for (const { bytes } of changedBlocks(parent)) {
    if (Buffer.compare(bytes.subarray(32, 48), uuid) !== 0) continue;
    const crc = ~updateCrc32c(0xffffffff, bytes, 32, bytes.length) >>> 0;
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, crc, true);
  }
}
