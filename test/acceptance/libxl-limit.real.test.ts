/**
 * libxl's limit on the time of a restricted loader, and a mirror that is too slow for it.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeDebianMirror } from "../../fixtures/debian-installer.ts";
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

/** As libxl calls the loader of a guest with bootloader_restrict. */
function startAsLibxl(limit: string) {
  fs.writeFileSync(at("answer"), "");
  const restricted = ["--runas=65534", "--quiet"];
  const own = [`--output=${at("answer")}`, "--output-format=simple0", `--output-directory=${at("out")}`];
  const argv = [...restricted, ...own, `--vm=${VM}`, "/dev/null"];
  return start(programPath("guestboot"), argv, { ...set, LIBXL_BOOTLOADER_TIMEOUT: limit });
}

it("a start that takes longer ends before libxl ends it, with words, and goes on the next time", async () => {
  const before = installRecord(mirror.url);
  writeRecord(at("state"), before);
  const begun = performance.now();
  const ended = await startAsLibxl("5");
  expect(performance.now() - begun).toBeLessThan(5000);
  expect(ended).toMatchObject({ status: 1, signal: null, stdout: "" });
  expect(ended.stderr).toMatch(
    /not done after 3\.75 s, and libxl ends a restricted loader after 5 s; the VM is as it was/,
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
