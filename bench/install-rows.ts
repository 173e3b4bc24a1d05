/**
 * The row of the benchmark about a whole installation start that patches the initrd: ours with the files in the cache
 * and the host's fixup for that initrd (an overlay of 64 KB), beside what eliloader did at each start: fetch both with
 * wget, unpack the initrd, put the overlay into the tree, and pack it anew.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { MIRROR_PATHS } from "../fixtures/debian-installer.ts";
import { parseSimple } from "../test/program.ts";
import { makeOverlay, OVERLAY_BYTES } from "./initrd-rows.ts";
import { serveSignedMirror, warmStart } from "./installation.ts";
import type { Command } from "./measure.ts";
import { compare, type Row, type Setting } from "./row.ts";

/** gzip takes seconds. */
const MOST_RUNS = 7;
const MEMORY_BAR_MB = 150;

export async function measureInstallation({ folder, dist, installer, runs }: Setting): Promise<Row[]> {
  await using nginx = await serveSignedMirror(folder("mirror"), installer);
  const fixups = folder("guest-installer");
  const overlay = makeOverlay(folder("overlay"));
  makeFixup(fixups, installer.initrd, overlay);
  const place = { dist, folder: folder("starts"), url: nginx.url };
  const ours = warmStart(place, "guestboot, warm", [`GUESTBOOT_GUEST_INSTALLER_DIR=${fixups}`]);
  checkPatched(ours, installer.initrd);
  const what = "warm installation start, 64 KB overlay / wget, cpio, gzip";
  const other = byWget(nginx.url, overlay, path.join(folder("wget"), "start"));
  return [compare(what, [ours, other], Math.min(runs, MOST_RUNS), { bar: 0.08, memoryBar: MEMORY_BAR_MB })];
}

/** A control domain's map of fixups that names this initrd by its MD5, and the archive that it is to get. */
function makeFixup(folder: string, initrd: string, overlay: string): void {
  const md5 = createHash("md5").update(fs.readFileSync(initrd)).digest("hex");
  fs.writeFileSync(path.join(folder, "debian.map"), `${md5} cpio debian.cpio overlay\n`);
  const archive = path.join(folder, "debian.cpio");
  execFileSync("/bin/sh", ["-c", 'find . | cpio --quiet -o -H newc > "$1"', "sh", archive], { cwd: overlay });
}

/** @throws Error when the start's initrd has no overlay: then its time is none of such a start */
function checkPatched({ argv: [program, ...args], tidy }: Command, initrd: string): void {
  const answer = parseSimple(execFileSync(program, args, { encoding: "utf8" }));
  const size = fs.statSync(answer.ramdisk ?? "").size;
  tidy?.();
  const least = fs.statSync(initrd).size + OVERLAY_BYTES;
  if (size < least) throw new Error(`the start's initrd has ${size} bytes, not ${least} or more`);
}

function byWget(url: string, overlay: string, work: string): Command {
  const script = `set -e
mkdir "$1" "$1/tree"
wget -q -O "$1/vmlinuz" "$2"
wget -q -O "$1/initrd.gz" "$3"
cd "$1/tree"
zcat ../initrd.gz | cpio --quiet -idu
cp -r "$4"/. .
find . | cpio --quiet -o -H newc | gzip > ../initrd.new`;
  const { kernel, initrd } = MIRROR_PATHS;
  return {
    name: "wget, zcat | cpio -idu, cp, cpio -o | gzip",
    argv: ["/bin/sh", "-c", script, "sh", work, url + kernel, url + initrd, overlay],
    tidy: () => fs.rmSync(work, { recursive: true, force: true }),
  };
}
