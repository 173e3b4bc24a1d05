/**
 * libxl's limit on the time of a restricted loader, and a mirror or a disk that is too slow for it.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeDebianMirror } from "../../fixtures/debian-installer.ts";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { makeInstallerLookalike } from "../../fixtures/installer-lookalike.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { programPath, start, temporaryFolder } from "../program.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = {
  GUESTBOOT_STATE_DIR: at("state"),
  GUESTBOOT_CACHE_DIR: at("cache"),
  GUESTBOOT_STORE: "file",
  GUESTBOOT_LOG: "none",
};
let mirror: Nginx;

beforeAll(async () => {
  const files = makeInstallerLookalike(at("files"));
  fs.appendFileSync(files.initrd, Buffer.alloc(8 * 1024 * 1024, "padding of an initrd "));
  makeDebianMirror(at("mirror"), files);
  // The initrd takes eight seconds.
  mirror = await startNginx({ root: at("mirror"), extra: "limit_rate 1m;" });
  fs.mkdirSync(at("out"));
});
afterAll(async () => {
  await mirror[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** A start that is not done then has no end of its own. */
const endedByLibxl = (seconds: number) => ["timeout", "-s", "KILL", String(seconds)];

/**
 * As libxl calls the loader of a guest with bootloader_restrict.
 * @param before a program that starts it, with its arguments
 */
function startAsLibxl(limit: string, disk = "/dev/null", before: readonly string[] = []) {
  fs.writeFileSync(at("answer"), "");
  fs.rmSync(at("out"), { recursive: true, force: true });
  fs.mkdirSync(at("out"));
  const restricted = ["--runas=65534", "--quiet"];
  const own = [`--output=${at("answer")}`, "--output-format=simple0", `--output-directory=${at("out")}`];
  const argv = [...before, programPath("guestboot"), ...restricted, ...own, `--vm=${VM}`, disk];
  return start("env", argv, { ...set, LIBXL_BOOTLOADER_TIMEOUT: limit });
}

it("a start that takes longer ends before libxl ends it, with words, and goes on the next time", async () => {
  const before = installRecord(mirror.url);
  writeRecord(at("state"), before);
  const ended = await startAsLibxl("6", "/dev/null", endedByLibxl(6));
  expect(ended).toMatchObject({ status: 1, signal: null, stdout: "" });
  expect(ended.stderr).toMatch(
    /not done after 4\.5 s, and libxl ends a restricted loader after 6 s; the VM is as it was/,
  );
  expect(ended.stderr).toMatch(/LIBXL_BOOTLOADER_TIMEOUT=SECONDS/);
  expect(readRecord(at("state"))).toEqual(before);
  expect(fs.readdirSync(at("out"))).toEqual([]);
  expect(fs.readFileSync(at("answer"), "utf8")).toBe("");

  // 0 is libxl's word for no limit.
  const again = await startAsLibxl("0");
  expect(again, again.stderr).toMatchObject({ status: 0 });
  expect(fs.readFileSync(at("answer"), "utf8")).toMatch(/^kernel /);
  expect(readRecord(at("state")).PV_bootloader).toBe("pygrub");
  expect(mirror.requests().filter((line) => line.endsWith(" 206"))).not.toEqual([]);
}, 60_000);

it("so does a second round, though its disk is too slow for any of its tries", async () => {
  fs.mkdirSync(at("guest/boot/grub"), { recursive: true });
  for (const name of ["vmlinuz", "initrd"]) fs.writeFileSync(at(`guest/boot/${name}`), name);
  fs.writeFileSync(at("guest/boot/grub/menu.lst"), "title SLES\nkernel /boot/vmlinuz\ninitrd /boot/initrd\n");
  makeFilesystemImage({ path: at("guest.img"), type: "ext3", sizeMiB: 8, folder: at("guest") });
  const config = { "install-distro": "sleslike", "install-repository": "http://nobody.example/", "install-round": "2" };
  const before = { ...installRecord(""), other_config: config };
  writeRecord(at("state"), before);
  // Each read of the disk takes two seconds.
  const slow = [
    "-D",
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "-P",
    at("guest.img"),
    "-e",
    "trace=pread64,preadv,read,sendfile",
  ];
  const reads = ["-e", "inject=pread64,preadv,read,sendfile:delay_enter=2000000"];
  const ended = await startAsLibxl("8", at("guest.img"), [...endedByLibxl(8), "strace", ...slow, ...reads]);
  expect(ended).toMatchObject({ status: 1, signal: null, stdout: "" });
  expect(ended.stderr).toMatch(/not done after 6 s, and libxl ends a restricted loader after 8 s; the VM is as it was/);
  expect(ended.stderr).not.toContain("reinstall");
  expect(readRecord(at("state"))).toEqual(before);
  await expect.poll(() => fs.readdirSync(at("out"))).toEqual([]);
  expect(fs.readFileSync(at("answer"), "utf8")).toBe("");

  const again = await startAsLibxl("60", at("guest.img"));
  expect(again, again.stderr).toMatchObject({ status: 0 });
  expect(fs.readFileSync(at("answer"), "utf8")).toMatch(/^kernel /);
  expect(readRecord(at("state")).PV_bootloader).toBe("pygrub");
}, 60_000);
