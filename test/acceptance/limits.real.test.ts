/** The limits of reading a guest's disk, as an admin sets them: the program gives up, and says what to do. */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { noise } from "../base/seeded.ts";
import { call } from "../filesystem/call.ts";
import { programPath, run, temporaryFolder } from "../program.ts";
import { makeSmallGuestFolder } from "./guest-disk.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const image = at("disk.img");
const packed = at("disk.squashfs");

beforeAll(() => {
  const guest = makeSmallGuestFolder(at("guest"));
  for (let index = 0; index < 20; index++) fs.writeFileSync(path.join(guest, `file-${index}`), "");
  for (let index = 0; index < 5; index++) fs.symlinkSync(`link-${index + 1}`, path.join(guest, `link-${index}`));
  fs.writeFileSync(path.join(guest, "link-5"), "behind five links\n");
  fs.mkdirSync(path.join(guest, "one/two/three/four"), { recursive: true });
  const pieces = fs.openSync(path.join(guest, "pieces"), "w");
  for (let index = 0; index < 20; index++) fs.writeSync(pieces, "piece", index * 16 * 1024);
  fs.closeSync(pieces);
  makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 8, folder: guest });
  const half = noise(1_500_000, 1);
  // Twice the same: it packs, so it cannot be sent as it lies on the disk.
  const halves = Array.from({ length: 3_000_000 }, (_, index) => (index % 2 === 0 ? (half[index >> 1] ?? 0) : 0));
  fs.writeFileSync(path.join(guest, "boot/initrd.img"), Buffer.from(halves));
  call("mksquashfs", [guest, packed, "-noappend", "-quiet", "-comp", "zstd"], "squashfs-tools");
});
afterAll(() => folder[Symbol.dispose]());

const guestboot = (args: readonly string[], set: Readonly<Record<string, string>>) =>
  run(programPath("guestboot"), args, set);

describe("guestboot ls", () => {
  it("lists no more entries of a folder than are allowed", () => {
    expect(guestboot(["ls", image, "/"], { GUESTBOOT_MAX_DIRECTORY_ENTRIES: "30" }).status).toBe(0);
    const ended = guestboot(["ls", image, "/"], { GUESTBOOT_MAX_DIRECTORY_ENTRIES: "10" });
    expect([ended.status, ended.stdout]).toEqual([1, ""]);
    expect(ended.stderr).toContain("more than 10 entries of a folder: gave up");
    expect(ended.stderr).toContain("set max-directory-entries under [limits] in /etc/guestboot.conf");
  });

  it("goes no deeper into folders than is allowed", () => {
    const deep = "/one/two/three/four";
    expect(guestboot(["ls", image, deep], { GUESTBOOT_MAX_TREE_DEPTH: "4" }).status).toBe(0);
    const ended = guestboot(["ls", image, deep], { GUESTBOOT_MAX_TREE_DEPTH: "3" });
    expect([ended.status, ended.stdout]).toEqual([1, ""]);
    expect(ended.stderr).toContain("more than 3 folders");
  });

  it("refuses a limit that is none, before it looks at the disk", () => {
    const ended = guestboot(["ls", image, "/"], { GUESTBOOT_MAX_SECONDS: "soon" });
    expect([ended.status, ended.stdout]).toEqual([1, ""]);
    expect(ended.stderr).toContain("GUESTBOOT_MAX_SECONDS=soon: must be a whole number from 1 to 86400");
  });
});

describe("guestboot cat", () => {
  it("follows as many links as are allowed", () => {
    expect(guestboot(["cat", image, "/link-0"], { GUESTBOOT_MAX_LINKS: "5" }).stdout).toBe("behind five links\n");
    expect(guestboot(["cat", image, "/link-0"], { GUESTBOOT_MAX_LINKS: "4" }).stderr).toContain("more than 4 symbolic");
  });

  it("gives no file of more pieces than are allowed", () => {
    const size = (19 * 16 * 1024 + 5).toString();
    const all = guestboot(["cat", image, "/pieces"], { GUESTBOOT_MAX_EXTENTS: "20" });
    expect([all.status, String(all.stdout.length)]).toEqual([0, size]);
    const ended = guestboot(["cat", image, "/pieces"], { GUESTBOOT_MAX_EXTENTS: "19" });
    expect([ended.status, ended.stdout]).toEqual([1, ""]);
    expect(ended.stderr).toContain("more than 19 separate pieces of a file");
  });

  it("gives all of a file, however many bytes a start may read", () => {
    const counted = `${programPath("guestboot")} cat ${packed} /boot/initrd.img | wc -c`;
    const ended = run("/bin/sh", ["-c", counted], { GUESTBOOT_MAX_BYTES_READ_MB: "1" });
    expect([ended.stdout.trim(), ended.stderr]).toEqual(["3000000", ""]);
  });
});

describe("a start from disk", () => {
  it("reads no more of it than is allowed, and leaves nothing behind", () => {
    const output = at("output");
    fs.mkdirSync(output);
    const args = ["-q", "--output-format=simple", `--output-directory=${output}`, packed];
    const start = (mebibytes: string) => run(programPath("pygrub"), args, { GUESTBOOT_MAX_BYTES_READ_MB: mebibytes });
    const ended = start("1");
    expect([ended.status, ended.stdout]).toEqual([1, ""]);
    expect(ended.stderr).toContain("more than 1048576 bytes of the disk");
    expect(fs.readdirSync(output)).toEqual([]);
    expect(start("8").status).toBe(0);
  });

  it("keeps within the memory that it is given, and says both numbers where that is too little", () => {
    const ended = run(programPath("pygrub"), ["-q", "-n", packed], { PYGRUB_MAX_RAM_USAGE_MB: "8" });
    expect([ended.status, ended.stdout]).toEqual([1, ""]);
    expect(ended.stderr).toMatch(/more memory than the limit of 8 MiB, and \d\d+ MiB are in use/);
    expect(ended.stderr).toContain("max-ram-usage-mb");
  });
});
