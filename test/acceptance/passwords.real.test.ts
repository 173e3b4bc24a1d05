/**
 * The password of an address that is wrong, or stands in the wrong place, is in no word that the program says.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { startFaultServer } from "../../fixtures/http-server.ts";
import { programPath, start, temporaryFolder } from "../program.ts";
import { installRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };
afterAll(() => folder[Symbol.dispose]());

/** Nobody listens there. */
const NOBODY = "http://me:g3heim@127.0.0.1:9/x";

function expectNoPassword(ended: { stdout: string; stderr: string }): void {
  expect(`${ended.stdout}${ended.stderr}`).not.toContain("g3heim");
  expect(ended.stdout + ended.stderr).not.toBe("");
}

describe("a command line", () => {
  it.each([
    ["resolve", NOBODY, "--json"],
    ["resolve", "ftp://me:g3heim@127.0.0.1:9/x"],
    ["resolve", "gopher://me:g3heim@host/x"],
    ["resolve", "http:/me:g3heim@host/x"],
    ["resolve", "http://me:g3heim@host /x"],
    ["resolve", "http://me:%zzg3heim@host/x"],
    ["resolve", "nfs:me:g3heim@host:/x"],
    ["resolve", "method=http://me:g3heim@host/x"],
    ["resolve", `${NOBODY} http://me:g3heim@127.0.0.1:9/y`],
    ["resolve", "http://127.0.0.1:9/", NOBODY],
    ["resolve", "http://127.0.0.1:9/", "--proxy", NOBODY],
    ["resolve", "http://127.0.0.1:9/", "--distro", NOBODY],
    ["layouts", "check", NOBODY, "--json"],
    ["layouts", "check", "--all", "--mirror", NOBODY],
    ["layouts", "list", NOBODY],
    ["fetch", NOBODY, "--output", at("out")],
    ["prestage", "name", "http://127.0.0.1:9/", NOBODY],
    ["entries", NOBODY],
    [NOBODY],
  ])("guestboot %s %s %s", async (...args) => {
    const ended = await start(programPath("guestboot"), args, set);
    expect(ended.status).not.toBe(0);
    expectNoPassword(ended);
  });
});

describe("a VM's record", () => {
  const eliloader = async (keys: Readonly<Record<string, string>>, options: readonly string[]) => {
    const config = { "install-distro": "rhlike", "install-arch": "x86_64", ...keys };
    writeRecord(at("state"), { ...installRecord(""), other_config: config });
    return start(programPath("eliloader"), [...options, "--vm", VM, "/dev/null"], set);
  };

  it.each([
    [{ "install-repository": NOBODY }],
    [{ "install-repository": "http://127.0.0.1:9/x", "install-proxy": NOBODY }],
    [{ "install-repository": "htp://me:g3heim@host/x" }],
    [{ "install-repository": "http://127.0.0.1:9/x", "install-distro": NOBODY }],
    [{ "install-repository": "http://127.0.0.1:9/x", "install-ca-file": NOBODY }],
  ])("%j, for both toolstacks and with its log", async (keys) => {
    for (const options of [["-q"], ["--logging"], ["-q", "--default_args=", "--extra_args="]]) {
      const ended = await eliloader(keys, options);
      expect(ended.status).toBe(1);
      expectNoPassword(ended);
    }
  });

  it("that is followed to the end: neither the answer nor the log nor what is kept holds it", async () => {
    const treeinfo =
      "[general]\nfamily = CentOS\nversion = 6.10\narch = x86_64\n\n[images-x86_64]\nkernel = k\ninitrd = r\n";
    const seen = new Set<string | undefined>();
    await using server = await startFaultServer({
      "/.treeinfo": ({ headers }) => {
        seen.add(headers.authorization);
        return { does: "answer", body: treeinfo };
      },
      "/k": { does: "redirect", to: "/K" },
      "/K": { does: "answer", body: "a kernel" },
      "/r": { does: "answer", body: "a ramdisk" },
    });
    const ended = await eliloader({ "install-repository": server.url.replace("//", "//me:g3heim@") }, ["--logging"]);
    expect(ended.status, ended.stderr).toBe(0);
    expectNoPassword(ended);
    // It was used, so it could have been shown.
    expect([...seen]).toEqual([`Basic ${Buffer.from("me:g3heim").toString("base64")}`]);
    for (const kept of ["cache", "boot"]) {
      for (const name of fs.readdirSync(at(kept), { recursive: true, encoding: "utf8" })) {
        const file = path.join(at(kept), name);
        if (fs.statSync(file).isFile()) expect(fs.readFileSync(file, "utf8"), name).not.toContain("g3heim");
      }
    }
  });
});
