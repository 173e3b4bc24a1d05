/**
 * An installation over NFS on a host without libnfs's programs: behind its walls it must still be able to mount, and to
 * undo that. A kernel without an NFS client cannot mount an export, so in a view of files of its own the loader finds a
 * `mount` that binds a folder in its place; all else is real.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseSimple, programPath, start, temporaryFolder } from "../program.ts";
import { installRecord, VM, writeRecord } from "./vm-records.ts";

const NETBOOT = "dists/bookworm/main/installer-amd64/current/images/netboot/xen";
const folder = temporaryFolder("/tmp");
const at = (name: string) => path.join(folder.path, name);

beforeAll(() => {
  for (const file of ["vmlinuz", "initrd.gz"]) {
    fs.mkdirSync(at(`exported/${NETBOOT}`), { recursive: true });
    fs.writeFileSync(at(`exported/${NETBOOT}/${file}`), `the ${file}`);
  }
  fs.copyFileSync("/bin/mount", at("real-mount"));
  fs.writeFileSync(at("mount"), `#!/bin/sh\n${at("real-mount")} --bind ${at("exported")} "$7"\n`, { mode: 0o755 });
});
afterAll(() => folder[Symbol.dispose]());

it("mounts the export, installs from it, and leaves no mount", async () => {
  writeRecord(at("state"), installRecord("nfs:server:/export"));
  fs.mkdirSync(at("boot"));
  const view = `mount --bind ${at("mount")} "$(command -v mount)" || exit 9
    for program in nfs-cat nfs-ls; do found=$(command -v $program) && ${at("real-mount")} --bind /dev/null "$found"; done
    "$@"; status=$?; grep guestboot-nfs /proc/self/mountinfo >&2; exit $status`;
  const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };
  const loader = [programPath("eliloader"), "-q", "--vm", VM, "/dev/null"];
  const ended = await start("unshare", ["--mount", "sh", "-c", view, "sh", ...loader], set);
  expect([ended.status, ended.stderr]).toEqual([0, ""]);
  const { kernel, ramdisk } = parseSimple(ended.stdout);
  expect(fs.readFileSync(kernel, "utf8")).toBe("the vmlinuz");
  expect(fs.readFileSync(ramdisk ?? "", "utf8")).toBe("the initrd.gz");
});
