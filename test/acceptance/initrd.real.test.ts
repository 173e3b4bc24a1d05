import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEBIAN_INSTALLER } from "../../fixtures/debian-installer.ts";
import { call } from "../filesystem/call.ts";
import { programPath, run, temporaryFolder } from "../program.ts";

/** Debian 12's own installer initrd through the built program, judged by GNU cpio, gzip and initramfs-tools. */
const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());
const at = (name: string) => path.join(temporary.path, name);
const guestboot = (...args: string[]) => run(programPath("guestboot"), args);
const TIMEOUT_MS = 180_000;

beforeAll(() => {
  fs.mkdirSync(at("overlay/etc"), { recursive: true });
  fs.writeFileSync(at("overlay/etc/motd"), "the overlay\n");
  fs.writeFileSync(at("overlay/proof"), "proof\n");
  fs.writeFileSync(at("answers"), "d-i debian-installer/locale string C\n");
});

function countOf(archive: string): number {
  return Number(call("sh", ["-c", 'gzip -dc "$1" | cpio --quiet -t | wc -l', "sh", archive], "cpio"));
}

describe("guestboot patch, on Debian's installer initrd", { timeout: TIMEOUT_MS }, () => {
  it("appends: gzip finds it whole, lsinitramfs reads it, and GNU cpio unpacks the overlay behind the rest", () => {
    const done = guestboot("patch", DEBIAN_INSTALLER.initrd, "--overlay", at("overlay"), "--output", at("appended"));
    expect(done).toMatchObject({ status: 0, stderr: "" });
    call("sh", ["-c", 'gzip -t < "$1"', "sh", at("appended")], "gzip");
    expect(call("lsinitramfs", [at("appended")], "initramfs-tools-core").split("\n").length).toBeGreaterThan(2000);
    fs.mkdirSync(at("unpacked"));
    // Each cpio takes one archive from the same open file, as the kernel does.
    const script = 'gzip -dc "$1" > "$1.cpio"; cd "$2"; (cpio --quiet -idu; cpio --quiet -idu) < "$1.cpio"';
    call("sh", ["-c", script, "sh", at("appended"), at("unpacked")], "cpio");
    expect(fs.readFileSync(at("unpacked/etc/motd"), "utf8")).toBe("the overlay\n");
    expect(fs.existsSync(at("unpacked/init"))).toBe(true);
  });

  it("repacks: unmkinitramfs unpacks the same files and the overlay's", () => {
    const args = ["--overlay", at("overlay"), "--repack", "--output", at("repacked"), "--quiet"];
    expect(guestboot("patch", DEBIAN_INSTALLER.initrd, ...args)).toMatchObject({ status: 0 });
    call("sh", ["-c", 'gzip -t < "$1"', "sh", at("repacked")], "gzip");
    // A file of a new name each: the original has no etc/motd.
    expect(countOf(at("repacked"))).toBe(countOf(DEBIAN_INSTALLER.initrd) + 2);
    call("unmkinitramfs", [at("repacked"), at("by-unmkinitramfs")], "initramfs-tools-core");
    expect(fs.readFileSync(at("by-unmkinitramfs/proof"), "utf8")).toBe("proof\n");
  });

  it("puts an answer file where the installer looks, and says what its kernel is to be told", () => {
    const args = ["--preseed", at("answers"), "--distro", "debian", "--output", at("answered"), "--json"];
    const done = guestboot("patch", DEBIAN_INSTALLER.initrd, ...args);
    expect(JSON.parse(done.stdout)).toMatchObject({ how: "append", arguments: "priority=critical" });
    const found = guestboot("inspect", at("answered"), "--extract", "/preseed.cfg");
    expect(found.stdout).toBe("d-i debian-installer/locale string C\n");
    expect(fs.statSync(at("answered")).mode & 0o077).toBe(0);
  });

  it("says in one sentence what is wrong, and leaves no file", () => {
    const before = fs.readdirSync(temporary.path).sort();
    const missing = guestboot("patch", DEBIAN_INSTALLER.initrd, "--overlay", at("none"), "--output", at("out"));
    expect(missing).toMatchObject({ status: 1, stdout: "" });
    expect(missing.stderr).toMatch(/^guestboot: the overlay .* cannot be read: no such file or directory\n {2}→ /);
    const page = guestboot("patch", at("answers"), "--overlay", at("overlay"), "--output", at("out"), "--json");
    expect(JSON.parse(page.stdout)).toMatchObject({ error: { code: "ARCHIVE_DAMAGED" } });
    expect(guestboot("patch", DEBIAN_INSTALLER.initrd, "--overlay", at("overlay")).status).toBe(2);
    expect(fs.readdirSync(temporary.path).sort()).toEqual(before);
  });

  it("unpacks a kernel's ELF image", () => {
    const done = guestboot("patch", DEBIAN_INSTALLER.kernel, "--decompress-kernel", "--output", at("vmlinux"));
    expect(done).toMatchObject({ status: 0 });
    expect(call("readelf", ["-h", at("vmlinux")], "binutils")).toContain("ELF64");
  });
});

describe("guestboot inspect", { timeout: TIMEOUT_MS }, () => {
  it("tells an initrd's members, and the kernel that it has modules for", () => {
    const facts: unknown = JSON.parse(guestboot("inspect", at("answered"), "--json").stdout);
    const { size } = fs.statSync(DEBIAN_INSTALLER.initrd);
    expect(facts).toMatchObject({
      kind: "initrd",
      files: countOf(DEBIAN_INSTALLER.initrd) + 1,
      members: [
        { offset: 0, length: size, compression: "gzip" },
        { offset: size, compression: "gzip", records: 1 },
      ],
    });
    const modules = call(
      "sh",
      ["-c", 'gzip -dc "$1" | cpio --quiet -t "*.ko" | wc -l', "sh", DEBIAN_INSTALLER.initrd],
      "cpio",
    );
    expect(facts).toMatchObject({ modules: [{ count: Number(modules) }] });
    expect(JSON.stringify(facts)).toContain('"modules":[{"version":"6.1.');
  });

  it("lists the names that GNU cpio lists", () => {
    const lines = guestboot("inspect", DEBIAN_INSTALLER.initrd, "--list", "--json").stdout;
    const { list } = JSON.parse(lines) as { list: readonly { path: string }[] };
    const listed = call("sh", ["-c", 'gzip -dc "$1" | cpio --quiet -t', "sh", DEBIAN_INSTALLER.initrd], "cpio");
    expect(list.map((each) => each.path)).toEqual(Buffer.from(listed, "latin1").toString().trimEnd().split("\n"));
  });

  it("tells a kernel", () => {
    expect(JSON.parse(guestboot("inspect", DEBIAN_INSTALLER.kernel, "--json").stdout)).toMatchObject({
      kind: "kernel",
      format: "bzImage",
      payload: "xz",
      guests: ["PV", "PVH"],
    });
  });

  it("says what is no such thing", () => {
    const done = guestboot("inspect", at("answers"));
    expect(done.status).toBe(1);
    expect(done.stderr).toContain("neither a kernel nor an initrd");
    expect(guestboot("inspect", at("answered"), "--extract", "/nowhere").stderr).toContain('there is no "/nowhere"');
  });
});
