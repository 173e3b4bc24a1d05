import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeIsoImage, type Mastering } from "../../fixtures/iso-images.ts";
import type { ByteSource } from "../../src/base/byte-source.ts";
import { openDisk, type OpenDisk } from "../../src/disk/open-disk.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { openIso9660 } from "../../src/filesystem/iso9660/iso-driver.ts";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { readByGrub } from "./ext-judges.ts";
import { listedByGrub, listedByIsoinfo, makeSource, treeOfXorriso } from "./iso9660-judges.ts";
import { differences, manifestOfDriver, manifestOfFolder, type Manifest } from "./manifest.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-iso9660-"));
const source = path.join(folder, "source");
const image = path.join(folder, "image.iso");
const extracted = path.join(folder, "extracted");

/** genisoimage gets the lengths wrong where it splits a link's target, or does not end. */
const LONG_LINKS = ["of-two-hundred", "of-a-thousand"];
/** The source without them. */
const tame = path.join(folder, "tame");

beforeAll(() => {
  makeSource(source);
  fs.cpSync(source, tame, { recursive: true, verbatimSymlinks: true });
  for (const name of LONG_LINKS) fs.rmSync(path.join(tame, "links", name));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function make(program: Mastering, options: readonly string[], from = source): void {
  makeIsoImage({ path: image, folder: from, program, options });
}

function ours(): Manifest {
  using disk = openDisk(image);
  return manifestOfDriver(openIso9660(disk.source));
}

/** All but the folder where moved folders lie: it is no part of the source, and Linux shows it too. */
function withoutMoved(manifest: Manifest): Manifest {
  return without(manifest, ["/rr_moved"]);
}

function without(manifest: Manifest, paths: readonly string[]): Manifest {
  return Object.fromEntries(Object.entries(manifest).filter(([name]) => !paths.includes(name)));
}

const KERNELS = ["/install.amd/vmlinuz", "/install.amd/initrd.gz", "/isolinux/isolinux.cfg"];

describe("Rock Ridge", () => {
  it.each([
    [["-R"]],
    [["-R", "-J"]],
    [["-r", "-J", "-joliet-long"]],
    [["-R", "-iso-level", "3"]],
    [["-R", "-hfsplus"]],
  ])("of xorriso %s holds the source, and what xorriso and GRUB read from it", (options) => {
    make("xorriso", options);
    const read = ours();
    expect(differences(read, manifestOfFolder(source))).toEqual([]);
    expect(differences(read, treeOfXorriso(image, "rock-ridge", extracted))).toEqual([]);
    const byGrub = readByGrub(image, KERNELS);
    expect(byGrub).toEqual(Object.fromEntries(KERNELS.map((each) => [each, read[each]])));
  });

  it.each([[["-R"]], [["-R", "-J"]], [["-R", "-D"]]])(
    "of genisoimage %s holds the source, and what xorriso, isoinfo and GRUB read from it",
    (options) => {
      make("genisoimage", ["-input-charset", "utf-8", ...options], tame);
      const read = withoutMoved(ours());
      expect(differences(read, manifestOfFolder(tame))).toEqual([]);
      expect(differences(read, withoutMoved(treeOfXorriso(image, "rock-ridge", extracted)))).toEqual([]);
      expect(readByGrub(image, KERNELS)).toEqual(Object.fromEntries(KERNELS.map((each) => [each, read[each]])));
      expect(listedByGrub(image, "/deep/level-0/level-1/level-2/level-3/level-4/level-5/").sort()).toEqual([
        "level-6/",
        "second/",
      ]);
    },
  );

  it("has folders below the eighth level where they belong, although genisoimage moves them", () => {
    make("genisoimage", ["-input-charset", "utf-8", "-R"], tame);
    using disk = openDisk(image);
    const driver = openIso9660(disk.source);
    const moved = driver.lookup(driver.root, "rr_moved");
    expect(moved?.kind).toBe("directory");
    expect(moved !== null && driver.list(moved)).toEqual([]);
    const bottom = `/deep/${Array.from({ length: 12 }, (_, level) => `level-${level}`).join("/")}/bottom`;
    expect(openFilesystem(disk.source).open(bottom).size).toBe("the bottom".length);
  });

  it("of genisoimage with a link that it has written wrongly is read all the same, but for this link", () => {
    const links = path.join(folder, "links");
    fs.mkdirSync(links);
    const target = ["x".repeat(90), "y".repeat(90), "z".repeat(95), "..", "z".repeat(95)].join("/");
    fs.symlinkSync(target, path.join(links, "long"));
    fs.symlinkSync("file", path.join(links, "short"));
    fs.writeFileSync(path.join(links, "file"), "beside");
    make("genisoimage", ["-R"], links);
    using disk = openDisk(image);
    const driver = openIso9660(disk.source);
    const found = Object.fromEntries(driver.list(driver.root).map(({ name, node }) => [name, node]));
    expect(Object.keys(found).sort()).toEqual(["file", "long", "short"]);
    expect(found["short"] !== undefined && driver.readLink(found["short"])).toBe("file");
    expect(openFilesystem(disk.source).open("/short").size).toBe("beside".length);
    expect(() => found["long"] !== undefined && driver.readLink(found["long"])).toThrow(
      expect.objectContaining({ code: "OUT_OF_BOUNDS" }),
    );
  });

  it("of special files is told by kind", () => {
    const special = path.join(folder, "special");
    fs.mkdirSync(special);
    call("mknod", [path.join(special, "fifo"), "p"], "coreutils");
    call("mknod", [path.join(special, "null"), "c", "1", "3"], "coreutils");
    make("xorriso", ["-R"], special);
    expect(ours()).toEqual({ "/fifo": "other", "/null": "other" });
  });

  it("of zisofs is listed, and refused by name when it is read", () => {
    const texts = path.join(folder, "texts");
    fs.mkdirSync(texts);
    fs.writeFileSync(path.join(texts, "zeros"), Buffer.alloc(300_000, "zeros "));
    fs.rmSync(image, { force: true });
    const zisofs = ["-zisofs", "level=9", "-outdev", image, "-map", texts, "/", "-set_filter_r", "--zisofs", "/", "--"];
    call("xorriso", [...zisofs, "-commit"], "xorriso");
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    expect(filesystem.list("/").map(({ name }) => name)).toEqual(["zeros"]);
    expect(() => filesystem.open("/zeros")).toThrow(
      // eslint-disable-next-line @typescript-eslint/no-unsafe-assignment -- vitest's matcher is untyped
      expect.objectContaining({ code: "FEATURE_UNSUPPORTED", message: expect.stringContaining("zisofs") }),
    );
  });
});

describe("without Rock Ridge", () => {
  it.each<[Mastering, readonly string[]]>([
    ["genisoimage", ["-input-charset", "utf-8", "-J", "-joliet-long", "-D"]],
    ["xorriso", ["--norock", "-J", "-joliet-long"]],
  ])("the names of Joliet are those that xorriso, isoinfo and GRUB see (%s)", (program, options) => {
    make(program, options);
    const read = ours();
    expect(differences(read, treeOfXorriso(image, "joliet", extracted))).toEqual([]);
    const name = "names/naïve-Grüße-日本語";
    expect(read[`/${Buffer.from(name).toString("latin1")}`]).toBe(fileInSource(name));
    expect(readByGrub(image, KERNELS)).toEqual(Object.fromEntries(KERNELS.map((each) => [each, read[each]])));
    const listed = listedByIsoinfo(image, ["-J"]).map((each) => each.replace(/;1$/, ""));
    expect(listed.filter((each) => /^\/(?:many|sizes)\//.test(each))).toEqual(
      Object.keys(read).filter((each) => /^\/(?:many|sizes)\//.test(each)),
    );
  });

  it.each<[Mastering, readonly string[]]>([
    ["genisoimage", ["-input-charset", "utf-8", "-D"]],
    ["genisoimage", ["-input-charset", "utf-8", "-D", "-l", "-N"]],
    ["xorriso", ["--norock"]],
    ["xorriso", ["--norock", "-iso-level", "3"]],
  ])("and Joliet, the names are the plain ones that xorriso and isoinfo see (%s %s)", (program, options) => {
    make(program, options);
    const read = ours();
    expect(differences(read, treeOfXorriso(image, "plain", extracted))).toEqual([]);
    const listed = listedByIsoinfo(image, []).map((each) => each.replace(/\.?(?:;1)?$/, "").toLowerCase());
    expect(Object.keys(read)).toEqual(listed.sort());
    expect(Object.values(read)).toContain(fileInSource("install.amd/vmlinuz"));
  });
});

function fileInSource(name: string): string | undefined {
  return manifestOfFolder(source)[`/${Buffer.from(name).toString("latin1")}`];
}

describe("the volume", () => {
  it.each<[Mastering, readonly string[]]>([
    ["xorriso", ["-R", "-V", "DEBIAN_12"]],
    ["xorriso", ["--norock", "-J", "-V", "Install Medium"]],
    ["genisoimage", ["-R", "-J", "-V", "Fedora-S-dvd-x86_64"]],
  ])("made by %s %s has the label and the UUID that blkid sees", (program, options) => {
    make(program, options, path.join(source, "sizes"));
    using disk = openDisk(image);
    const { label, uuid } = openIso9660(disk.source);
    const said = call("blkid", ["-p", "-o", "export", image], "util-linux");
    expect(label).toBe(/^LABEL=(.*)$/m.exec(said)?.[1]?.replaceAll("\\", ""));
    expect(uuid).toBe(/^UUID=(.*)$/m.exec(said)?.[1]);
  });

  it("of a hybrid image begins at byte 0, whatever its partition table says", () => {
    const hybrid = path.join(folder, "hybrid");
    fs.cpSync(path.join(source, "install.amd"), path.join(hybrid, "install.amd"), { recursive: true });
    fs.mkdirSync(path.join(hybrid, "isolinux"));
    fs.copyFileSync(isolinux("isolinux.bin"), path.join(hybrid, "isolinux/isolinux.bin"));
    const before = manifestOfFolder(hybrid);
    const boot = ["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4"];
    make("xorriso", ["-R", "-isohybrid-mbr", isolinux("isohdpfx.bin"), ...boot, "-partition_offset", "16"], hybrid);
    expect(call("sfdisk", ["--json", image], "fdisk")).toContain('"label": "dos"');
    const read = ours();
    expect(differences(without(read, ["/isolinux/boot.cat"]), before)).toEqual([]);
    expect(differences(read, treeOfXorriso(image, "rock-ridge", extracted))).toEqual([]);
  });

  it("of an image with a GPT and a partition behind it is read all the same", () => {
    const efi = path.join(folder, "efi.img");
    fs.writeFileSync(efi, noise(1024 * 1024, 5));
    const partition = ["-append_partition", "2", "0xef", efi, "-appended_part_as_gpt"];
    make("xorriso", ["-R", ...partition, "-e", "--interval:appended_partition_2:all::", "-no-emul-boot"]);
    expect(call("sfdisk", ["--json", image], "fdisk")).toContain('"label": "gpt"');
    expect(differences(withoutCatalog(ours()), manifestOfFolder(source))).toEqual([]);
  });

  it("is that of the last session", () => {
    fs.rmSync(image, { force: true });
    const first = path.join(source, "isolinux");
    call("xorriso", ["-dev", image, "-map", first, "/first", "-commit"], "xorriso");
    call("xorriso", ["-dev", image, "-map", path.join(source, "sizes"), "/second", "-commit"], "xorriso");
    const read = ours();
    expect(read["/first/isolinux.cfg"]).toBe(fileInSource("isolinux/isolinux.cfg"));
    expect(read["/second/65536"]).toBe(fileInSource("sizes/65536"));
    expect(differences(read, treeOfXorriso(image, "rock-ridge", extracted))).toEqual([]);
  });
});

function isolinux(name: string): string {
  const file = `/usr/lib/ISOLINUX/${name}`;
  if (!fs.existsSync(file)) throw new Error(`${file} is missing: apt-get install isolinux`);
  return file;
}

function withoutCatalog(manifest: Manifest): Manifest {
  return without(manifest, ["/boot.cat", "/boot.catalog"]);
}

describe("large media", () => {
  it("with 20,000 files in a folder are read back whole", () => {
    const many = path.join(folder, "20000");
    fs.mkdirSync(many);
    for (let index = 0; index < 20_000; index++)
      fs.writeFileSync(path.join(many, `package-${index}_all.deb`), `${index}`);
    make("xorriso", ["-R"], many);
    const started = performance.now();
    const read = ours();
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(Object.keys(read).length).toBe(20_000);
    expect(differences(read, manifestOfFolder(many))).toEqual([]);
    using disk = openDisk(image);
    const content = openFilesystem(disk.source).open("/package-19999_all.deb");
    expect(Buffer.from(content.read(0, content.size)).toString()).toBe("19999");
  });

  it("with a file above 4 GiB, in several extents, are read back whole", () => {
    const large = path.join(folder, "large");
    const file = path.join(large, "large.img");
    fs.mkdirSync(large);
    fs.writeFileSync(path.join(large, "small"), "small");
    const size = 4.1 * 1024 ** 3 + 777;
    makeSparse(file, Math.floor(size));
    const sparse =
      'xorriso -as mkisofs -quiet -R -iso-level 3 "$1" | dd bs=64K iflag=fullblock conv=sparse status=none of="$2"';
    const done = spawnSync("/bin/sh", ["-c", sparse, "sh", large, image], { encoding: "utf8" });
    expect(done.status, done.stderr).toBe(0);
    using disk = openDisk(image);
    using original = openDisk(file);
    const filesystem = openFilesystem(disk.source);
    const content = filesystem.open("/large.img");
    expect(filesystem.find("/large.img")?.size).toBe(Math.floor(size));
    expect(firstDifference(content, original)).toBeNull();
    expect(Buffer.from(filesystem.open("/small").read(0, 5)).toString()).toBe("small");
  });
});

/** Noise where extents begin and end and at both ends; everything else is a hole. */
function makeSparse(file: string, size: number): void {
  const fd = fs.openSync(file, "w");
  const piece = 300_000;
  for (const at of [0, 1024 ** 3, 2 ** 32 - piece, 2 ** 32 - 2048, 2 ** 32, size - piece]) {
    fs.writeSync(fd, noise(piece, at + 1), 0, piece, at);
  }
  fs.ftruncateSync(fd, size);
  fs.closeSync(fd);
}

function firstDifference(left: ByteSource, { source: right }: OpenDisk): number | null {
  if (left.size !== right.size) return Math.min(left.size, right.size);
  // No divisor of an extent's size, so that pieces cross from one to the next.
  const piece = 3_000_000;
  const [one, other] = [Buffer.alloc(piece), Buffer.alloc(piece)];
  for (let at = 0; at < left.size; at += piece) {
    const length = Math.min(piece, left.size - at);
    left.read(at, length, one);
    right.read(at, length, other);
    if (!one.subarray(0, length).equals(other.subarray(0, length))) return at;
  }
  return null;
}
