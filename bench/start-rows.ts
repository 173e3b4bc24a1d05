/**
 * The rows of the benchmark about a start from disk, beside upstream pygrub: one ext4 image (1 GiB) with Debian's
 * kernel and initrd (49 MB) and a menu.lst, which is what upstream can read.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { makeFilesystemImage } from "../fixtures/disk-images.ts";
import { buildExecutable } from "../scripts/executable.ts";
import type { Command } from "./measure.ts";
import { compare, type Row, type Setting } from "./row.ts";

const UPSTREAM = "/usr/lib/xen-4.17/bin/pygrub";
/** What `src/pipeline/confine.ts` can be built without: the runtime's permissions alone are given up then. */
const ALL_WALLS = "root limits user filter";
const MENU =
  "default 0\ntimeout 5\ntitle Debian\nroot (hd0,0)\nkernel /boot/vmlinuz root=/dev/xvda1 ro\ninitrd /boot/initrd.img\n";

export async function measureStarts({ folder, tmpfs, dist, installer, runs, isShort }: Setting): Promise<Row[]> {
  const image = makeImage(folder("disk"), installer, isShort ? 128 : 1024);
  const onDisk = folder("boot");
  const builds = folder("builds");
  const cached = path.join(builds, "pygrub-code-cache");
  await buildExecutable({ kind: "code cache", output: cached });
  const unconfined = path.join(builds, "pygrub-unconfined");
  await buildExecutable({ kind: "snapshot", output: unconfined, without: ALL_WALLS });
  const pygrub = path.join(dist, "pygrub");
  const both = (...options: string[]): [Command, Command] => [
    { name: "guestboot", argv: [pygrub, ...options, image] },
    { name: "upstream", argv: [UPSTREAM, ...options, image] },
  ];
  const bare = { name: "guestboot --version", argv: [path.join(dist, "guestboot"), "--version"] } as const;
  const runtime = { name: "node -e 0", argv: [process.execPath, "-e", "0"] } as const;
  const python = { name: "python3 -c pass", argv: ["/usr/bin/python3", "-c", "pass"] } as const;
  const say = ["-q", "-n"];
  const withoutWalls = { name: "guestboot, unconfined", argv: [unconfined, ...extracting(tmpfs), image] } as const;
  const codeCache = { name: "code cache", argv: [cached, ...say, image] } as const;
  return [
    compare("start-up, nothing done / python3 -c pass", [bare, python], runs),
    compare("extract 49 MB to a tmpfs / upstream", extraction(both(...extracting(tmpfs)), tmpfs), runs, { bar: 0.7 }),
    compare("extract 49 MB to a disk / upstream", extraction(both(...extracting(onDisk)), onDisk), runs, { bar: 0.7 }),
    compare(
      "extract to a tmpfs, --runas / upstream",
      extraction(both(...extracting(tmpfs), "--runas=65534"), tmpfs),
      runs,
      { bar: 0.75 },
    ),
    compare("extract: confined / unconfined", extraction([both(...extracting(tmpfs))[0], withoutWalls], tmpfs), runs, {
      bar: 1.15,
    }),
    compare("say what would boot (-n) / upstream", both(...say), runs, { bar: 0.75 }),
    // What no program of this runtime can be below, as long as it starts as the runtime does.
    compare("the runtime alone (node -e 0) / upstream's -n", [runtime, both(...say)[1]], runs),
    compare("list the entries (-l) / upstream", both("-l"), runs),
    compare("-n: start-up snapshot / code cache", [both(...say)[0], codeCache], runs),
  ];
}

function makeImage(work: string, { kernel, initrd }: Setting["installer"], sizeMiB: number): string {
  const folder = path.join(work, "guest");
  fs.mkdirSync(path.join(folder, "boot/grub"), { recursive: true });
  fs.copyFileSync(kernel, path.join(folder, "boot/vmlinuz"));
  fs.copyFileSync(initrd, path.join(folder, "boot/initrd.img"));
  fs.writeFileSync(path.join(folder, "boot/grub/menu.lst"), MENU);
  const image = path.join(work, "guest.img");
  makeFilesystemImage({ path: image, type: "ext4", sizeMiB, folder });
  return image;
}

function extracting(target: string): string[] {
  return ["-q", "--output-format=simple", `--output-directory=${target}`];
}

/** The boot files go after each run. */
function extraction([ours, other]: readonly [Command, Command], target: string): [Command, Command] {
  const tidy = () => {
    for (const name of fs.readdirSync(target)) fs.rmSync(path.join(target, name));
  };
  return [
    { ...ours, tidy },
    { ...other, tidy },
  ];
}
