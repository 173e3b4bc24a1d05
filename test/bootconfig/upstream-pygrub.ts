/**
 * Runs upstream pygrub on a small ext4 image that is made of one boot config, with every file that the config names
 * holding its own path, so that what was extracted tells which file it was.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const PYGRUB = "/usr/lib/xen-4.17/bin/pygrub";
const MKFS = "/usr/sbin/mkfs.ext4";

export interface Booted {
  readonly kernel: string;
  readonly ramdisk: string | null;
  readonly arguments: string;
}

export interface ListedEntry {
  readonly title: string;
  readonly kernel: string;
  readonly ramdisk: string | null;
  readonly arguments: string;
}

/** A guest's disk: one ext4 filesystem without a partition table. Removed when disposed of. */
export class GuestImage implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "guestboot-bootconfig-"));
  readonly #image = join(this.#folder, "disk.img");

  constructor(config: Uint8Array, more: Readonly<Record<string, string>> = {}, path = "/boot/grub/menu.lst") {
    const need = (program: string, debianPackage: string): void => {
      if (!existsSync(program)) throw new Error(`${program} is missing: apt-get install ${debianPackage}`);
    };
    need(PYGRUB, "xen-utils-4.17");
    need(MKFS, "e2fsprogs");
    const root = join(this.#folder, "root");
    const put = (name: string, content: string | Uint8Array): void => {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), content);
    };
    for (const name of namedFiles(Buffer.from(config).toString("latin1"))) put(name, name);
    put(path, config);
    for (const [name, content] of Object.entries(more)) put(name, content);
    const made = spawnSync(MKFS, ["-q", "-F", "-d", root, this.#image, "4M"], { encoding: "utf8" });
    if (made.status !== 0) throw new Error(`mkfs.ext4 failed: ${made.stderr}`);
  }

  /** What upstream extracts, or null when it fails. */
  boot(...options: readonly string[]): Booted | null {
    const output = mkdtempSync(join(this.#folder, "out-"));
    const given = ["-q", "--output-format=simple", `--output-directory=${output}`, ...options, this.#image];
    const run = spawnSync(PYGRUB, given, { encoding: "utf8", timeout: 30_000 });
    if (run.status !== 0) return null;
    const line = (word: string): string | null =>
      run.stdout
        .split("\n")
        .find((text) => text.startsWith(`${word} `))
        ?.slice(word.length + 1) ?? null;
    const kernel = line("kernel");
    const ramdisk = line("ramdisk");
    if (kernel === null) return null;
    return {
      kernel: readFileSync(kernel, "utf8"),
      ramdisk: ramdisk === null ? null : readFileSync(ramdisk, "utf8"),
      arguments: line("args") ?? "",
    };
  }

  /** What upstream lists. */
  list(): readonly ListedEntry[] {
    const run = spawnSync(PYGRUB, ["-l", this.#image], { encoding: "utf8", timeout: 30_000 });
    return run.stdout
      .split(/^title:/m)
      .slice(1)
      .map((block) => {
        const [title = "", ...lines] = block.split("\n");
        const value = (word: string): string | null =>
          lines.find((text) => text.trimStart().startsWith(`${word}:`))?.replace(/^\s*\w+:\s?/, "") ?? null;
        const listed = value("args") ?? "";
        return {
          title: title.trim(),
          kernel: value("kernel") ?? "",
          ramdisk: value("initrd"),
          arguments: listed === "None" ? "" : listed,
        };
      });
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Every word that looks like a file on a line that loads one; not read by the code under test. */
function namedFiles(config: string): Set<string> {
  const names = new Set<string>();
  for (const line of config.split("\n")) {
    if (!/^\s*(?:kernel|initrd|module)/i.test(line)) continue;
    for (const [, name = ""] of line.matchAll(/(?:[\s=]|\))(\/?[\w.+/-]+)(?=\s|$)/g)) {
      if (/(?:^|\/)boot\/|^\/(?!dev\/)[^/]+$/.test(name)) names.add(name.startsWith("/") ? name : `/${name}`);
    }
  }
  return names;
}
