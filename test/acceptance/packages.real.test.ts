/**
 * What the packages hold: manual, completions, settings, units, and the portable folder in a root that has no libraries.
 */
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { parse } from "ini";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { bashCompletion, manPages, wordsOf, zshCompletion } from "../../scripts/documentation.ts";
import { leaves, REPOSITORY_KEYS } from "../../src/base/repository-settings.ts";
import { PLAIN_SETTINGS, readSettings } from "../../src/base/settings.ts";
import { TRUST_KEYS } from "../../src/base/trust-settings.ts";
import { parseSimple, programPath, ROOT, run, temporaryFolder } from "../program.ts";
import { makeSmallGuestFolder } from "./guest-disk.ts";
import { buildPackage } from "./package-root.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
afterAll(() => folder[Symbol.dispose]());

const CONF = path.join(ROOT, "packaging/guestboot.conf");
const conf = fs.readFileSync(CONF, "utf8");

describe("the settings file as delivered", () => {
  it("sets nothing, and each line that is a comment states the default", async () => {
    const none = await readSettings({}, "/nowhere/guestboot.conf");
    expect(await readSettings({}, CONF)).toEqual(none);
    const stated = conf.replace(/^#(?=[a-z-]+ = )/gm, "");
    expect(stated).not.toBe(conf);
    fs.writeFileSync(at("stated.conf"), stated);
    const cacheFolder = "/var/cache/guestboot";
    expect(await readSettings({}, at("stated.conf"))).toEqual({ ...none, cacheFolder });
  });

  it("names every setting that is read, with an example where there is no default, and so does guestboot.conf(5)", async () => {
    const sections: Record<string, unknown> = parse(conf.replace(/^[#;](?=\[|[a-z-]+ = )/gm, ""));
    const named = Object.entries(sections).flatMap(([section, keys]) =>
      [...leaves(section, keys)].flatMap((leaf) => leaf.keys.map(([key]) => `${leaf.section} ${key}`)),
    );
    const read = [
      ...PLAIN_SETTINGS.map(({ section, key }) => `${section} ${key}`),
      ...TRUST_KEYS.map((key) => `trust "archive.example" ${key}`),
      ...REPOSITORY_KEYS.map((key) => `repository "mirror.example" ${key}`),
    ];
    expect(named.sort()).toEqual(read.sort());

    fs.writeFileSync(at("certificate.pem"), "");
    const examples = conf.replace(/^;(?=\[|[a-z-]+ = )/gm, "").replace(/^ca = .*/m, `ca = ${at("certificate.pem")}`);
    fs.writeFileSync(at("examples.conf"), examples);
    const { warnings, ...settings } = await readSettings({}, at("examples.conf"));
    expect(warnings).toEqual([]);
    expect(settings).toMatchObject({ eliloaderOutput: "sxp", cache: { maxSize: 4 * 1024 ** 3 } });

    fs.writeFileSync(at("guestboot.conf.5"), manPages(conf)["guestboot.conf.5"] ?? "");
    const shown = run("mandoc", ["-Tascii", at("guestboot.conf.5")]).stdout.replace(/.\x08/g, "");
    const lines = shown.split("\n").map((line) => line.trim());
    for (const line of conf.split("\n").filter((each) => /^[#;][a-z-]+ = /.test(each))) expect(lines).toContain(line);
  });
});

describe("the manual", () => {
  it.each(Object.entries(manPages(conf)))("mandoc and groff find nothing wrong in %s", (name, text) => {
    fs.writeFileSync(at(name), text);
    const lint = run("mandoc", ["-Tlint", "-W", "warning", at(name)]);
    // A date would differ from build to build.
    const found = lint.stdout.split("\n").filter((line) => line !== "" && !line.includes("missing date"));
    expect(found).toEqual([]);
    const shown = run("groff", ["-man", "-Tutf8", "-ww", at(name)]);
    expect(shown).toMatchObject({ status: 0, stderr: "" });
  });
});

describe("the completions", () => {
  it("bash completes commands, and a command's words and options", () => {
    fs.writeFileSync(at("guestboot.bash"), bashCompletion());
    const complete = (...words: string[]) => {
      const last = words.length - 1;
      const script = `. ${at("guestboot.bash")}; COMP_WORDS=("$@"); COMP_CWORD=${last}; _guestboot; echo "\${COMPREPLY[@]}"`;
      return run("bash", ["-c", script, "bash", ...words]).stdout.trim();
    };
    expect(complete("guestboot", "doc")).toBe("doctor");
    expect(complete("guestboot", "host", "un")).toBe("uninstall");
    expect(complete("guestboot", "cache", "--max-")).toBe("--max-size --max-age");
    expect(wordsOf("host")).toContain("install");
  });

  it("zsh reads its own", () => {
    fs.writeFileSync(at("_guestboot"), zshCompletion());
    expect(run("zsh", ["-f", "-n", at("_guestboot")])).toMatchObject({ status: 0, stderr: "" });
    const load = `fpath=(${folder.path} $fpath); autoload -Uz compinit; compinit -u -d ${at("dump")}; print $_comps[guestboot]`;
    expect(run("zsh", ["-f", "-c", load]).stdout).toBe("_guestboot\n");
  });
});

describe("the portable folder", () => {
  const root = at("root");

  let packed = "";
  /** With /proc, as every host has it, which goes with the program. */
  const withProc = (...command: string[]) => {
    const script = 'mount -t proc proc "$1/proc" && exec chroot "$@"';
    return run("unshare", ["--mount", "sh", "-c", script, "sh", root, ...command]);
  };

  beforeAll(async () => {
    programPath("guestboot");
    packed = await buildPackage("portable", at("tar-1"));
    fs.mkdirSync(path.join(root, "opt"), { recursive: true });
    execFileSync("tar", ["-C", path.join(root, "opt"), "-xf", packed]);
    fs.mkdirSync(path.join(root, "bin"));
    fs.mkdirSync(path.join(root, "dev"));
    fs.mkdirSync(path.join(root, "proc"));
    execFileSync("mknod", ["-m", "666", path.join(root, "dev/null"), "c", "1", "3"]);
    fs.copyFileSync("/bin/busybox", path.join(root, "bin/busybox"));
    fs.chmodSync(path.join(root, "bin/busybox"), 0o755);
    for (const name of ["sh", "rm", "sync"]) fs.symlinkSync("busybox", path.join(root, "bin", name));
    makeSmallGuestFolder(at("guest"));
    makeFilesystemImage({ path: path.join(root, "disk.img"), type: "ext4", sizeMiB: 8, folder: at("guest") });
  });

  it.each([[[]], [["--runas=65534"]]])("boots a guest's disk where there is no library, with %j", (more) => {
    const disk = ["-q", "--output-format=simple", ...more, "/disk.img"];
    const ended = withProc("/opt/guestboot/pygrub", ...disk);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const { kernel } = parseSimple(ended.stdout);
    expect(fs.readFileSync(path.join(root, kernel))).toEqual(fs.readFileSync(at("guest/boot/vmlinuz")));
  });

  it("boots it where there is no /proc, too", () => {
    const ended = run("chroot", [root, "/opt/guestboot/pygrub", "-q", "--output-format=simple", "/disk.img"]);
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    const { kernel } = parseSimple(ended.stdout);
    expect(fs.readFileSync(path.join(root, kernel))).toEqual(fs.readFileSync(at("guest/boot/vmlinuz")));
  });

  it("answers to its other names", () => {
    expect(run("chroot", [root, "/opt/guestboot/guestboot", "--version"]).stdout).toMatch(/^guestboot \d/);
    expect(run("chroot", [root, "/opt/guestboot/eliloader"])).toMatchObject({ status: 2 });
  });

  it("is the same to the byte when it is packed again, whatever the builder's umask", async () => {
    const again = await buildPackage("portable", at("tar-2"), "077");
    expect(run("cmp", [packed, again])).toMatchObject({ status: 0, stdout: "" });
  }, 300_000);

  it("brings the licences of its libraries and of what is inside the executable", () => {
    const licences = path.join(root, "opt/guestboot/licenses");
    const text = (name: string) => fs.readFileSync(path.join(licences, name), "utf8");
    expect(text("LGPL-2.1")).toContain("GNU LESSER GENERAL PUBLIC LICENSE");
    expect(text("GPL-3")).toContain("GNU GENERAL PUBLIC LICENSE");
    expect(text("libgcc-s1")).toContain("GCC RUNTIME LIBRARY EXCEPTION");
    expect(text("node")).toContain("Copyright Node.js contributors");
    // Each library is in the list of files that one of the named packages has.
    const owners = [...text("README").matchAll(/^(\S+) \S+, built from the source package/gm)].map(
      ([, name = ""]) => name,
    );
    const files = owners.flatMap((name) => run("dpkg-query", ["-L", name]).stdout.split("\n"));
    const names = new Set(files.map((file) => path.basename(file)));
    const libraries = fs.readdirSync(path.join(root, "opt/guestboot/lib"));
    expect(libraries.filter((name) => !names.has(name))).toEqual([]);
    for (const owner of owners) expect(text(owner)).toMatch(/copyright/i);
  });

  it("takes no library from elsewhere", () => {
    const dynamic = spawnSync("readelf", ["-dl", path.join(root, "opt/guestboot/guestboot")], { encoding: "utf8" });
    expect(dynamic.stdout).toContain("[Requesting program interpreter: /opt/guestboot/lib/ld-linux-x86-64.so.2]");
    expect(dynamic.stdout).toMatch(/\(RPATH\)\s+Library rpath: \[\/opt\/guestboot\/lib\]/);
    const needed = [...dynamic.stdout.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
    expect(fs.readdirSync(path.join(root, "opt/guestboot/lib")).sort()).toEqual(needed.sort());
  });
});
