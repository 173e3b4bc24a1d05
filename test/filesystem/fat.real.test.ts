import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { openFat } from "../../src/filesystem/fat/fat-driver.ts";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { readByGrub } from "./ext-judges.ts";
import { fillFat, makeFatImage, makeFatTree, mtools, readByMtools } from "./fat-image.ts";
import { differences, differencesWithin, manifestOfDriver, manifestOfFolder } from "./manifest.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-fat-"));
const image = path.join(folder, "disk.img");
const small = path.join(folder, "small");
const large = path.join(folder, "large");

beforeAll(() => {
  makeFatTree(small, { many: 40, largest: 100_000 });
  makeFatTree(large, { many: 150, largest: 3_000_000 });
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const KINDS: readonly (readonly [type: string, sizeKiB: number, options: string, tree: string])[] = [
  ["fat12", 1440, "-F 12", small],
  ["fat12", 4000, "-F 12 -s 4 -f 1", small],
  ["fat12", 16_000, "-F 12 -S 4096 -s 2", small],
  ["fat16", 16_384, "-F 16 -s 1", large],
  ["fat16", 32_768, "-F 16 -s 4 -r 1024", large],
  ["fat16", 65_536, "-F 16 -S 1024 -s 8", large],
  ["fat16", 131_072, "-F 16 -S 2048 -s 8 -R 16", large],
  ["fat32", 40_960, "-F 32 -s 1", large],
  ["fat32", 65_536, "-F 32 -s 1 -f 1 -R 64", large],
  ["fat32", 140_000, "-F 32 -S 1024 -s 2", large],
  ["fat32", 280_000, "-F 32 -S 4096 -s 1", large],
  ["fat32", 300_000, "-F 32 -s 8", large],
];

describe.each(KINDS)("%s of %i KiB made with %s", (type, sizeKiB, options, tree) => {
  it("is read whole as mtools reads it, and as the folder was", () => {
    makeFatImage(image, sizeKiB, ["-n", "BOOT DISK", "-i", "1a2b3c4d", ...options.split(" ")]);
    fillFat(image, tree, 64);
    call("fsck.fat", ["-n", image], "dosfstools");
    using disk = openDisk(image);
    const driver = openFat(disk.source);
    expect([driver.type, driver.uuid, driver.label, driver.notes]).toEqual([type, "1A2B-3C4D", "BOOT DISK", []]);
    const ours = manifestOfDriver(driver);
    expect(differences(readByMtools(image, path.join(folder, "copied")), ours)).toEqual([]);
    expect(differencesWithin(manifestOfFolder(tree), ours)).toEqual([]);
    const paths = ["/boot/VMLINUZ", "/fragmented", "/sizes/4097"];
    expect(readByGrub(image, paths)).toEqual(Object.fromEntries(paths.map((name) => [name, ours[name]])));
  });
});

describe("a name", () => {
  it("is found whatever its case, by its short form too, and shown as it was written", () => {
    makeFatImage(image, 1440, ["-F", "12"]);
    const names = path.join(folder, "written");
    fs.mkdirSync(names);
    for (const name of ["vmlinuz-6.1.0-18-amd64", "Grüße.txt", "README"]) {
      fs.writeFileSync(path.join(names, name), name);
      mtools("mcopy", image, path.join(names, name), "::/");
    }
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    for (const name of ["VMLINUZ-6.1.0-18-AMD64", "Vmlinuz-6.1.0-18-amd64", "GRÜSSE.TXT", "grüße.TXT", "readme"]) {
      const exists = name !== "GRÜSSE.TXT";
      expect(`${name}: ${filesystem.find(name) !== null}`).toBe(`${name}: ${exists}`);
    }
    const short = /^(VMLINU~\d) +(\S+)/m.exec(mtools("mdir", image, "::/"));
    expect(filesystem.find(`/${short?.[1]}.${short?.[2]}`)?.size).toBe(22);
    expect(filesystem.list("/").map(({ name }) => name)).toEqual(["vmlinuz-6.1.0-18-amd64", "Grüße.txt", "README"]);
  });

  it("that was deleted is gone, and so is its long form", () => {
    makeFatImage(image, 1440, ["-F", "12"]);
    const file = path.join(folder, "a-long-name-that-goes");
    fs.writeFileSync(file, "x");
    mtools("mcopy", image, file, "::/");
    mtools("mdel", image, "::/a-long-name-that-goes");
    fs.writeFileSync(path.join(folder, "STAYS"), "y");
    mtools("mcopy", image, path.join(folder, "STAYS"), "::/");
    using disk = openDisk(image);
    expect(
      openFilesystem(disk.source)
        .list("/")
        .map(({ name }) => name),
    ).toEqual(["STAYS"]);
  });
});

describe("a folder of 10,000 names", () => {
  it("is listed whole, and looked into", () => {
    makeFatImage(image, 65_536, ["-F", "32", "-s", "1"]);
    const many = path.join(folder, "tree-of-many");
    fs.mkdirSync(path.join(many, "many"), { recursive: true });
    // Names that need a long form, and whose short forms differ without a number: mtools takes hours to find those.
    const nameOf = (index: number) => `Ab${String(index).padStart(6, "0")}.Txt`;
    for (let index = 0; index < 10_000; index++) fs.writeFileSync(path.join(many, "many", nameOf(index)), "");
    mtools("mcopy", image, "-s", path.join(many, "many"), "::/");
    using disk = openDisk(image);
    const filesystem = openFilesystem(disk.source);
    const names = new Set(filesystem.list("/many").map(({ name }) => name));
    expect(names).toEqual(new Set(fs.readdirSync(path.join(many, "many"))));
    expect(filesystem.find(`/many/${nameOf(9_999)}`)?.kind).toBe("file");
    expect(filesystem.find("/many/Ab010000.Txt")).toBeNull();
  });
});

describe("a file of 4 GiB - 1", () => {
  it("is read at its end as GRUB reads it", () => {
    const clusterSize = 4096;
    makeFatImage(image, 5 * 1024 * 1024, ["-F", "32", "-s", "8", "-f", "1"]);
    const fd = fs.openSync(image, "r+");
    const boot = Buffer.alloc(512);
    fs.readSync(fd, boot, 0, 512, 0);
    const table = boot.readUInt16LE(0x0e) * 512;
    const data = table + boot.readUInt32LE(0x24) * 512;
    const [first, size] = [3, 0xffffffff];
    const count = Math.ceil(size / clusterSize);
    const chain = Buffer.alloc(count * 4);
    for (let index = 0; index < count; index++) {
      chain.writeUInt32LE(index === count - 1 ? 0x0fffffff : first + index + 1, index * 4);
    }
    fs.writeSync(fd, chain, 0, chain.length, table + first * 4);
    const entry = Buffer.alloc(32);
    entry.write("HUGE    BIN", "latin1");
    entry.writeUInt8(0x20, 11);
    entry.writeUInt16LE(first, 26);
    entry.writeUInt32LE(size, 28);
    fs.writeSync(fd, entry, 0, 32, data);
    const end = noise(1000, 5);
    fs.writeSync(fd, end, 0, 1000, data + (first - 2) * clusterSize + size - 1000);
    fs.closeSync(fd);
    // Not asked: fsck.fat 4.2 takes a chain of 4 GiB for one of 0 bytes.
    using disk = openDisk(image);
    const file = openFilesystem(disk.source).open("/huge.bin");
    expect(file.size).toBe(size);
    expect(Buffer.from(file.read(size - 1000, 1000)).equals(end)).toBe(true);
    const said = call("grub-fstest", ["-s", String(size - 16), image, "hex", "(loop0)/huge.bin"], "grub-common");
    // "ffffffef  30 31 …  |01…|"
    expect(said.slice(10, 59).replaceAll(" ", "")).toBe(Buffer.from(end.subarray(984)).toString("hex"));
  });
});
