import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openFilesystem } from "../../src/filesystem/detect.ts";
import { noise } from "../base/seeded.ts";
import { call } from "./call.ts";
import { makeXfsImage, withMounted } from "./xfs-image.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-xfs-log-"));
const image = path.join(folder, "disk.img");
const copy = path.join(folder, "copy.img");
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const DIRTY = ["the filesystem was not unmounted: its log is dirty, and recent changes may be missing"];

function notesOf(file: string): readonly string[] {
  using disk = openDisk(file);
  return openFilesystem(disk.source).notes;
}

/** What xfsprogs makes of the same log: CLEAN or DIRTY. */
function stateOf(file: string): string {
  const said = call("xfs_logprint", ["-t", file], "xfsprogs");
  return /log tail: \d+ head: \d+ state: <(\w+)>/.exec(said)?.[1] ?? said;
}

function expectState(file: string, state: "CLEAN" | "DIRTY"): void {
  expect([stateOf(file), notesOf(file)]).toEqual([state, state === "CLEAN" ? [] : DIRTY]);
}

/** A copy of the image as a host that loses its power leaves it. */
function crash(mounted: string): void {
  call("sync", ["-f", mounted], "coreutils");
  fs.copyFileSync(image, copy);
}

const KINDS: readonly (readonly [what: string, options: readonly string[]])[] = [
  ["as mkfs.xfs makes it", []],
  ["in stripes of 64 KiB", ["-l", "sunit=128"]],
  ["in sectors of 4 KiB", ["-s", "size=4096", "-l", "sunit=8"]],
];

describe.each(KINDS)("a log %s", (_what, options) => {
  it("is clean when it is new, dirty after a crash and clean after an unmount, round after round", () => {
    makeXfsImage(image, 64, options);
    expectState(image, "CLEAN");
    const start = logRound();
    // Until the ring has been gone round, so that its newest record is not its last.
    for (let round = 0; round < 4 || (round < 40 && logRound() === start); round++) {
      withMounted(image, "rw", (mounted) => {
        writeMuch(mounted, round);
        crash(mounted);
        expectState(copy, "DIRTY");
      });
      expectState(image, "CLEAN");
    }
    expect(logRound()).toBeGreaterThan(start);
  });

  it("is dirty when the filesystem shut down by itself, until it is mounted again", () => {
    makeXfsImage(image, 64, options);
    withMounted(image, "rw", (mounted) => {
      fs.writeFileSync(path.join(mounted, "kernel"), noise(100_000, 1));
      call("xfs_io", ["-x", "-c", "shutdown -f", mounted], "xfsprogs");
    });
    expectState(image, "DIRTY");
    withMounted(image, "rw", () => undefined);
    expectState(image, "CLEAN");
  });

  it("is clean when xfs_repair has zeroed it", () => {
    makeXfsImage(image, 64, options);
    withMounted(image, "rw", (mounted) => {
      writeMuch(mounted, 0);
      crash(mounted);
    });
    call("xfs_repair", ["-L", copy], "xfsprogs");
    expectState(copy, "CLEAN");
  });

  function writeMuch(mounted: string, round: number): void {
    for (let index = 0; index < 800; index++) {
      const name = path.join(mounted, `a-name-of-some-length-${round % 2}-${index}`);
      if (fs.existsSync(name)) fs.rmSync(name);
      else fs.writeFileSync(name, "");
      if (index % 20 === 0) call("sync", ["-f", mounted], "coreutils");
    }
  }

  function logRound(): number {
    const said = call("xfs_logprint", ["-t", image], "xfsprogs");
    const start = Number(/daddr: (\d+)/.exec(said)?.[1]);
    const bytes = fs.readFileSync(image).subarray(start * 512);
    return bytes.readUInt32BE(0) === 0xfeedbabe ? bytes.readUInt32BE(4) : bytes.readUInt32BE(0);
  }
});

describe("what a crash leaves", () => {
  it("is read as far as it was written to its place", () => {
    makeXfsImage(image, 64, []);
    const content = noise(300_000, 2);
    withMounted(image, "rw", (mounted) => fs.writeFileSync(path.join(mounted, "old"), content));
    withMounted(image, "rw", (mounted) => {
      fs.writeFileSync(path.join(mounted, "new"), content);
      crash(mounted);
    });
    using disk = openDisk(copy);
    const filesystem = openFilesystem(disk.source);
    expect(filesystem.notes).toEqual(DIRTY);
    expect(Buffer.compare(filesystem.open("/old").read(0, content.length), content)).toBe(0);
  });
});

describe("a log that is", () => {
  it("on another device is told in a note", () => {
    const log = path.join(folder, "log");
    fs.writeFileSync(log, "");
    fs.truncateSync(log, 16 * 1024 * 1024);
    makeXfsImage(image, 64, ["-l", `logdev=${log},size=8m`]);
    expect(notesOf(image)).toEqual(["the filesystem's log is on another device: recent changes may be missing"]);
  });

  it("full of noise keeps nobody from reading what is there", () => {
    makeXfsImage(image, 64, []);
    withMounted(image, "rw", (mounted) => fs.writeFileSync(path.join(mounted, "file"), "content"));
    const bytes = fs.readFileSync(image);
    const place = (field: string) => Number(/= (\d+)/.exec(superblockField(field))?.[1]);
    const blockSize = place("blocksize");
    const start = Number(
      call("xfs_db", ["-r", "-c", `convert fsb ${place("logstart")} byte`, image], "xfsprogs").match(/\((\d+)\)/)?.[1],
    );
    for (let seed = 1; seed <= 5; seed++) {
      bytes.set(noise(place("logblocks") * blockSize, seed), start);
      fs.writeFileSync(copy, bytes);
      expect(notesOf(copy)).toEqual([expect.stringMatching(/recent changes may be missing$/)]);
      using disk = openDisk(copy);
      expect(openFilesystem(disk.source).open("/file").size).toBe(7);
    }
  });

  function superblockField(field: string): string {
    return call("xfs_db", ["-r", "-c", "sb 0", "-c", `print ${field}`, image], "xfsprogs");
  }
});
