/**
 * `guestboot prestage` against a real web server: what it puts into the folder of images, and what becomes of it.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MIRROR_PATHS } from "../../fixtures/debian-installer.ts";
import { makeInstallerLookalike } from "../../fixtures/installer-lookalike.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { programPath, start, temporaryFolder, type Ended } from "../program.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const [images, mirror, state] = [at("images"), at("mirror"), at("state")];
const set = { GUESTBOOT_STATE_DIR: state, GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_STORE: "file" };
let server: Nginx;

const guestboot = (...argv: string[]): Promise<Ended> => start(programPath("guestboot"), argv, set);
const prestage = (...argv: string[]) => guestboot("prestage", ...argv, `--dir=${images}`);
const stage = (...argv: string[]) =>
  prestage("deb", server.url, "--distro=debian", "--release=bookworm", "-q", ...argv);
const sha256 = (file: string) => execFileSync("sha256sum", [file], { encoding: "utf8" }).split(" ")[0] ?? "";
const inImage = (name: string) => path.join(images, "deb", name);
const downloads = () => server.requests().filter((line) => /^GET .*(?:vmlinuz|initrd\.gz) 200$/.test(line)).length;

interface ShownImage {
  readonly name: string;
  readonly folder: string;
  readonly trust: string;
  readonly kernel: { readonly digest: string; readonly sources: readonly string[] };
  readonly ramdisk: { readonly digest: string };
  readonly checked: string;
}
const listed = async () => JSON.parse((await prestage("list", "--json")).stdout) as ShownImage[];

/** The mirror's two files as the distribution first published them. */
function publish(): void {
  const files = makeInstallerLookalike(at("lookalike"));
  for (const role of ["kernel", "initrd"] as const) {
    const target = path.join(mirror, MIRROR_PATHS[role]);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.rmSync(target, { force: true });
    fs.copyFileSync(files[role], target);
  }
}

function publishNewRamdisk(words: string): void {
  fs.appendFileSync(path.join(mirror, MIRROR_PATHS.initrd), words);
}

