/**
 * An installation over NFS that must mount the export: on a host without libnfs's programs, and for what they cannot
 * read. Behind its walls it may not mount; who does was started before them, and must undo it. A kernel without an NFS
 * client cannot mount an export, so in a view of files of its own the loader finds a `mount` that binds a folder in its
 * place; all else is real.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startGanesha } from "../../fixtures/nfs-ganesha.ts";
import { parseSimple, programPath, start, temporaryFolder, type Ended } from "../program.ts";
import { installRecord, VM, writeRecord } from "./vm-records.ts";

const NETBOOT = "dists/bookworm/main/installer-amd64/current/images/netboot/xen";
const folder = temporaryFolder("/tmp");
const before = privateFolders();
const at = (name: string) => path.join(folder.path, name);

function privateFolders(): string[] {
  return fs.readdirSync("/tmp").filter((name) => name.startsWith("guestboot-nfs."));
}

beforeAll(() => {
  for (const file of ["vmlinuz", "initrd.gz"]) {
    fs.mkdirSync(at(`exported/${NETBOOT}`), { recursive: true });
    fs.writeFileSync(at(`exported/${NETBOOT}/${file}`), `the ${file}`);
  }
  fs.copyFileSync("/bin/mount", at("real-mount"));
  fs.writeFileSync(
    at("mount"),
    `#!/bin/sh\ncase ,$4, in *,ro,*) echo read-only >>${at("mounted")};; esac\n${at("real-mount")} --bind ${at("exported")} "$7"\n`,
    { mode: 0o755 },
  );
});
afterAll(() => folder[Symbol.dispose]());

/** @param hidden programs that the host does not have */
async function installOn(repository: string, hidden: readonly string[]): Promise<Ended> {
  fs.rmSync(at("state"), { recursive: true, force: true });
  writeRecord(at("state"), installRecord(repository));
  fs.rmSync(at("cache"), { recursive: true, force: true });
  fs.mkdirSync(at("boot"), { recursive: true });
  const view = `mount --bind ${at("mount")} "$(command -v mount)" || exit 9
    for program in ${hidden.join(" ")}; do found=$(command -v $program) && ${at("real-mount")} --bind /dev/null "$found"; done
    "$@"; status=$?; grep guestboot-nfs /proc/self/mountinfo >&2; exit $status`;
  const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };
  const loader = [programPath("eliloader"), "-q", "--vm", VM, "/dev/null"];
  return start("unshare", ["--mount", "sh", "-c", view, "sh", ...loader], set);
}

function expectInstalled(ended: Ended): void {
  expect([ended.status, ended.stderr]).toEqual([0, ""]);
  const { kernel, ramdisk } = parseSimple(ended.stdout);
  expect(fs.readFileSync(kernel, "utf8")).toBe("the vmlinuz");
  expect(fs.readFileSync(ramdisk ?? "", "utf8")).toBe("the initrd.gz");
}

async function installWithMount(repository: string, hidden: readonly string[]): Promise<void> {
  expectInstalled(await installOn(repository, hidden));
  expect(fs.readFileSync(at("mounted"), "utf8")).toBe("read-only\n");
  fs.rmSync(at("mounted"));
  // The owner of a mount ends when the loader has, and goes on without it.
  const left = () => privateFolders().filter((name) => !before.includes(name));
  await expect.poll(left, { timeout: 5000 }).toEqual([]);
}

it("mounts the export where libnfs has no programs, installs from it, and leaves no mount", async () => {
  await installWithMount("nfs:server:/export", ["nfs-cat", "nfs-ls"]);
});

it("needs no folder for a mount where it mounts nothing", async () => {
  await using server = await startGanesha({ root: at("exported") });
  expectInstalled(await installOn(server.url, ["mktemp"]));
  expect(fs.existsSync(at("mounted"))).toBe(false);
});

it("mounts the export for a link to another folder, which libnfs's programs cannot follow", async () => {
  const kernel = at(`exported/${NETBOOT}/vmlinuz`);
  fs.mkdirSync(at("exported/kernels"));
  fs.renameSync(kernel, at("exported/kernels/vmlinuz"));
  fs.symlinkSync(path.relative(path.dirname(kernel), at("exported/kernels/vmlinuz")), kernel);
  await using server = await startGanesha({ root: at("exported") });
  await installWithMount(server.url, []);
  const failed = await installOn(server.url, ["mktemp"]);
  expect(failed.status).toBe(1);
  expect(failed.stderr).toMatch(/could not be mounted: .*mktemp/);
});
