/**
 * The packages as dpkg and rpm see them: what they hold, that two builds are the same, and their life in a root of their
 * own, from the installation over `host install` and a timer that is switched on to a removal that leaves no trace.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { programPath, run, temporaryFolder } from "../program.ts";
import { buildPackage, contentsOf, makePackageRoot, runIn, UPSTREAM_PYGRUB, UPSTREAM_TEXT } from "./package-root.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
afterAll(() => folder[Symbol.dispose]());

const MINUTES = 60_000;
function done(program: string, args: readonly string[]): string {
  const ended = run(program, args, { SYSTEMD_OFFLINE: "1" });
  expect(ended.status, ended.stderr).toBe(0);
  return ended.stdout;
}

/** What both packages hold, beside the program and the licences of what it brings. */
const COMMON = [
  "/etc/guestboot.conf",
  "/usr/bin/guestboot",
  "/usr/lib/systemd/system/guestboot-prestage.service",
  "/usr/lib/systemd/system/guestboot-prestage.timer",
  "/usr/libexec/guestboot/eliloader",
  "/usr/libexec/guestboot/pygrub",
  "/usr/share/bash-completion/completions/guestboot",
  "/usr/share/doc/guestboot/copyright",
  "/usr/share/man/man1/guestboot.1.gz",
  "/usr/share/man/man5/guestboot.conf.5.gz",
  "/usr/share/man/man8/guestboot-eliloader.8.gz",
  "/usr/share/man/man8/guestboot-pygrub.8.gz",
  "/usr/share/zsh/site-functions/_guestboot",
];
/** The executable has them inside: package.json's dependencies, what these depend on, the runtime, and ourselves. */
const INSIDE = ["basic-ftp", "guestboot", "ini", "node", "openpgp", "pako", "pend", "undici", "valibot", "yauzl"];

const TIMER = "etc/systemd/system/timers.target.wants/guestboot-prestage.timer";

/** The installed program answers, is made the host's pygrub, and the timer is switched on. */
function useInstalled(root: string): void {
  expect(runIn(root, "/usr/bin/guestboot", ["--version"])).toMatchObject({ status: 0, stderr: "" });
  expect(runIn(root, "/usr/libexec/guestboot/pygrub", ["-h"])).toMatchObject({ status: 0, stderr: "" });
  expect(runIn(root, "/usr/libexec/guestboot/eliloader")).toMatchObject({ status: 2 });
  expect(runIn(root, "/usr/bin/guestboot", ["host", "install"]).status).toBe(0);
  expect(runIn(root, `/${UPSTREAM_PYGRUB}`, ["-h"])).toMatchObject({ status: 0, stderr: "" });
  expect(runIn(root, "/usr/bin/systemctl", ["enable", "guestboot-prestage.timer"]).status).toBe(0);
  expect(fs.lstatSync(path.join(root, TIMER)).isSymbolicLink()).toBe(true);
}

describe("the .deb", () => {
  let deb = "";
  const root = at("deb-root");
  const dpkg = (...args: string[]) =>
    done("dpkg", [`--root=${root}`, `--log=${at("dpkg.log")}`, "--force-depends,unsafe-io", ...args]);

  beforeAll(async () => {
    makePackageRoot(root, [programPath("guestboot")]);
    for (const name of ["info", "updates"]) fs.mkdirSync(path.join(root, "var/lib/dpkg", name), { recursive: true });
    fs.writeFileSync(path.join(root, "var/lib/dpkg/status"), "");
    deb = await buildPackage("deb", at("deb-1"));
  }, 5 * MINUTES);

  it("holds the program, its names, manual, completions, settings, units and licences, all root's", () => {
    const lines = done("dpkg-deb", ["-c", deb]).trim().split("\n");
    const files = lines.filter((line) => !line.startsWith("d"));
    for (const line of lines) expect(line).toMatch(/^(?:d.{9}|l.{9}|-rw-r--r--|-rwxr-xr-x) root\/root /);
    expect(files.filter((line) => line.startsWith("-rwx")).map((line) => line.split(" ").at(-1))).toEqual([
      "./usr/bin/guestboot",
    ]);
    const names = files.map((line) => / \.(\/\S+)/.exec(line)?.[1]);
    const licences = INSIDE.map((name) => `/usr/share/doc/guestboot/licenses/${name}`);
    expect(names.sort()).toEqual([...COMMON, ...licences].sort());
    expect(done("dpkg-deb", ["-f", deb, "Package", "Architecture", "Maintainer"])).toBe(
      "Package: guestboot\nArchitecture: amd64\nMaintainer: guestboot maintainers\n",
    );
  });

  it("is the same to the byte when it is built again, whatever the builder's umask", async () => {
    expect(run("cmp", [deb, await buildPackage("deb", at("deb-2"), "077")])).toMatchObject({ status: 0, stdout: "" });
  });

  it("can be used once installed; an upgrade's script leaves the host as it is; a purge leaves what is the admin's", () => {
    const before = contentsOf(root, "var/lib/dpkg");
    dpkg("-i", deb);
    useInstalled(root);
    expect(runIn(root, "/var/lib/dpkg/info/guestboot.prerm", ["upgrade", "9"])).toMatchObject({
      status: 0,
      stderr: "",
    });
    expect(fs.readlinkSync(path.join(root, UPSTREAM_PYGRUB))).toBe("/usr/bin/guestboot");
    for (const file of ["var/lib/guestboot/vms/theirs.json", "var/cache/guestboot/copy"]) {
      fs.mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      fs.writeFileSync(path.join(root, file), "");
    }
    dpkg("-P", "guestboot");
    expect(fs.readFileSync(path.join(root, UPSTREAM_PYGRUB), "utf8")).toBe(UPSTREAM_TEXT);
    const theirs = ["var/lib/guestboot", "var/lib/guestboot/vms", "var/lib/guestboot/vms/theirs.json"];
    const left = contentsOf(root, "var/lib/dpkg").filter((line) => !theirs.includes(line.split(" ")[0] ?? ""));
    // The lock of two installations at once lies where the next start of the host empties the folder.
    expect(left.filter((line) => !line.startsWith("var/run/guestboot-host.lock "))).toEqual(before);
    expect(fs.existsSync(path.join(root, theirs.at(-1) ?? ""))).toBe(true);
  });
});

