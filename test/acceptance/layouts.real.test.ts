/**
 * `guestboot layouts` on real web servers: good trees, and a bad repository of every kind.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeCatalogTree, type ListedLayout } from "../../fixtures/catalog-tree.ts";
import { DEBIAN_INSTALLER, makeDebianMirror, MIRROR_PATHS } from "../../fixtures/debian-installer.ts";
import { startFaultServer } from "../../fixtures/http-server.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { programPath, run, start, temporaryFolder, type Ended } from "../program.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const BOOKWORM = ["--distro", "debian", "--release", "bookworm", "--arch", "amd64"];
let nginx: Nginx;

/** nginx over `www/`, a tree a folder. */
beforeAll(async () => {
  fs.mkdirSync(at("www"));
  nginx = await startNginx({
    root: at("www"),
    extra: `
      location /pages/ { error_page 404 =200 /oops.html; }
      location /loop/ { return 302 $scheme://$http_host$request_uri; }
    `,
  });
  put("oops.html", "<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>\n");
});
afterAll(async () => {
  await nginx[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function put(name: string, content: string | Buffer): void {
  const file = path.join(at("www"), name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
}

function link(name: string, target: string): void {
  const file = path.join(at("www"), name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.symlinkSync(target, file);
}

/** A tree of Red Hat's kind around Debian's kernel, with that `.treeinfo`. */
function putTree(name: string, treeinfo: string): void {
  put(`${name}/.treeinfo`, treeinfo);
  link(`${name}/images/pxeboot/vmlinuz`, DEBIAN_INSTALLER.kernel);
  link(`${name}/images/pxeboot/initrd.img`, DEBIAN_INSTALLER.initrd);
}

const treeinfo = (kernel: string) => `[general]
family = AlmaLinux
version = 9.4
arch = x86_64

[images-x86_64]
kernel = ${kernel}
initrd = images/pxeboot/initrd.img
`;

function layouts(args: readonly string[]): Promise<Ended> {
  return start(programPath("guestboot"), ["layouts", ...args], { GUESTBOOT_CACHE_DIR: at("cache") });
}

interface CheckJson {
  readonly repository: string;
  readonly family: string | null;
  readonly release: string | null;
  readonly arch: string | null;
  readonly flavour: string | null;
  readonly ok: boolean;
  readonly problems: readonly string[];
  readonly notes: readonly string[];
  readonly tried: readonly string[];
  readonly seconds: number;
}

async function check(
  args: readonly string[],
): Promise<{ status: number | null; checks: CheckJson[]; first: CheckJson }> {
  const ended = await layouts(["check", ...args, "--json", "--quiet"]);
  expect(ended.stderr).toBe("");
  const checks = JSON.parse(ended.stdout) as CheckJson[];
  const [first] = checks;
  if (first === undefined) throw new Error("no check");
  return { status: ended.status, checks, first };
}

/** One bad tree: exit 1, and the reason. */
async function expectBad(args: readonly string[], words: RegExp): Promise<CheckJson> {
  const { status, first } = await check(args);
  expect(first.problems.join("\n")).toMatch(words);
  expect({ status, ok: first.ok }).toEqual({ status: 1, ok: false });
  expect(first.tried.length).toBeGreaterThan(0);
  return first;
}

describe("layouts list", () => {
  it("prints what the catalog can install, for programs and for people", async () => {
    const json = await layouts(["list", "--json"]);
    expect(JSON.parse(json.stdout)).toContainEqual({
      family: "debianlike",
      release: "bookworm",
      arch: "amd64",
      flavour: "xen",
      kernel: MIRROR_PATHS.kernel,
      ramdisks: [MIRROR_PATHS.initrd],
    });
    const table = await layouts(["list"]);
    expect(table.stdout).toMatch(new RegExp(`^debianlike +bookworm +amd64 +xen +${MIRROR_PATHS.kernel} `, "m"));
    expect([json.status, table.status]).toEqual([0, 0]);
  });
});

describe("a good tree", () => {
  beforeAll(() => {
    makeDebianMirror(path.join(at("www"), "debian"));
    putTree("alma", treeinfo("images/pxeboot/vmlinuz"));
  });

  it("is well, and its kernel is told", async () => {
    const { status, first } = await check([`${nginx.url}debian/`, ...BOOKWORM]);
    expect({ status, ...first }).toMatchObject({
      status: 0,
      ok: true,
      repository: `${nginx.url}debian/`,
      family: "debianlike",
      release: "bookworm",
      arch: "amd64",
      flavour: "xen",
      problems: [],
    });
    expect(first.notes.join()).toContain("bzImage, Linux 6.1.0-");
    const sent = nginx.requests().filter((line) => line.startsWith("GET") && line.includes("vmlinuz"));
    expect(sent).toHaveLength(1);
  });

  it("is recognised without a word about it", async () => {
    const { status, first } = await check([`${nginx.url}alma/`]);
    expect({ status, ...first }).toMatchObject({ status: 0, family: "rhlike", release: "9", arch: "x86_64", ok: true });
  });

  it("is shown to people as a line, with its notes", async () => {
    const ended = await layouts(["check", `${nginx.url}alma/`]);
    expect(ended.stdout).toMatch(/^ok +rhlike +9 +x86_64 .*\n +note: images\/pxeboot\/vmlinuz: bzImage/);
    expect(ended.stderr).toMatch(/^1 layout checked in [0-9.]+ s: all well\n$/);
  });

  it("is read whole with --deep: the digests are compared", async () => {
    const sums = [MIRROR_PATHS.kernel, MIRROR_PATHS.initrd].map((file) => {
      const hex = createHash("sha256").update(fs.readFileSync(path.join(at("www/debian"), file)));
      return `${hex.digest("hex")}  ./netboot/xen/${path.basename(file)}\n`;
    });
    put("debian/dists/bookworm/main/installer-amd64/current/images/SHA256SUMS", sums.join(""));
    const { status, first } = await check([`${nginx.url}debian/`, ...BOOKWORM, "--deep"]);
    expect({ status, problems: first.problems }).toEqual({ status: 0, problems: [] });
    expect(first.notes.join("\n")).toMatch(/vmlinuz: its digest is the listed one[\s\S]*initrd\.gz: its digest is/);
    expect((await check([`${nginx.url}alma/`, "--deep"])).first.notes.join()).toContain("not listed");
  });
});

describe("a bad repository", () => {
  it("that is empty", async () => {
    fs.mkdirSync(path.join(at("www"), "empty"));
    const bad = await expectBad(
      [`${nginx.url}empty/`, ...BOOKWORM],
      /has no installer of debianlike bookworm for amd64/,
    );
    expect(bad.tried).toContain(`${MIRROR_PATHS.kernel}: not there`);
    const unnamed = await expectBad([`${nginx.url}empty/`], /does not tell which distribution it is/);
    expect(unnamed.tried).toContain(".treeinfo: not there");
  });

  it("that answers everything with a page and status 200", async () => {
    fs.mkdirSync(path.join(at("www"), "pages"));
    await expectBad([`${nginx.url}pages/`, ...BOOKWORM], /vmlinuz is no kernel, but a web page \("404 Not Found"\)/);
    await expectBad([`${nginx.url}pages/`, ...BOOKWORM], /initrd.gz is no ramdisk, but a web page/);
  });

  it("that has folders in place of files", async () => {
    fs.mkdirSync(path.join(at("www"), "listing", MIRROR_PATHS.kernel), { recursive: true });
    link(`listing/${MIRROR_PATHS.initrd}`, DEBIAN_INSTALLER.initrd);
    await expectBad([`${nginx.url}listing/`, ...BOOKWORM], /vmlinuz is no kernel, but a directory listing/);
  });

  it("that redirects in a circle", async () => {
    await expectBad([`${nginx.url}loop/`, ...BOOKWORM], /redirect/);
  });

  it("whose certificate is for another host, in each command's words", async () => {
    const tls = { certificate: at("cert.pem"), key: at("key.pem") };
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    const name = ["-subj", "/CN=other", "-addext", "subjectAltName=DNS:other.example"];
    const files = ["-keyout", tls.key, "-out", tls.certificate];
    execFileSync("openssl", ["req", "-x509", ...key, ...name, ...files], { stdio: "ignore" });
    await using https = await startNginx({ root: at("www"), tls });
    const trusting = [https.url, ...BOOKWORM, "--ca-file", tls.certificate];
    const words = /the certificate is for another host than 127\.0\.0\.1/;
    const bad = await expectBad(trusting, words);
    expect(bad.tried).toEqual(["dists/bookworm/Release: failed"]);
    const resolved = await start(programPath("guestboot"), ["resolve", ...trusting]);
    expect(resolved).toMatchObject({ status: 1, stdout: "" });
    expect(resolved.stderr).toMatch(words);
    expect(resolved.stderr).toContain(`${https.url}dists/bookworm/InRelease`);
    expect(https.requests()).toEqual([]);
  });

  it("whose index leads out of the tree, or to another host", async () => {
    putTree("climbs", treeinfo("../../etc/vmlinuz"));
    putTree("elsewhere", treeinfo("http://evil.example/vmlinuz"));
    await expectBad(
      [`${nginx.url}climbs/`],
      /\.treeinfo names "\.\.\/\.\.\/etc\/vmlinuz", which leads out of the repository/,
    );
    await expectBad([`${nginx.url}elsewhere/`], /\.treeinfo names .*, which leads to another host/);
  });

  it("whose index is cut off: on the way, and on the server", async () => {
    const whole = treeinfo("images/pxeboot/vmlinuz");
    await using cutting = await startFaultServer({
      "/.treeinfo": { does: "truncate", body: whole.slice(0, 60), announced: whole.length },
    });
    await expectBad([cutting.url], /\.treeinfo: the server announced \d+ bytes and ended the connection after 60/);
    put("cut/.treeinfo", whole.slice(0, whole.indexOf("initrd")));
    const bad = await expectBad([`${nginx.url}cut/`], /has no installer of rhlike 9 for x86_64/);
    expect(bad.tried).toContain("images/pxeboot/vmlinuz: not there");
  });

  it("whose kernel is cut off, or another file than the list says", async () => {
    put(`short/${MIRROR_PATHS.kernel}`, fs.readFileSync(DEBIAN_INSTALLER.kernel).subarray(0, 2_000_000));
    link(`short/${MIRROR_PATHS.initrd}`, DEBIAN_INSTALLER.initrd);
    const sums = `${"0".repeat(64)}  ./netboot/xen/initrd.gz\n`;
    put("short/dists/bookworm/main/installer-amd64/current/images/SHA256SUMS", sums);
    await expectBad([`${nginx.url}short/`, ...BOOKWORM], /vmlinuz is cut off: 2000000 bytes, and its header says \d+/);
    await expectBad([`${nginx.url}short/`, ...BOOKWORM, "--deep"], /initrd.gz is not the file that the index lists/);
  });

  it("is shown to people with the reason and what was tried", async () => {
    const ended = await layouts(["check", `${nginx.url}empty/`, ...BOOKWORM]);
    expect(ended.status).toBe(1);
    expect(ended.stdout).toMatch(/^FAILED +debianlike +bookworm +amd64 .*\n +\S.*has no installer.*not there: dists\//);
    expect(ended.stdout.split(MIRROR_PATHS.kernel)).toHaveLength(2);
    expect(ended.stderr).toMatch(/1 with problems\n$/);
  });
});

describe("the JUnit report", () => {
  const READ = `
import json, sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot().find("testsuite")
cases = [{"name": each.get("name"), "failures": [f.get("message") for f in each.findall("failure")],
          "skipped": len(each.findall("skipped"))} for each in suite.findall("testcase")]
print(json.dumps({"totals": {name: suite.get(name) for name in ("tests", "failures", "skipped")}, "cases": cases}))`;
  const readJunit = (file: string): unknown => {
    const ended = run("/usr/bin/python3", ["-c", READ, file]);
    expect(ended.stderr).toBe("");
    return JSON.parse(ended.stdout);
  };

  it("holds a case a check, whatever the server's words contain", async () => {
    const title = `]]> & <b> "quoted" 'single' \u001b[2J \ufffe`;
    await using server = await startFaultServer({
      [`/${MIRROR_PATHS.kernel}`]: { does: "answer", body: `<html><head><title>${title.replace("<b>", "")}</title>` },
      [`/${MIRROR_PATHS.initrd}`]: { does: "answer", body: "\u0001 & <" },
    });
    const file = at("junit.xml");
    const ended = await layouts(["check", `${nginx.url}debian/`, server.url, ...BOOKWORM, "--junit", file, "-q"]);
    expect(ended.status).toBe(1);
    expect(readJunit(file)).toMatchObject({
      totals: { tests: "2", failures: "1", skipped: "0" },
      cases: [
        { name: `bookworm amd64 xen from ${nginx.url}debian/`, failures: [] },
        { failures: [expect.stringContaining("is no kernel, but a web page")] },
      ],
    });
    expect(fs.readdirSync(folder.path).filter((name) => name.startsWith("junit"))).toEqual(["junit.xml"]);
  });

  it("that cannot be written is said before anything is asked of a server", async () => {
    const before = nginx.requests().length;
    const ended = await layouts(["check", `${nginx.url}debian/`, ...BOOKWORM, "--junit", at("no/where.xml")]);
    expect(ended.status).toBe(1);
    expect(ended.stderr).toMatch(/where\.xml cannot be written: no such file or directory/);
    expect(nginx.requests()).toHaveLength(before);
  });
});

describe("the whole catalog", () => {
  it("checks each layout whose family has a mirror, and says which families it leaves out", async () => {
    const listed = JSON.parse((await layouts(["list", "--json"])).stdout) as ListedLayout[];
    const mirrors = makeCatalogTree(at("www/all"), listed, `${nginx.url}all/`);
    const ended = await layouts(["check", "--all", ...mirrors, "--json"]);
    const checks = JSON.parse(ended.stdout) as CheckJson[];
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(checks.length).toBeGreaterThan(300);
    expect(ended.stderr).toMatch(/^not checked, since no --mirror names one: .*sleslike/);
    expect(ended.status).toBe(0);
  });

  it("does not wait for a mirror that hangs longer than it is told to", async () => {
    await using hanging = await startFaultServer({
      "/latest-stable/releases/x86_64/netboot/vmlinuz-lts": { does: "stall" },
    });
    const mirrors = ["--mirror", `alpine=${hanging.url}`, "--mirror", `arch=${nginx.url}empty/`];
    const started = performance.now();
    const ended = await layouts(["check", "--all", ...mirrors, "--timeout", "1", "--json"]);
    expect((performance.now() - started) / 1000).toBeLessThan(10);
    const checks = JSON.parse(ended.stdout) as CheckJson[];
    expect(checks[0]?.problems.join()).toContain("not done after 1 seconds (waiting for latest-stable/");
    expect(ended.status).toBe(1);
  });
});

describe("wrong usage", () => {
  it.each([
    [["check"], /REPOSITORY is missing/],
    [["check", "--all"], /--all needs to know the mirrors/],
    [["check", "--all", "--mirror", "debian"], /--mirror is FAMILY=URL/],
    [["check", "http://a.example/", "--timeout", "soon"], /--timeout is a number of seconds/],
    [["check", "http://a.example/", "--mirror", "debian=http://a.example/"], /--mirror goes with --all/],
    [["forget"], /layouts cannot forget/],
    [[], /list or check/],
  ])("%j says what is missing and exits 2", async (args, words) => {
    const ended = await layouts(args);
    expect(ended.stderr).toMatch(words);
    expect(ended).toMatchObject({ status: 2, stdout: "" });
  });
});
