/**
 * What a person sees: progress on a terminal and without one.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeDebianMirror } from "../../fixtures/debian-installer.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { programPath, start, temporaryFolder } from "../program.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
let mirror: Nginx;

beforeAll(async () => {
  makeDebianMirror(at("mirror"));
  mirror = await startNginx({ root: at("mirror"), extra: "limit_rate 40m;" });
  fs.mkdirSync(at("out"));
});
afterAll(async () => {
  await mirror[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const fetchCommand = () => [
  programPath("guestboot"),
  "fetch",
  mirror.url,
  "--release",
  "bookworm",
  "--output",
  at("out"),
];
const set = (name: string) => ({ GUESTBOOT_CACHE_DIR: at(name) });

describe("a transfer", () => {
  it("shows a bar with percent, rate and time left on a terminal", async () => {
    // script(1) gives the program a pseudo terminal as standard output and standard error.
    const ended = await start("/usr/bin/script", ["-qec", fetchCommand().join(" "), "/dev/null"], set("cache-tty"));
    expect(ended.status, ended.stdout).toBe(0);
    expect(ended.stdout).toMatch(/initrd\.gz {2}\[#*-+\] +\d+% {2}[\d.]+ [kM]?B {2}[\d.]+ [kM]?B\/s {2}\d+:\d\d left/);
    expect(ended.stdout).toMatch(/vmlinuz {2}\[/);
    expect(ended.stdout).toMatch(/fetched .*initrd\.gz: 40\.8 MB in [\d.]+ s/);
  });

  it("is a line at its start and one at its end without a terminal", async () => {
    const [program = "", ...args] = fetchCommand();
    const ended = await start(program, args, set("cache-plain"));
    expect(ended.status).toBe(0);
    const lines = ended.stderr.trimEnd().split("\n");
    expect(lines.filter((line) => line.startsWith("fetching "))).toHaveLength(2);
    expect(lines.filter((line) => line.startsWith("fetched "))).toHaveLength(2);
    const others = lines.filter((line) => !/^fetch(?:ing|ed) /.test(line));
    // The made-up mirror has no index.
    expect(others[0]).toBe("trust: none");
    expect(others.slice(1).every((line) => line.startsWith("warning: no checksum of "))).toBe(true);
    expect(others).toHaveLength(3);
    expect(ended.stderr).not.toContain("\x1b");
    expect(ended.stdout.trimEnd().split("\n")).toHaveLength(2);
  });

  it("is silent with --quiet", async () => {
    const [program = "", ...args] = fetchCommand();
    expect(await start(program, [...args, "--quiet"], set("cache-quiet"))).toMatchObject({ status: 0, stderr: "" });
  });
});
