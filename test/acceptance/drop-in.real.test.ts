/**
 * The drop-ins as their callers use them: every output format, every kind of output, listings.
 */
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { programPath, run, start, temporaryFolder } from "../program.ts";
import { makeSmallGuestFolder, MENU_LST } from "./guest-disk.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const output = at("out");
const image = at("guest.img");

beforeAll(() => {
  fs.mkdirSync(output);
  const menu = MENU_LST.replace("ro quiet", 'ro quiet="a b" path=C:\\x');
  makeSmallGuestFolder(at("guest"), menu);
  makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 8, folder: at("guest") });
});
afterAll(() => folder[Symbol.dispose]());

function pygrub(...options: string[]) {
  return run(programPath("pygrub"), ["-q", `--output-directory=${output}`, ...options, image]);
}

const NAMES = { kernel: /boot_kernel\.[a-z0-9]{6}/g, ramdisk: /boot_ramdisk\.[a-z0-9]{6}/g };
const withoutNames = (answer: string) =>
  answer.replace(NAMES.kernel, "K").replace(NAMES.ramdisk, "R").replaceAll(output, "…");

describe("a folder that stands for a guest's disk", () => {
  it("is what pygrub -n, pygrub -l and guestboot boot answer from as from the disk", () => {
    const simple = "--output-format=simple";
    const same = (name: "pygrub" | "guestboot", ...options: string[]) => {
      const [folderSays, diskSays] = [at("guest"), image].map((guest) => run(programPath(name), [...options, guest]));
      expect(folderSays).toMatchObject({ status: 0, stderr: "" });
      expect(folderSays?.stdout).toBe(diskSays?.stdout);
      expect(folderSays?.stdout).toContain("/boot/vmlinuz");
    };
    same("pygrub", "-q", "-n", simple);
    same("pygrub", "-l");
    same("guestboot", "boot", "-q", "-n", simple);
  });

  it.each(["pygrub", "guestboot"] as const)("%s copies kernel and ramdisk out of it", (name) => {
    const out = at(`out-${name}`);
    fs.mkdirSync(out);
    const words = [...(name === "pygrub" ? [] : ["boot"]), "-q", "--output-format=simple"];
    const done = run(programPath(name), [...words, `--output-directory=${out}`, at("guest")]);
    expect(done).toMatchObject({ status: 0, stderr: "" });
    for (const [role, file] of [
      ["kernel", "boot/vmlinuz"],
      ["ramdisk", "boot/initrd.img"],
    ] as const) {
      const copy = new RegExp(`^${role} (.*)$`, "m").exec(done.stdout)?.[1] ?? "";
      expect(fs.readFileSync(copy).equals(fs.readFileSync(path.join(at("guest"), file)))).toBe(true);
    }
  });

  it("is looked into by inspect, ls, cat and entries", () => {
    const guestboot = (...words: string[]) => run(programPath("guestboot"), words);
    expect(guestboot("cat", at("guest"), "/boot/grub/menu.lst").stdout).toBe(
      fs.readFileSync(path.join(at("guest"), "boot/grub/menu.lst"), "utf8"),
    );
    expect(guestboot("ls", at("guest"), "/boot").stdout).toContain("vmlinuz");
    expect(guestboot("inspect", at("guest")).stdout).toContain("folder that stands for a guest's disk");
    expect(guestboot("entries", at("guest"), "--json").stdout).toContain('"volume": "folder"');
  });

  it("without a boot config says so, and leaves no file", () => {
    fs.mkdirSync(at("empty"));
    const done = run(programPath("pygrub"), ["-q", `--output-directory=${output}`, at("empty")]);
    expect(done.status).toBe(1);
    expect(done.stderr).toMatch(/^RuntimeError: .*empty does not boot: folder: no boot config/);
    expect(fs.readdirSync(output)).toEqual([]);
  });
});

