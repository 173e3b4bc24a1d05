/**
 * What each of the two loaders can read: disks of every kind, each given to ours and to upstream pygrub, and the
 * README's table beside what was found.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { manifestOfFolder } from "../filesystem/manifest.ts";
import { sampleImage, sampleManifest } from "../filesystem/reiserfs-image.ts";
import { parseSimple, programPath, ROOT, run, temporaryFolder } from "../program.ts";
import { ARGUMENTS, FILESYSTEMS, KERNEL, makeGuest, RAMDISK, TABLES, type MatrixDisk } from "./disk-matrix.ts";

const UPSTREAM = "/usr/lib/xen-4.17/bin/pygrub";
const folder = temporaryFolder();
const guest = path.join(folder.path, "guest");
const image = path.join(folder.path, "disk.img");

/** The rows as the README should have them. */
const rows: string[] = [];

beforeAll(() => {
  if (!fs.existsSync(UPSTREAM)) throw new Error(`${UPSTREAM} is missing: apt-get install xen-utils-4.17`);
  makeGuest(guest);
});
afterAll(() => folder[Symbol.dispose]());

type Found = "yes" | "no" | "wrong bytes";

/** The kernel of SLES 10 on ReiserFS, which no kernel of today fills: its image has no menu, so the files are named. */
const REISERFS = { kernel: "/boot/vmlinuz-2.6.16.60-0.21-xen", ramdisk: "/boot/initrd-2.6.16.60-0.21-xen" };

function canReadReiserfs(program: string): { readonly found: Found; readonly words: string } {
  const output = fs.mkdtempSync(path.join(folder.path, "out-"));
  const files = [`--kernel=${REISERFS.kernel}`, `--ramdisk=${REISERFS.ramdisk}`];
  const ended = run(program, ["-q", "--output-format=simple", `--output-directory=${output}`, ...files, image]);
  if (ended.status !== 0) return { found: "no", words: ended.stderr };
  const answer = parseSimple(ended.stdout);
  const expected = sampleManifest("r5");
  const found = manifestOfFolder(output);
  const isSame =
    found[`/${path.basename(answer.kernel)}`] === expected[REISERFS.kernel] &&
    found[`/${path.basename(answer.ramdisk ?? "")}`] === expected[REISERFS.ramdisk];
  return { found: isSame ? "yes" : "wrong bytes", words: ended.stdout };
}

/** Does it extract the guest's kernel and ramdisk, byte for byte, with the arguments? */
function canRead(program: string): { readonly found: Found; readonly words: string } {
  const output = fs.mkdtempSync(path.join(folder.path, "out-"));
  const ended = run(program, ["-q", "--output-format=simple", `--output-directory=${output}`, image]);
  if (ended.status !== 0) return { found: "no", words: ended.stderr };
  const answer = parseSimple(ended.stdout);
  const isSame =
    fs.readFileSync(answer.kernel).equals(KERNEL) &&
    fs.readFileSync(answer.ramdisk ?? "").equals(RAMDISK) &&
    answer.args === ARGUMENTS;
  fs.rmSync(output, { recursive: true });
  return { found: isSame ? "yes" : "wrong bytes", words: ended.stdout };
}

function compare(disk: MatrixDisk): void {
  fs.rmSync(image, { force: true });
  disk.make(image, guest);
  const ours = canRead(programPath("pygrub"));
  const upstream = canRead(UPSTREAM);
  rows.push(`| ${disk.what} | ${ours.found} | ${upstream.found} |`);
  expect(ours.found, ours.words).toBe("yes");
}

describe("a guest on a whole disk", () => {
  it.each(FILESYSTEMS.map((disk) => [disk.what, disk] as const))("of %s boots", (_, disk) => compare(disk));
});

it("a guest on a whole disk of ReiserFS 3.6 boots", () => {
  fs.writeFileSync(image, sampleImage("r5"));
  const ours = canReadReiserfs(programPath("pygrub"));
  rows.push(`| ReiserFS 3.6 | ${ours.found} | ${canReadReiserfs(UPSTREAM).found} |`);
  expect(ours.found, ours.words).toBe("yes");
});

describe("a guest on ext4", () => {
  it.each(TABLES.map((disk) => [disk.what, disk] as const))("in %s boots", (_, disk) => compare(disk));
});

it("the README's table says what was found", () => {
  const readme = fs.readFileSync(path.join(ROOT, "README.md"), "utf8");
  const [, table = ""] = /^\| a guest's disk \|.*\n\| --- .*\n((?:\|.*\n)+)/m.exec(readme) ?? [];
  expect(table.trim().split("\n")).toEqual(rows);
});
