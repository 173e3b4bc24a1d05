/**
 * The rows of the benchmark about initrds: Debian's own installer initrd (41 MB, 137 MB unpacked) with an overlay of
 * 64 KB, against the tools that people have used so far.
 */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Command } from "./measure.ts";
import { compare, type Row, type Setting } from "./row.ts";

export const OVERLAY_BYTES = 64 * 1024;
const MEMORY_BAR_MB = 150;
const GIBIBYTE = 1024 ** 3;

export function measureInitrds({ folder, dist, installer, runs, isShort }: Setting): Row[] {
  const { kernel, initrd } = installer;
  const guestboot = path.join(dist, "guestboot");
  const work = folder("work");
  const overlay = makeOverlay(folder("overlay"));
  const output = path.join(work, "out");
  const tree = path.join(work, "tree");
  const tidy = () => {
    for (const each of [output, `${output}.2`, tree]) fs.rmSync(each, { recursive: true, force: true });
  };
  const shell = (name: string, script: string): Command => {
    return { name, argv: ["/bin/sh", "-c", script, "sh", initrd, output, tree, overlay, guestboot], tidy };
  };
  const ours = (name: string, source: string, ...options: string[]): Command => {
    return {
      name,
      argv: [guestboot, "patch", source, "--overlay", overlay, "--output", output, "--quiet", ...options],
      tidy,
    };
  };
  const unpackAndPack = (packer: string) =>
    `mkdir "$3" && cd "$3" && zcat "$1" | cpio --quiet -idu && cp -r "$4"/. . && find . | cpio --quiet -o -H newc | ${packer} > "$2"`;
  const append = ours("append", initrd);
  const row = (what: string, commands: [Command, Command], most: number, bar: number | null) =>
    compare(what, commands, Math.min(runs, most), { bar, memoryBar: MEMORY_BAR_MB });
  const large = makeLargeInitrd(folder("large"), kernel, isShort ? GIBIBYTE / 16 : GIBIBYTE);
  return [
    row(
      "append 64 KB to a 41 MB initrd / unpack, cpio -o",
      [append, shell("zcat | cpio -idu; cpio -o", unpackAndPack("cat"))],
      7,
      0.08,
    ),
    row(
      "append / bare start and 2 cp",
      [append, shell("start, cp, cp", '"$5" --version > /dev/null; cp "$1" "$2"; cp "$1" "$2.2"')],
      runs,
      1,
    ),
    row(
      "repack to gzip / GNU's pipeline with gzip",
      [ours("repack", initrd, "--repack"), shell("gzip", unpackAndPack("gzip"))],
      3,
      1.2,
    ),
    row(
      "repack to zstd / GNU's pipeline with zstd",
      [ours("repack", initrd, "--repack", "--compression=zstd"), shell("zstd", unpackAndPack("zstd -q -T1"))],
      5,
      1.2,
    ),
    // What counts is the memory.
    row(
      `repack an initrd of ${isShort ? "64 MiB" : "1 GiB"} / zcat | zstd`,
      [
        ours("repack", large, "--repack", "--compression=zstd"),
        { name: "zcat | zstd", argv: ["/bin/sh", "-c", 'zcat "$1" | zstd -q -T1 > "$2"', "sh", large, output], tidy },
      ],
      1,
      null,
    ),
  ];
}

/** A folder with one file that does not compress. */
export function makeOverlay(folder: string): string {
  fs.writeFileSync(path.join(folder, "overlay-proof"), randomBytes(OVERLAY_BYTES));
  return folder;
}

/** @param file many copies of which are in it; @param bytes that it unpacks to */
function makeLargeInitrd(work: string, file: string, bytes: number): string {
  const folder = path.join(work, "tree");
  const initrd = path.join(work, "large.gz");
  fs.mkdirSync(folder);
  const content = fs.readFileSync(file);
  const copies = Math.floor((bytes - 1024 * 1024) / (content.length + 512));
  for (let index = 0; index < copies; index++) fs.writeFileSync(path.join(folder, `copy-${index}`), content);
  const script = 'cd "$1" && find . | cpio --quiet -o -H newc | gzip -1 > "$2"';
  execFileSync("/bin/sh", ["-c", script, "sh", folder, initrd]);
  fs.rmSync(folder, { recursive: true });
  return initrd;
}