describe("pygrub's answer", () => {
  it.each([
    ["simple", 'kernel …/K\nramdisk …/R\nargs root=/dev/xvda1 ro quiet="a b" path=C:\\x\n\n'],
    ["simple0", 'kernel …/K\0ramdisk …/R\0args root=/dev/xvda1 ro quiet="a b" path=C:\\x\0\0'],
  ])("in the format %s", (format, expected) => {
    expect(withoutNames(pygrub(`--output-format=${format}`).stdout)).toBe(expected);
  });

  it("in sxp, as Python reads it", () => {
    const answer = pygrub("--output-format=sxp").stdout;
    const args = /\(args (".*")\)/.exec(answer)?.[1] ?? "";
    const read = spawnSync("python3", ["-c", "import ast,sys; sys.stdout.write(ast.literal_eval(sys.argv[1]))", args]);
    expect(read.stdout.toString()).toBe('root=/dev/xvda1 ro quiet="a b" path=C:\\x');
    expect(withoutNames(answer)).toMatch(/^linux \(kernel …\/K\)\(ramdisk …\/R\)\(args ".*"\)\n?$/);
  });

  it("goes with a warning where an x86 kernel would cut the arguments, and is refused where libxl would drop them", () => {
    const own = 'root=/dev/xvda1 ro quiet="a b" path=C:\\x'.length + 1;
    const withArgs = (length: number, format: string) => {
      const words = ["-n", `--output-format=${format}`, `--args=${"x".repeat(length - own)}`, image];
      return run(programPath("pygrub"), words);
    };
    expect(withArgs(2047, "simple0")).toMatchObject({ status: 0, stderr: "" });
    const cut = withArgs(2048, "simple0");
    expect(cut.status).toBe(0);
    expect(cut.stderr).toContain("warning: the kernel's arguments are 2048 bytes long: Linux on x86 takes 2047");
    const dropped = withArgs(8187, "simple0");
    expect(dropped).toMatchObject({ status: 1, stdout: "" });
    expect(dropped.stderr).toMatch(/an item of 8192 bytes, and libxl drops items longer than 8191/);
    expect(withArgs(8187, "simple").status).toBe(0);
  });

  it("is sxp when the caller does not say", () => {
    expect(pygrub().stdout).toMatch(/^linux \(kernel /);
  });

  it("goes to a FIFO, as xend wants it", async () => {
    const fifo = at("fifo");
    spawnSync("mkfifo", [fifo]);
    const reader = spawn("cat", [fifo], { stdio: ["ignore", "pipe", "inherit"] });
    const read = text(reader.stdout);
    const ended = await start(programPath("pygrub"), ["-q", `--output=${fifo}`, `--output-directory=${output}`, image]);
    expect(ended).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(await read).toMatch(/^linux \(kernel /);
  });

  it("goes over what a file held before, and not beside it", () => {
    const file = at("answer");
    fs.writeFileSync(file, "x".repeat(4096));
    const ended = pygrub(`--output=${file}`, "--output-format=simple");
    expect(ended).toMatchObject({ status: 0, stdout: "" });
    expect(fs.readFileSync(file, "utf8")).toMatch(/^kernel [^x]/);
    expect(fs.readFileSync(file, "utf8")).not.toContain("xxx");
  });

  it("goes to standard output for a minus sign", () => {
    expect(pygrub("--output=-", "--output-format=simple").stdout).toMatch(/^kernel /);
  });

  it("leaves out the ramdisk where there is none, and no empty file for it", () => {
    for (const name of fs.readdirSync(output)) fs.rmSync(path.join(output, name));
    const ended = pygrub("--output-format=simple", "--kernel=/boot/vmlinuz");
    expect(withoutNames(ended.stdout)).toBe("kernel …/K\n\n");
    expect(fs.readdirSync(output)).toEqual([expect.stringMatching(/^boot_kernel\./)]);
  });

  it("names the guest's own files when nothing is to be copied", () => {
    for (const name of fs.readdirSync(output)) fs.rmSync(path.join(output, name));
    const ended = run(programPath("pygrub"), ["-q", "-n", "--output-format=simple", image]);
    expect(ended.stdout).toMatch(/^kernel <kernel:\/boot\/vmlinuz>\nramdisk <ramdisk:\/boot\/initrd\.img>\nargs root=/);
    expect(fs.readdirSync(output)).toEqual([]);
  });

  it("is the default entry, with a warning, when there is no such entry", () => {
    const argv = [`--output-directory=${output}`, "--entry=9", "-i", "--output-format=simple", image];
    const ended = run(programPath("pygrub"), argv);
    expect(ended.status).toBe(0);
    expect(ended.stdout).toMatch(/args root=\/dev\/xvda1 ro quiet/);
    expect(ended.stderr).toMatch(/warning: .*9/);
  });
});

describe("pygrub's listing", () => {
  it("has upstream's form", () => {
    const upstream = run("/usr/lib/xen-4.17/bin/pygrub", ["-l", image]);
    expect(upstream.stdout).toContain("title: ");
    expect(run(programPath("pygrub"), ["-l", image])).toMatchObject({ status: 0, stdout: upstream.stdout });
  });

  it("lists a config file by itself", () => {
    const config = path.join(at("guest"), "boot/grub/menu.lst");
    const ended = run(programPath("pygrub"), ["-l", "--isconfig", config]);
    expect(ended.stdout).toBe(run(programPath("pygrub"), ["-l", image]).stdout);
  });

  it("is usage, with --runas in it and exit status 1, when there is no argument at all", () => {
    const ended = run(programPath("pygrub"), []);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toContain("--runas");
  });
});
