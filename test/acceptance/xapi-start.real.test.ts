/**
 * An installation's start on xapi, by its socket and over a network: the record is changed after the start has put its
 * walls up, so they must leave the way to xapi open.
 */
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseSimple, programPath, start, temporaryFolder } from "../program.ts";
import { journalOf } from "../vm-journal.ts";
import { addVm, makeDatabase } from "../xapi/simulated-database.ts";
import { startSimulatedXapi, type SimulatedXapi } from "../xapi/simulated-xapi.ts";

const NETBOOT = "dists/bookworm/main/installer-amd64/current/images/netboot/xen";
const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const database = makeDatabase();
let local: SimulatedXapi;
let remote: SimulatedXapi;
let fingerprint: string;

beforeAll(async () => {
  fs.mkdirSync(at(`tree/${NETBOOT}`), { recursive: true });
  for (const file of ["vmlinuz", "initrd.gz"]) fs.writeFileSync(at(`tree/${NETBOOT}/${file}`), `the ${file}`);
  const request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=xapi";
  execFileSync("openssl", [...request.split(" "), "-keyout", at("key"), "-out", at("cert")], { stdio: "ignore" });
  const [key, cert] = [fs.readFileSync(at("key"), "utf8"), fs.readFileSync(at("cert"), "utf8")];
  fingerprint = new X509Certificate(cert).fingerprint256;
  local = await startSimulatedXapi({ database, socket: at("xapi") });
  remote = await startSimulatedXapi({ database, tls: { key, cert } });
});
afterAll(async () => {
  await local[Symbol.asyncDispose]();
  await remote[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const WAYS: Readonly<Record<string, () => Record<string, string>>> = {
  "its socket": () => ({ GUESTBOOT_XAPI_SOCKET: at("xapi") }),
  "a network": () => ({
    GUESTBOOT_XAPI_URL: `https://localhost:${remote.port}`,
    GUESTBOOT_XAPI_USER: "root",
    GUESTBOOT_XAPI_PASSWORD: database.password,
    GUESTBOOT_XAPI_FINGERPRINT: fingerprint,
  }),
};

it.each(Object.keys(WAYS))("changes the record through %s", async (way) => {
  const vm = addVm(database, {
    fields: { PV_bootloader: "eliloader" },
    other_config: {
      "install-distro": "debianlike",
      "install-repository": at("tree"),
      "debian-release": "bookworm",
      "install-arch": "amd64",
    },
    VBDs: [{ userdevice: "0", bootable: true }],
  });
  fs.mkdirSync(at("boot"), { recursive: true });
  const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };
  const argv = ["-q", "--vm", vm.uuid, "/dev/null"];
  const ended = await start(programPath("eliloader"), argv, { ...set, GUESTBOOT_STORE: "xapi", ...WAYS[way]?.() });
  expect([ended.status, ended.stderr]).toEqual([0, ""]);
  expect(fs.readFileSync(parseSimple(ended.stdout).kernel, "utf8")).toBe("the vmlinuz");
  expect(vm.fields["PV_bootloader"]).toBe("pygrub");
  expect(journalOf({ other_config: Object.fromEntries(vm.other_config) })).toEqual({
    version: 1,
    PV_bootloader: ["eliloader", "pygrub"],
    "other_config:install-distro": ["debianlike", null],
  });
  expect(database.sessions.size).toBe(0);
});