describe("the .rpm", () => {
  let rpm = "";
  const root = at("rpm-root");
  const inRoot = (...args: string[]) => done("rpm", ["--root", root, "--dbpath", "/var/lib/rpm", ...args]);

  beforeAll(async () => {
    programPath("guestboot");
    makePackageRoot(root, []);
    rpm = await buildPackage("rpm", at("rpm-1"));
  }, 5 * MINUTES);

  it("holds the portable folder with its licences, and the rest as the .deb does", () => {
    const names = done("rpm", [
      "-qp",
      "--nosignature",
      "--qf",
      "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\\n]",
      rpm,
    ])
      .trim()
      .split("\n");
    for (const line of names) expect(line).toMatch(/^(?:drwxr-xr-x|l.{9}|-rw-r--r--|-rwxr-xr-x) root \//);
    const files = names.filter((line) => !line.startsWith("d")).map((line) => line.split(" ")[2] ?? "");
    const listed = done("rpm", ["-qpl", "--nosignature", rpm]).trim().split("\n");
    expect(listed).toEqual(names.map((line) => line.split(" ")[2]));
    const libraries = files.filter((file) => file.startsWith("/opt/guestboot/lib/"));
    expect(libraries).toContain("/opt/guestboot/lib/ld-linux-x86-64.so.2");
    const licences = files
      .filter((file) => file.startsWith("/opt/guestboot/licenses/"))
      .map((file) => path.basename(file));
    // What glibc and GCC's runtime libraries are under.
    expect(licences).toEqual(expect.arrayContaining([...INSIDE, "README", "libc6", "libgcc-s1", "LGPL-2.1", "GPL-3"]));
    const portable = ["eliloader", "guestboot", "pygrub"].map((name) => `/opt/guestboot/${name}`);
    const rest = files.filter((file) => !libraries.includes(file) && !file.startsWith("/opt/guestboot/licenses/"));
    expect(rest.sort()).toEqual([...COMMON, ...portable].sort());
  });

  it("has a script before a removal alone, and two that tell systemd", () => {
    const scripts = done("rpm", ["-qp", "--nosignature", "--scripts", rpm]);
    expect([...scripts.matchAll(/^(\w+) scriptlet/gm)].map(([, name]) => name)).toEqual([
      "postinstall",
      "preuninstall",
      "postuninstall",
    ]);
    expect(scripts).toMatch(/preuninstall[^]*guestboot host uninstall[^]*postuninstall/);
  });

  it("is the same to the byte when it is built again, whatever the builder's umask", async () => {
    expect(run("cmp", [rpm, await buildPackage("rpm", at("rpm-2"), "077")])).toMatchObject({ status: 0, stdout: "" });
  });

  it("can be used once installed where there is no library, and is removed without a trace", () => {
    inRoot("--initdb");
    const before = contentsOf(root, "var/lib/rpm");
    inRoot("-i", "--nodeps", "--nosignature", rpm);
    useInstalled(root);
    const script = done("rpm", ["-qp", "--nosignature", "--qf", "%{PREUN}", rpm]);
    // As rpm calls it when one version goes and another stays.
    expect(runIn(root, "/bin/sh", ["-c", script, "preun", "1"])).toMatchObject({ status: 0, stderr: "" });
    expect(fs.lstatSync(path.join(root, UPSTREAM_PYGRUB)).isSymbolicLink()).toBe(true);
    inRoot("-e", "guestboot");
    expect(fs.readFileSync(path.join(root, UPSTREAM_PYGRUB), "utf8")).toBe(UPSTREAM_TEXT);
    const left = contentsOf(root, "var/lib/rpm");
    expect(left.filter((line) => !line.startsWith("var/run/guestboot-host.lock "))).toEqual(before);
  });
});