beforeAll(async () => {
  publish();
  server = await startNginx({ root: mirror });
});
beforeEach(() => {
  fs.rmSync(images, { recursive: true, force: true });
  fs.rmSync(state, { recursive: true, force: true });
  publish();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

describe("a pre-staged image", () => {
  it("is the distribution's files and a manifest, which only root may read", async () => {
    expect(await stage()).toMatchObject({ status: 0, stderr: "" });
    expect(sha256(inImage("vmlinuz"))).toBe(sha256(path.join(mirror, MIRROR_PATHS.kernel)));
    expect(sha256(inImage("initrd.img"))).toBe(sha256(path.join(mirror, MIRROR_PATHS.initrd)));
    expect(fs.statSync(inImage("manifest.json")).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(inImage(".")).sort()).toEqual(["initrd.img", "manifest.json", "vmlinuz"]);
    expect(await listed()).toMatchObject([
      {
        name: "deb",
        family: "debianlike",
        release: "bookworm",
        trust: "none",
        repository: server.url,
        kernel: { digest: `sha256:${sha256(inImage("vmlinuz"))}`, sources: [server.url + MIRROR_PATHS.kernel] },
        ramdisk: { digest: `sha256:${sha256(inImage("initrd.img"))}` },
      },
    ]);
    expect((await prestage("verify")).stdout).toBe("deb: as its manifest says\n");
  });

  it("has the answer file in its ramdisk, and its words among the arguments", async () => {
    fs.writeFileSync(at("preseed.cfg"), "d-i passwd/root-password password s3cr3t\n");
    expect(await stage(`--preseed=${at("preseed.cfg")}`)).toMatchObject({ status: 0, stderr: "" });
    // Behind the distribution's own bytes, at a multiple of 4, is one more archive.
    const bytes = fs.readFileSync(inImage("initrd.img"));
    const original = fs.readFileSync(path.join(mirror, MIRROR_PATHS.initrd));
    expect(bytes.subarray(0, original.length).equals(original)).toBe(true);
    const added = bytes.subarray(Math.ceil(original.length / 4) * 4);
    const input = added[0] === 0x1f ? gunzipSync(added) : added;
    const names = execFileSync("cpio", ["-it", "--quiet"], { input, encoding: "utf8" });
    expect(names.split("\n")).toContain("preseed.cfg");
    expect(fs.statSync(inImage("initrd.img")).mode & 0o077).toBe(0);
    expect(await listed()).toMatchObject([{ arguments: expect.stringContaining("priority=critical") as string }]);
  });

  it("shows no password of the repository, and uses it again for a refresh", async () => {
    const address = server.url.replace("//", "//me:s3cr3t@");
    const made = await prestage("deb", address, "--distro=debian", "--release=bookworm");
    expect(made.status).toBe(0);
    const said = [made, await prestage("list"), await prestage("list", "--json"), await prestage("refresh", "deb")];
    expect(said.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
    expect(JSON.stringify(said)).not.toContain("s3cr3t");
  });

  it("is found out when it was damaged, and a refresh makes it whole", async () => {
    await stage();
    const bytes = fs.readFileSync(inImage("vmlinuz"));
    bytes[4096] = 0x41;
    fs.rmSync(inImage("vmlinuz"));
    fs.writeFileSync(inImage("vmlinuz"), bytes);
    const verified = await prestage("verify", "deb");
    expect(verified.status).toBe(1);
    expect(verified.stdout).toMatch(/vmlinuz: it is sha256:.*, its manifest says sha256:/);
    expect(await prestage("refresh", "-q")).toMatchObject({ status: 0 });
    expect((await prestage("verify", "deb")).status).toBe(0);
  });

  it("is refused where its manifest is damaged, in one sentence", async () => {
    await stage();
    for (const text of ["", "{", "[]", '{"version":1,"kernel":{"file":"../../etc/passwd"}}']) {
      fs.writeFileSync(inImage("manifest.json"), text);
      expect((await prestage("list")).stderr).toMatch(/^guestboot: deb: .*manifest\.json is no manifest/);
      expect((await prestage("verify")).status).toBe(1);
      expect((await guestboot("vm", "use-image", VM, "deb", `--dir=${images}`)).status).toBe(1);
    }
  });
});

describe("refreshing an image", () => {
  it("asks, and leaves what is current where it is", async () => {
    await stage();
    const [before] = await listed();
    const refreshed = await prestage("refresh", "--json", "-q");
    expect(JSON.parse(refreshed.stdout)).toEqual([{ name: "deb", unchanged: true, kept: [] }]);
    const [after] = await listed();
    expect(after?.folder).toBe(before?.folder);
    expect(Date.parse(after?.checked ?? "")).toBeGreaterThan(Date.parse(before?.checked ?? ""));
  });

  it("puts the new one in the old one's place, and keeps the old for as long as a VM starts from it", async () => {
    writeRecord(state, installRecord(server.url));
    await stage();
    await guestboot("vm", "use-image", VM, "deb", `--dir=${images}`);
    const kernel = readRecord(state)["PV_kernel"] as string;
    const ramdisk = readRecord(state)["PV_ramdisk"] as string;
    const old = [sha256(kernel), sha256(ramdisk)];

    publishNewRamdisk("more");
    expect((await prestage("refresh", "-q")).stdout).toContain("stays: a VM starts from it");
    expect([sha256(kernel), sha256(ramdisk)]).toEqual(old);
    expect(sha256(inImage("initrd.img"))).toBe(sha256(path.join(mirror, MIRROR_PATHS.initrd)));
    expect((await prestage("remove", "deb")).stderr).toContain(VM);

    await guestboot("vm", "finish", VM);
    await prestage("refresh", "-q");
    expect(fs.existsSync(kernel)).toBe(false);
    expect(await prestage("remove", "deb")).toMatchObject({ status: 0, stderr: "" });
    expect(fs.readdirSync(images)).toEqual([".guestboot.lock"]);
  });

  it("leaves the old one as it is when the repository is gone, and goes on with the others", async () => {
    await stage();
    await prestage("two", server.url, "--distro=debian", "--release=bookworm", "-q");
    const before = sha256(inImage("initrd.img"));
    fs.renameSync(mirror, at("away"));
    const refreshed = await prestage("refresh", "-q");
    fs.renameSync(at("away"), mirror);
    expect(refreshed.status).toBe(1);
    expect(refreshed.stderr).toMatch(/^guestboot: deb: /m);
    expect(refreshed.stderr).toMatch(/^guestboot: two: /m);
    expect(sha256(inImage("initrd.img"))).toBe(before);
  });
});

describe("what cannot be staged", () => {
  it.each([
    ["kernel", 32],
    ["initrd", 128],
  ] as const)("a %s of more than %i MiB is refused before it is fetched", async (role, mebibytes) => {
    fs.truncateSync(path.join(mirror, MIRROR_PATHS[role]), mebibytes * 1024 * 1024 + 1);
    const before = downloads();
    const ended = await stage();
    expect(ended.status).toBe(1);
    const most = mebibytes * 1024 * 1024;
    expect(ended.stderr).toContain(`has ${most + 1} bytes; `);
    expect(ended.stderr).toContain(`at most ${mebibytes} MiB (${most} bytes)`);
    expect(downloads()).toBe(before);
    expect(fs.readdirSync(images)).toEqual([]);
  });

  it("a kernel of 32 MiB to the byte is staged: that much is loaded", async () => {
    fs.truncateSync(path.join(mirror, MIRROR_PATHS.kernel), 32 * 1024 * 1024);
    expect(await stage()).toMatchObject({ status: 0, stderr: "" });
    expect(fs.statSync(inImage("vmlinuz")).size).toBe(32 * 1024 * 1024);
  });

  it("a ramdisk that becomes too large by what is put into it is refused, and nothing stays", async () => {
    fs.truncateSync(path.join(mirror, MIRROR_PATHS.initrd), 128 * 1024 * 1024);
    fs.mkdirSync(at("overlay"), { recursive: true });
    fs.writeFileSync(at("overlay/more"), "more");
    const ended = await stage(`--overlay=${at("overlay")}`);
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/the ramdisk of deb has 1342\d{5} bytes; .* at most 128 MiB \(134217728 bytes\)/);
    expect(fs.readdirSync(images).filter((name) => name !== ".guestboot.lock")).toEqual([]);
  });

  it("what does not fit into the folder's filesystem is refused before it is fetched", async () => {
    const small = at("small");
    fs.mkdirSync(small);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", small]);
    try {
      const before = downloads();
      const argv = ["prestage", "deb", server.url, "--distro=debian", "--release=bookworm", `--dir=${small}`, "-q"];
      const ended = await guestboot(...argv);
      expect(ended.status).toBe(1);
      expect(ended.stderr).toMatch(/not enough free space in .*small for the image deb \(1\.0 MB\); 0\.1 MB are free/);
      expect(downloads()).toBe(before);
      expect(fs.readdirSync(small)).toEqual([]);
    } finally {
      execFileSync("umount", [small]);
    }
  });

  it("files without the proof that is asked for; the folder stays empty", async () => {
    const ended = await stage("--trust=require-signed");
    expect(ended.status).toBe(1);
    expect(fs.readdirSync(images)).toEqual([]);
  });

  it("a name that somebody else's folder has; that is left alone", async () => {
    fs.mkdirSync(inImage("."), { recursive: true });
    fs.writeFileSync(inImage("vmlinuz"), "theirs");
    const ended = await stage();
    expect(ended.status).toBe(1);
    expect(ended.stderr).toContain("was not made by guestboot prestage");
    expect(fs.readFileSync(inImage("vmlinuz"), "utf8")).toBe("theirs");
    expect((await prestage("remove", "deb")).status).toBe(1);
  });

  it.each([
    [["../x", "http://127.0.0.1:1/"], /cannot be an image's name/],
    [["remove"], /NAME is missing/],
    [["deb"], /REPOSITORY is missing/],
    [["list", "--force"], /takes no --force/],
    [["list", "x"], /one argument too many/],
  ] as const)("prestage %j is wrong usage", async (argv, words) => {
    const ended = await prestage(...argv);
    expect(ended.status).toBe(2);
    expect(ended.stderr).toMatch(words);
  });

  it("leaves what a killed one has left to the next, which removes it", async () => {
    fs.mkdirSync(path.join(images, ".deb.new~host~1~abc"), { recursive: true });
    fs.writeFileSync(path.join(images, ".deb.new~host~1~abc", "vmlinuz"), "half");
    fs.symlinkSync(".nowhere", path.join(images, ".deb.link"));
    await stage();
    expect(fs.readdirSync(images).filter((name) => /new~|link$/.test(name))).toEqual([]);
    expect((await prestage("verify", "deb")).status).toBe(0);
  });
});
