import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readPygrubOptions } from "../../src/cli/pygrub-options.ts";

const UPSTREAM = "/usr/lib/xen-4.17/bin/pygrub";
let folder = "";
let image = "";

beforeAll(() => {
  if (!existsSync(UPSTREAM)) throw new Error(`${UPSTREAM} is missing: apt-get install xen-utils-4.17`);
  if (!existsSync("/sbin/mkfs.ext4")) throw new Error("/sbin/mkfs.ext4 is missing: apt-get install e2fsprogs");
  folder = mkdtempSync(join(tmpdir(), "guestboot-options-"));
  image = join(folder, "disk.img");
  const root = join(folder, "root");
  mkdirSync(join(root, "boot/grub"), { recursive: true });
  writeFileSync(join(root, "boot/vmlinuz"), "kernel");
  const entry = (title: string) => `title ${title}\nroot (hd0)\nkernel /boot/vmlinuz entry=${title}\n`;
  writeFileSync(join(root, "boot/grub/menu.lst"), `default 0\n${entry("zero")}${entry("one")}`);
  execFileSync("truncate", ["-s", "8M", image]);
  execFileSync("/sbin/mkfs.ext4", ["-q", "-F", "-d", root, image]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
}

function upstream(argv: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(UPSTREAM, argv, { timeout: 30_000, cwd: folder }, (_error, stdout, stderr) => {
      resolve({ stdout, stderr });
    });
    child.stdin?.end();
  });
}

function weAccept(argv: readonly string[]): boolean {
  try {
    return !readPygrubOptions(argv).help;
  } catch {
    return false;
  }
}

/** No such disk: upstream then fails for want of it when it likes the command line, and prints its usage when not. */
const DISK = "/nonexistent/disk";

const COMMAND_LINES = `
DISK
DISK -q
-q DISK other
-qn DISK
-ln DISK
-lnq DISK
- -q
-- DISK
-- -q
-qx DISK
-q=1 DISK
-Q DISK
--quiet --interactive --list-entries --not-really DISK
--q DISK
--i --l DISK
--in DISK
--is DISK
--n DISK
--quiet=1 DISK
--not-really= DISK
--isconfig=1 DISK
--debug DISK
--d DISK
--de DISK
--debug=1 DISK
--output-f=simple DISK
--output-format sxp DISK
--output-format=simple0 DISK
--output-format=simpl DISK
--output-format= DISK
--output-format=SXP DISK
--output-format=bad --output-format=sxp DISK
--o=x DISK
--outp=- DISK
--output
--output=- DISK
--output-directory
--k=/a --ra /b DISK
--r=/a DISK
--kernel= --ramdisk= DISK
--args
--a x DISK
--args= --args=b DISK
--args=-q DISK
--args -- DISK
--e 0 DISK
--entry= DISK
--entry
--offset=0 DISK
--off 512 DISK
--offset= DISK
--offset=abc DISK
--offset=0x10 DISK
--offset=1.5 DISK
--offset=abc --offset=1 DISK
--runas= -q DISK
--runas=abc -q DISK
--runas=0x5 -q DISK
--runas=abc --runas=5 -q DISK
--runas=5 DISK
--runas=5 -l DISK
--runas=5 -n DISK
--runas=5 -i DISK
--runas=5 -q -i DISK
--runas=5 --entry=0 -i DISK
--runas=5 --kernel=/k DISK
--unknown DISK
--help
--h
-h
-q
--
`
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => line.split(" ").map((word) => (word === "DISK" ? DISK : word)));

describe("pygrub's command line beside upstream's", () => {
  it("is accepted and refused for the same words", { timeout: 120_000 }, async () => {
    const lines = [[], [""], ["", DISK], [DISK, "", "-q"], ...COMMAND_LINES];
    const theirs: Record<string, boolean> = {};
    // A few at a time: each is a Python start.
    for (let at = 0; at < lines.length; at += 4) {
      await Promise.all(
        lines.slice(at, at + 4).map(async (argv) => {
          // Upstream leaves empty files in its default folder even when it fails.
          const { stderr } = await upstream([`--output-directory=${folder}`, ...argv]);
          theirs[JSON.stringify(argv)] = !/^(?:Usage:|In order to use --runas)/m.test(stderr);
        }),
      );
    }
    // Upstream takes the empty word for the disk when nothing else is there; we ignore empty words.
    theirs[JSON.stringify([""])] = false;
    const ours = Object.fromEntries(lines.map((argv) => [JSON.stringify(argv), weAccept(argv)]));
    expect(ours).toEqual(theirs);
    expect(Object.values(theirs).filter(Boolean).length).toBeGreaterThan(25);
  });

  it("has its order decide between -q, -i and --entry under --runas", async () => {
    for (const argv of [
      ["--runas=65534", "-i", "-q", `--output-directory=${folder}`, image],
      ["--runas=65534", "-i", "--entry=0", `--output-directory=${folder}`, image],
    ]) {
      const { stderr } = await upstream(argv);
      expect(stderr).not.toContain("In order to use --runas");
      expect(weAccept(argv)).toBe(true);
    }
  });

  it.each([
    ["--args=x", "--args=y"],
    ["--entry=0", "--entry=one"],
    ["--entry=one", "--args=a b", "--args="],
    ["--output-format=sxp", "--output-format=simple"],
    ["--output-format=simple", "--output-f", "sxp", "--args", "-q"],
  ])("gives %s %s the meaning that upstream gives it", async (...words) => {
    const argv = ["-qn", `--output-directory=${folder}`, ...words, image];
    const { stdout } = await upstream(argv);
    const options = readPygrubOptions(argv);
    if (options.help) throw new Error("no help was asked for");
    const wanted = options.entry?.kind === "entry" ? options.entry.wanted : "0";
    const title = { "0": "zero", one: "one" }[wanted];
    const args = [`entry=${title ?? "?"}`, options.args].filter((word) => word !== "").join(" ");
    if (options.outputFormat === "simple") expect(stdout).toMatch(new RegExp(`^args ${args}$`, "m"));
    else expect(stdout).toContain(`(args '${args}')`);
  });
});
