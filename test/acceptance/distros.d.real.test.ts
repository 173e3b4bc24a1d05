/**
 * The README's new release, as an admin adds it: a file in /etc/guestboot/distros.d, and no other change. Runs in an
 * /etc of its own, so that the machine's is not touched.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { parseSimple, programPath, ROOT, start, temporaryFolder, type ProgramName } from "../program.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };
/** Where Debian's mirrors have had their Xen images for fifteen years. */
const XEN = "dists/duke/main/installer-amd64/current/images/netboot/xen";
const GENERIC = "dists/duke/main/installer-amd64/current/images/netboot/debian-installer/amd64";
let web: Nginx;

beforeAll(async () => {
  for (const file of [`${XEN}/vmlinuz`, `${XEN}/initrd.gz`]) {
    fs.mkdirSync(path.dirname(at(`www/${file}`)), { recursive: true });
    fs.writeFileSync(at(`www/${file}`), file);
  }
  const readme = fs.readFileSync(path.join(ROOT, "README.md"), "utf8");
  const examples = [...readme.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
  fs.writeFileSync(at("duke.json"), examples.find((each) => each.includes('"duke"')) ?? "");
  fs.chmodSync(folder.path, 0o755);
  web = await startNginx({ root: at("www") });
});
afterAll(async () => {
  await web[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** @param file what /etc/guestboot/distros.d holds */
function withFile(file: string, program: ProgramName, ...args: readonly string[]) {
  const script =
    'mount -t tmpfs none /etc && mkdir -p /etc/guestboot/distros.d && cp "$1" /etc/guestboot/distros.d/ && shift && exec "$@"';
  return start("unshare", ["--mount", "sh", "-c", script, "sh", at(file), programPath(program), ...args], set);
}

describe("a new release in /etc/guestboot/distros.d", () => {
  it("is listed, resolved by its alias, and checked", async () => {
    const listed = await withFile("duke.json", "guestboot", "layouts", "list", "--json");
    expect(listed.status, listed.stderr).toBe(0);
    const layouts = JSON.parse(listed.stdout) as { release: string }[];
    expect(layouts.filter(({ release }) => release === "duke")).toEqual(
      [
        { flavour: "xen", kernel: `${XEN}/vmlinuz`, ramdisks: [`${XEN}/initrd.gz`] },
        { flavour: "generic", kernel: `${GENERIC}/linux`, ramdisks: [`${GENERIC}/initrd.gz`] },
      ].map((each) => ({ family: "debianlike", release: "duke", arch: "amd64", ...each })),
    );
    const wanted = [web.url, "--distro", "debian", "--release", "15", "--arch", "amd64", "--json"];
    const resolved = await withFile("duke.json", "guestboot", "resolve", ...wanted);
    expect(resolved.status, resolved.stderr).toBe(0);
    expect(JSON.parse(resolved.stdout)).toMatchObject({ release: "duke", kernel: { path: `${XEN}/vmlinuz` } });
  });

  it("is installed, and on another architecture refused", async () => {
    const config = { "install-distro": "debianlike", "install-repository": web.url, "debian-release": "duke" };
    writeRecord(at("state"), { ...installRecord(""), other_config: { ...config, "install-arch": "amd64" } });
    const ended = await withFile("duke.json", "eliloader", "-q", "--vm", VM, "/dev/null");
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(fs.readFileSync(parseSimple(ended.stdout).kernel, "utf8")).toBe(`${XEN}/vmlinuz`);
    expect(readRecord(at("state"))["PV_bootloader"]).toBe("pygrub");
    writeRecord(at("state"), { ...installRecord(""), other_config: { ...config, "install-arch": "i386" } });
    const refused = await withFile("duke.json", "eliloader", "-q", "--vm", VM, "/dev/null");
    expect(refused).toMatchObject({ status: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^RuntimeError: .*duke cannot be installed on i386 \(it has: amd64\)/);
  });

  it("with a slip of the pen is refused by file and field", async () => {
    fs.writeFileSync(at("slip.json"), '{ "family": "debianlike", "releases": [{ "relase": "duke" }] }');
    const ended = await withFile("slip.json", "guestboot", "layouts", "list");
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/\/etc\/guestboot\/distros\.d\/slip\.json: releases/);
  });
});
