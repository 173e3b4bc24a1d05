import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call } from "../filesystem/call.ts";
import { noise } from "../base/seeded.ts";
import { temporaryFolder } from "../program.ts";
import {
  device,
  file,
  folder,
  hardLink,
  judgeByE2fsck,
  listed,
  listedByKernel,
  listedEntry,
  makeImage,
  namesBelow,
  special,
  symlink,
  write,
  type ImageOptions,
} from "./ext2-image.ts";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());

const at = (name: string) => path.join(temporary.path, name);
const source = at("source");
const OLD = new Date("2003-10-20T00:00:00Z");
const KIB = 1024;

/** What an installer's image has before: replaced and merged later. */
beforeAll(() => {
  for (const name of ["", "etc", "sbin", "empty", "usr", "usr/lib", "old"]) fs.mkdirSync(path.join(source, name));
  fs.writeFileSync(path.join(source, "etc/fstab"), "none /proc proc\n");
  fs.writeFileSync(path.join(source, "etc/kept"), "kept\n");
  fs.writeFileSync(path.join(source, "sbin/loader"), noise(700 * KIB, 1));
  fs.linkSync(path.join(source, "sbin/loader"), path.join(source, "sbin/init"));
  fs.symlinkSync("usr/lib", path.join(source, "lib"));
  fs.symlinkSync("/usr/lib", path.join(source, "lib64"));
  for (const name of namesBelow(source)) {
    if (!fs.lstatSync(path.join(source, name)).isSymbolicLink()) fs.utimesSync(path.join(source, name), OLD, OLD);
  }
});

/** The era's images first; then what today's tools make; each feature that may be written to, and each block size. */
const IMAGES: Readonly<Record<string, ImageOptions>> = {
  "revision 0, 1 KiB": { options: ["-r", "0", "-b", "1024", "-I", "128"], sizeKiB: 4096 },
  "revision 1 without features": { options: ["-r", "1", "-O", "none", "-b", "1024", "-I", "128"], sizeKiB: 4096 },
  "as RHEL 3: filetype, sparse_super": {
    options: ["-O", "none,filetype,sparse_super", "-b", "1024", "-I", "128", "-m", "0"],
    sizeKiB: 6144,
  },
  "two groups, the second short": { options: ["-O", "none,filetype", "-b", "1024", "-I", "128"], sizeKiB: 9000 },
  genext2fs: { program: "genext2fs", options: ["-N", "200"], sizeKiB: 2000 },
  "today's mke2fs, 1 KiB": { options: ["-t", "ext2", "-b", "1024"], sizeKiB: 4096 },
  "today's mke2fs, 2 KiB": { options: ["-t", "ext2", "-b", "2048"], sizeKiB: 4096 },
  "today's mke2fs, 4 KiB": { options: ["-t", "ext2", "-b", "4096"], sizeKiB: 6144 },
  "ext3, unmounted": { options: ["-t", "ext3", "-b", "1024", "-J", "size=1"], sizeKiB: 6144 },
};

const LONG = "a-name-of-255-bytes-".padEnd(255, "x");
const OVERLAY = [
  folder("."),
  folder("etc", { mode: 0o700, uid: 3, gid: 4 }),
  file("etc/fstab", Buffer.from("/dev/ram0 / ext2\n"), { mode: 0o600, uid: 70_000, gid: 4_000_000_000 }),
  file("etc/passwd", new Uint8Array()),
  file("made/on/the/way", Buffer.from("deep\n"), { mtime: 1_099_999_999 }),
  file("/slash", noise(12 * KIB, 2), { mode: 0o4755 }),
  file("./indirect", noise(13 * KIB + 1, 3)),
  file("double", noise(400 * KIB, 4)),
  file("sbin/loader", noise(90 * KIB, 5), { mode: 0o755 }),
  hardLink("second", "sbin/loader"),
  hardLink("third", "/second"),
  file("lib/through-link", Buffer.from("a relative link on the way\n")),
  file("lib64/through-absolute-link", Buffer.from("an absolute one\n")),
  folder("lib", { mode: 0o711 }),
  symlink("old-name", "etc/fstab", { uid: 1 }),
  symlink("fast", "f".repeat(59)),
  symlink("slow", "s".repeat(60)),
  symlink("slowest", "/x".repeat(500)),
  file("empty", Buffer.from("where an empty folder was\n")),
  folder("old/new"),
  folder("dev"),
  device("dev/console", "character device", 5, 1),
  device("dev/ram0", "block device", 1, 0),
  device("dev/nvme0n1", "block device", 259, 70_000),
  special("dev/initctl", "fifo"),
  special("dev/log", "socket", { mode: 0o666 }),
  file(LONG, Buffer.from("long\n")),
  file("é und ☃", Buffer.from("name in UTF-8\n")),
] as const;

