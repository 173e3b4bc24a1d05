/**
 * The rows of `npm run bench` about initrds: Debian's own installer initrd (41 MB, 137 MB unpacked) with an overlay of
 * 64 KB, against the tools that people have used so far.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { DEBIAN_INSTALLER } from "../fixtures/debian-installer.ts";
import type { Command } from "./measure.ts";

export interface InitrdComparison {
  readonly what: string;
  /** Ours, the other. */
  readonly commands: readonly [Command, Command];
  /** The most that the ratio may be; null where only the memory counts. */
  readonly bar: number | null;
  /** MB of resident memory that ours may take at its peak. */
  readonly memoryBar: number;
  /** A run takes seconds: so many are enough. */
  readonly runs: number;
}

const OVERLAY_BYTES = 64 * 1024;
const MEMORY_BAR_MB = 150;
const GIBIBYTE = 1024 ** 3;

/**
 * @param work an empty folder on a disk
 * @param guestboot the program
 * @param runs of the quick ones
 */
export function initrdComparisons(work: string, guestboot: string, runs: number): InitrdComparison[] {
  const { initrd } = DEBIAN_INSTALLER;
  const overlay = path.join(work, "overlay");
  fs.mkdirSync(overlay);
  fs.writeFileSync(path.join(overlay, "overlay-proof"), Buffer.alloc(OVERLAY_BYTES, "64 KB of an overlay\n"));
  const output = path.join(work, "out");
  const tree = path.join(work, "tree");
  const tidy = () => {
    for (const each of [output, `${output}.2`, tree]) fs.rmSync(each, { recursive: true, force: true });
  };
  const shell = (name: string, script: string): Command => {
    return { name, argv: ["/bin/sh", "-c", script, "sh", initrd, output, tree, overlay, guestboot], tidy };
  };
  const ours = (name: string, ...options: string[]): Command => {
    return {
      name,
      argv: [guestboot, "patch", initrd, "--overlay", overlay, "--output", output, "--quiet", ...options],
      tidy,
    };
  };
  const unpackAndPack = (packer: string) =>
    `mkdir "$3" && cd "$3" && zcat "$1" | cpio --quiet -idu && cp -r "$4"/. . && find . | cpio --quiet -o -H newc | ${packer} > "$2"`;
  const append = ours("append");
  return [
    {
      what: "append 64 KB to a 41 MB initrd / unpack, cpio -o",
      commands: [append, shell("zcat | cpio -idu; cpio -o", unpackAndPack("cat"))],
      bar: 0.08,
      memoryBar: MEMORY_BAR_MB,
      runs: Math.min(runs, 7),
    },
    {
      what: "append / bare start and 2 cp",
      commands: [append, shell("start, cp, cp", '"$5" --version > /dev/null; cp "$1" "$2"; cp "$1" "$2.2"')],
      bar: 1,
      memoryBar: MEMORY_BAR_MB,
      runs,
    },
    {
      what: "repack to gzip / GNU's pipeline with gzip",
      commands: [ours("repack", "--repack"), shell("gzip", unpackAndPack("gzip"))],
      bar: 1.2,
      memoryBar: MEMORY_BAR_MB,
      runs: Math.min(runs, 3),
    },
    {
      what: "repack to zstd / GNU's pipeline with zstd",
      commands: [ours("repack", "--repack", "--compression=zstd"), shell("zstd", unpackAndPack("zstd -q -T1"))],
      bar: 1.2,
      memoryBar: MEMORY_BAR_MB,
      runs: Math.min(runs, 5),
    },
    largeInitrd(work, guestboot, overlay, output, tidy),
  ];
}

/** An initrd that unpacks to 1 GiB: what counts is the memory. */
function largeInitrd(
  work: string,
  guestboot: string,
  overlay: string,
  output: string,
  tidy: () => void,
): InitrdComparison {
  const folder = path.join(work, "large");
  const initrd = path.join(work, "large.gz");
  fs.mkdirSync(folder);
  const kernel = fs.readFileSync(DEBIAN_INSTALLER.kernel);
  const copies = Math.floor((GIBIBYTE - 1024 * 1024) / (kernel.length + 512));
  for (let index = 0; index < copies; index++) fs.writeFileSync(path.join(folder, `kernel-${index}`), kernel);
  const script = 'cd "$1" && find . | cpio --quiet -o -H newc | gzip -1 > "$2"';
  execFileSync("/bin/sh", ["-c", script, "sh", folder, initrd]);
  fs.rmSync(folder, { recursive: true });
  const options = ["--overlay", overlay, "--output", output, "--quiet", "--repack", "--compression=zstd"];
  return {
    what: "repack an initrd of 1 GiB / zcat | zstd",
    commands: [
      { name: "repack", argv: [guestboot, "patch", initrd, ...options], tidy },
      { name: "zcat | zstd", argv: ["/bin/sh", "-c", 'zcat "$1" | zstd -q -T1 > "$2"', "sh", initrd, output], tidy },
    ],
    bar: null,
    memoryBar: MEMORY_BAR_MB,
    runs: 1,
  };
}
