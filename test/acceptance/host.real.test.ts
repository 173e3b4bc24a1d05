/**
 * What the executable needs of a host, and what it says where it cannot run.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { environment, programPath, ROOT, run, runNode, temporaryFolder } from "../program.ts";
import { makeSmallGuestFolder } from "./guest-disk.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
afterAll(() => folder[Symbol.dispose]());

/** The libraries that the dynamic linker takes for the executable, by their paths. */
function librariesOf(program: string): string[] {
  const listed = spawnSync("ldd", [program], { encoding: "utf8" }).stdout;
  return [...listed.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, file = ""]) => file);
}

describe("the executable", () => {
  it("needs the C and C++ runtime libraries and libatomic, and no other", () => {
    const names = librariesOf(programPath("guestboot")).map((file) => path.basename(file));
    expect(names.sort()).toEqual([
      "ld-linux-x86-64.so.2",
      "libatomic.so.1",
      "libc.so.6",
      "libdl.so.2",
      "libgcc_s.so.1",
      "libm.so.6",
      "libpthread.so.0",
      "libstdc++.so.6",
    ]);
  });

  it("asks for no symbol that is newer than glibc 2.28", () => {
    const program = fs.readFileSync(programPath("guestboot")).toString("latin1");
    const versions = [...new Set([...program.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor)))];
    expect(versions.length).toBeGreaterThan(3);
    expect(Math.max(...versions)).toBeLessThanOrEqual(28);
  });

  it("starts in a root that holds nothing but it, its libraries and a disk", () => {
    const root = at("root");
    const put = (file: string, as = file) => {
      fs.mkdirSync(path.join(root, path.dirname(as)), { recursive: true });
      fs.copyFileSync(file, path.join(root, as));
    };
    put(programPath("guestboot"), "/guestboot");
    fs.symlinkSync("guestboot", path.join(root, "pygrub"));
    for (const library of librariesOf(programPath("guestboot"))) put(library);
    makeSmallGuestFolder(at("guest"));
    makeFilesystemImage({ path: path.join(root, "disk.img"), type: "ext4", sizeMiB: 8, folder: at("guest") });

    const inRoot = (...argv: string[]) => run("chroot", [root, ...argv]);
    expect(inRoot("/guestboot", "--version")).toMatchObject({ status: 0, stderr: "" });
    const booted = inRoot("/pygrub", "-q", "-n", "--output-format=simple", "/disk.img");
    expect(booted).toMatchObject({ status: 0, stderr: "" });
    expect(booted.stdout).toMatch(/^kernel <kernel:\/boot\/vmlinuz>\n/);
  });

  it("does not listen to NODE_OPTIONS", () => {
    fs.writeFileSync(at("evil.cjs"), `require("node:fs").writeFileSync("${at("evil")}", "x")`);
    const ended = run(programPath("guestboot"), ["--version"], { NODE_OPTIONS: `--require ${at("evil.cjs")}` });
    expect(ended.status).toBe(0);
    expect(fs.existsSync(at("evil"))).toBe(false);
  });
});

describe("the npm package's launcher", () => {
  const launcher = path.join(ROOT, "dist/launch.js");

  it("becomes the program, with its rights in its hands", () => {
    const ended = runNode([launcher, "entries", at("root/disk.img"), "--json"]);
    expect(ended.status, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({ default: 0 });
  });

  it.each(["20.20.2", "22.1.0", "26.0.0"])("says in one sentence that Node %s is too old", (version) => {
    // Another Node is not at hand everywhere: this one is made to say that it is older.
    const pretend = `data:text/javascript,Object.defineProperty(process,"versions",{value:{node:"${version}"}});Object.defineProperty(process,"version",{value:"v${version}"})`;
    const ended = runNode(["--import", pretend, launcher, "--version"]);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(
      new RegExp(`^guestboot needs Node\\.js 26\\.10 or newer, and this is v${version}: .*\\n$`),
    );
  });

  it("says so on a really older Node, where the machine has one", ({ skip }) => {
    const found = spawnSync("which", ["-a", "node"], {
      encoding: "utf8",
      env: environment(),
    });
    const older = found.stdout
      .split("\n")
      .filter((file) => file !== "" && !file.includes("node_modules"))
      .find((file) => /^v(1[2-9]|2[0-5])\./.test(runNode(["--version"], file).stdout));
    if (older === undefined) skip("no Node older than 26 on this machine");
    else
      expect(runNode([launcher, "--version"], older).stderr).toMatch(
        /^guestboot needs Node\.js 26\.10 or newer, and this is v\d+/,
      );
  });
});