/** Entries by their name in the image, apart from the three whose names the links change. */
const byName = new Map(OVERLAY.map((entry) => [path.posix.normalize(entry.path).replace(/^\//, ""), entry] as const));
const line = (name: string, names = 1) => {
  const entry = byName.get(name);
  if (entry === undefined) throw new Error(`no entry ${name}`);
  return listedEntry(entry, names);
};
const madeFolder = (mode: number, names: number) => listed("directory", mode, 0, 0, 1_099_999_999, names, "");

describe.each(Object.entries(IMAGES))("an overlay in an image: %s", (title, options) => {
  const image = at(title.replace(/\W+/g, "-"));
  let before: Readonly<Record<string, string>>;
  let after: Readonly<Record<string, string>>;

  beforeAll(() => {
    makeImage(image, { ...options, folder: source });
    judgeByE2fsck(image);
    before = listedByKernel(image);
    write(image, OVERLAY);
    after = listedByKernel(image);
  });

  it("leaves nothing for e2fsck to find", () => {
    judgeByE2fsck(image);
  });

  it("is read by the kernel's ext2 driver with every entry's content, mode, owner, time and device", () => {
    const expected = {
      etc: line("etc", 2),
      "etc/fstab": line("etc/fstab"),
      "etc/passwd": line("etc/passwd"),
      made: madeFolder(0o755, 3),
      "made/on": madeFolder(0o755, 3),
      "made/on/the": madeFolder(0o755, 2),
      "made/on/the/way": line("made/on/the/way"),
      slash: line("slash"),
      indirect: line("indirect"),
      double: line("double"),
      "sbin/loader": line("sbin/loader", 3),
      second: line("sbin/loader", 3),
      third: line("sbin/loader", 3),
      "usr/lib": line("lib", 2),
      "usr/lib/through-link": line("lib/through-link"),
      "usr/lib/through-absolute-link": line("lib64/through-absolute-link"),
      "old-name": line("old-name"),
      fast: line("fast"),
      slow: line("slow"),
      slowest: line("slowest"),
      empty: line("empty"),
      "old/new": line("old/new", 2),
      dev: line("dev", 2),
      "dev/console": line("dev/console"),
      "dev/ram0": line("dev/ram0"),
      "dev/nvme0n1": line("dev/nvme0n1"),
      "dev/initctl": line("dev/initctl"),
      "dev/log": line("dev/log"),
      [LONG]: line(LONG),
      "é und ☃": line("é und ☃"),
    };
    expect(after).toMatchObject(expected);
    expect(Object.keys(after).sort()).toEqual([...new Set([...Object.keys(before), ...Object.keys(expected)])].sort());
  });

  it("keeps what the overlay does not name, and other names of what it replaces", () => {
    for (const name of ["etc/kept", "lib", "lib64", "usr"]) expect(after[name]).toBe(before[name]);
    expect(after["sbin/init"]).toBe(before["sbin/init"]?.replace("×2", "×1"));
  });

  it("is read by debugfs too", () => {
    expect(call("debugfs", ["-R", "cat /etc/fstab", image], "e2fsprogs")).toBe("/dev/ram0 / ext2\n");
    const dumped = at("dumped");
    call("debugfs", ["-R", `dump /double ${dumped}`, image], "e2fsprogs");
    expect(fs.readFileSync(dumped).equals(noise(400 * KIB, 4))).toBe(true);
    expect(call("debugfs", ["-R", "stat /dev/console", image], "e2fsprogs")).toMatch(
      /Device major\/minor number: 05:01/,
    );
  });

  it("gives the same bytes a second time", () => {
    const [one, two] = [at("one"), at("two")];
    makeImage(image, { ...options, folder: source });
    fs.copyFileSync(image, one);
    fs.copyFileSync(image, two);
    write(one, OVERLAY);
    write(two, OVERLAY);
    expect(fs.readFileSync(one).equals(fs.readFileSync(two))).toBe(true);
  });
});

describe("what an image may hold besides", () => {
  const base = ["-t", "ext2", "-b", "1024", "-I", "128"];
  const content = at("content");

  beforeAll(() => {
    fs.mkdirSync(path.join(content, "many"), { recursive: true });
    for (let index = 0; index < 300; index++) {
      fs.writeFileSync(path.join(content, "many", `a-rather-long-name-for-a-file-${index}`), String(index));
    }
  });

  it("an indexed folder that is changed is a plain one then, with all its names", () => {
    const image = at("indexed");
    makeImage(image, { options: base, sizeKiB: 4096, folder: content });
    // Its status is 1: "errors corrected", which stands for the index that was made.
    call("sh", ["-c", 'e2fsck -fyD "$1"; [ $? -le 1 ]', "sh", image], "e2fsprogs");
    const flags = () => /Flags: 0x(\w+)/.exec(call("debugfs", ["-R", "stat /many", image], "e2fsprogs"))?.[1];
    expect(flags()).toBe("1000");
    write(
      image,
      [...Array(100).keys()].map((index) => file(`many/new-${index}`, Buffer.from("new"))),
    );
    expect(flags()).toBe("0");
    judgeByE2fsck(image);
    expect(Object.keys(listedByKernel(image)).filter((name) => name.startsWith("many/"))).toHaveLength(400);
  });

  it("extended attributes go with the last file that has them", () => {
    const image = at("attributes");
    makeImage(image, { options: base, sizeKiB: 4096, folder: content });
    const [one, two] = ["/many/a-rather-long-name-for-a-file-1", "/many/a-rather-long-name-for-a-file-2"];
    const debugfs = (request: string, ...options: readonly string[]) =>
      call("debugfs", [...options, "-R", request, image], "e2fsprogs");
    debugfs(`ea_set ${one} user.key value`, "-w");
    const block = Number(/File ACL: (\d+)/.exec(debugfs(`stat ${one}`))?.[1]);
    debugfs(`sif ${two} file_acl ${block}`, "-w");
    debugfs(`sif ${two} blocks 4`, "-w");
    const bytes = fs.readFileSync(image);
    bytes.writeUInt32LE(2, block * KIB + 4);
    fs.writeFileSync(image, bytes);
    judgeByE2fsck(image);

    write(image, [file(one, Buffer.from("replaced"))]);
    judgeByE2fsck(image);
    expect(debugfs(`ea_get ${two} user.key`)).toContain("value");
    write(image, [file(two, Buffer.from("replaced"))]);
    judgeByE2fsck(image);
    expect(debugfs(`testb ${block}`)).toContain("not in use");
  });

  it("a file so large that its block lists have three levels", () => {
    const image = at("three-levels");
    makeImage(image, { options: ["-O", "none,filetype", "-b", "1024", "-N", "512"], sizeKiB: 1024 });
    const large = file("large", noise(70 * KIB * KIB, 6));
    write(image, [large]);
    judgeByE2fsck(image);
    expect(listedByKernel(image)["large"]).toBe(listedEntry(large, 1));
    // Replaced, it gives back every block.
    write(image, [file("large", Buffer.from("small"))]);
    judgeByE2fsck(image);
    expect(listedByKernel(image)["large"]).toMatch(/^file .* 5 /);
  });

  it("is taken although it was not unmounted, as long as nothing in it is wrong", () => {
    const image = at("mounted");
    makeImage(image, { options: base, sizeKiB: 4096, folder: content });
    call("debugfs", ["-w", "-R", "ssv state 0", image], "e2fsprogs");
    write(image, [file("new", Buffer.from("new"))]);
    judgeByE2fsck(image);
  });

  it("a folder takes the place of a file", () => {
    const image = at("folder-for-file");
    makeImage(image, { options: base, sizeKiB: 4096, folder: content });
    write(image, [
      file("here", noise(30 * KIB, 1)),
      folder("here", { mode: 0o750 }),
      file("here/below", Buffer.from("x")),
    ]);
    judgeByE2fsck(image);
    expect(listedByKernel(image)["here"]).toMatch(/^directory 750 /);
  });
});
