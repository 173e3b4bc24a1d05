import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openFolder } from "../../src/filesystem/folder.ts";
import type { GuestFilesystem } from "../../src/filesystem/filesystem.ts";
import { call } from "./call.ts";

let host = "";
let root = "";

beforeEach(() => {
  host = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-folder-"));
  root = path.join(host, "guest");
  fs.mkdirSync(path.join(root, "boot/grub"), { recursive: true });
  fs.mkdirSync(path.join(root, "etc"));
  fs.writeFileSync(path.join(root, "boot/vmlinuz"), "the guest's kernel");
  fs.writeFileSync(path.join(root, "etc/hostname"), "guest");
  fs.writeFileSync(path.join(host, "secret"), "the host's secret");
});
afterEach(() => fs.rmSync(host, { recursive: true, force: true }));

const link = (name: string, target: string) => fs.symlinkSync(target, path.join(root, name));
function textOf(filesystem: GuestFilesystem, name: string): string {
  const content = filesystem.open(name);
  return Buffer.from(content.read(0, content.size)).toString("latin1");
}
const failing = (code: string): unknown => expect.objectContaining({ name: "GuestbootError", code });

describe("a folder that stands for a guest's root", () => {
  it("is read as a filesystem", () => {
    const filesystem = openFolder(root);
    expect([filesystem.type, filesystem.uuid, filesystem.label, filesystem.notes]).toEqual(["folder", null, null, []]);
    expect(textOf(filesystem, "/boot/vmlinuz")).toBe("the guest's kernel");
    expect(Buffer.from(filesystem.open("/boot/vmlinuz").read(4, 5)).toString()).toBe("guest");
    expect(
      filesystem
        .list("/boot")
        .map(({ name, node }) => `${name} ${node.kind}`)
        .sort(),
    ).toEqual(["grub directory", "vmlinuz file"]);
    expect(filesystem.find("/boot/missing")).toBeNull();
    expect(filesystem.find(`/${"x".repeat(300)}`)).toBeNull();
    expect(filesystem.find("/a\0b")).toBeNull();
    expect(() => filesystem.open("/boot/missing")).toThrow(failing("FILE_MISSING"));
    expect(() => filesystem.open("/boot")).toThrow(failing("NOT_A_FILE"));
    expect(() => filesystem.list("/boot/vmlinuz")).toThrow(failing("NOT_A_FILE"));
    expect(() => filesystem.open("/boot/vmlinuz").read(10, 100)).toThrow(failing("OUT_OF_BOUNDS"));
  });

  it("may itself be named through a link", () => {
    fs.symlinkSync("guest", path.join(host, "alias"));
    expect(textOf(openFolder(path.join(host, "alias")), "/boot/vmlinuz")).toBe("the guest's kernel");
  });

  it("must be a folder", () => {
    expect(() => openFolder(path.join(host, "missing"))).toThrow(failing("DISK_UNREADABLE"));
    expect(() => openFolder(path.join(root, "boot/vmlinuz"))).toThrow(failing("DISK_UNREADABLE"));
  });
});

describe("nothing outside the folder is read", () => {
  it("through an absolute link, which starts at the guest's root", () => {
    link("secret", path.join(host, "secret"));
    link("passwd", "/etc/passwd");
    link("name", "/etc/hostname");
    const filesystem = openFolder(root);
    expect(filesystem.find("/secret")).toBeNull();
    expect(filesystem.find("/passwd")).toBeNull();
    expect(textOf(filesystem, "/name")).toBe("guest");
  });

  it("through .. beyond the root, in a path or in a link", () => {
    link("up", "../secret");
    link("up-and-down", "../../../../etc/hostname");
    link("boot/host", "../..");
    const filesystem = openFolder(root);
    expect(filesystem.find("/../secret")).toBeNull();
    expect(filesystem.find("/boot/../../secret")).toBeNull();
    expect(filesystem.find("/up")).toBeNull();
    expect(filesystem.find("/boot/host/secret")).toBeNull();
    expect(textOf(filesystem, "/up-and-down")).toBe("guest");
    expect(textOf(filesystem, "/boot/host/etc/hostname")).toBe("guest");
  });

  it("through a link that takes a file's place while it is open", () => {
    const opened = openFolder(root).open("/etc/hostname");
    fs.rmSync(path.join(root, "etc/hostname"));
    link("etc/hostname", path.join(host, "secret"));
    expect(() => opened.read(0, 5)).toThrow(failing("DISK_UNREADABLE"));
  });

  it("while a path is followed that names links only (as the kernel's openat2 with RESOLVE_IN_ROOT is)", () => {
    link("a", "/b/../a2");
    link("b", "boot");
    link("a2", "/boot/./grub/../vmlinuz");
    expect(textOf(openFolder(root), "/a")).toBe("the guest's kernel");
  });
});

describe("a folder", () => {
  it("with links in a circle says so", () => {
    link("one", "two");
    link("two", "one");
    const filesystem = openFolder(root);
    expect(() => filesystem.find("/one")).toThrow(failing("LINK_LOOP"));
    expect(() => filesystem.open("/one")).toThrow(failing("LINK_LOOP"));
  });

  it("with a FIFO or a device in it neither opens it nor waits for it", () => {
    call("mkfifo", [path.join(root, "fifo")], "coreutils");
    call("mknod", [path.join(root, "null"), "c", "1", "3"], "coreutils");
    const filesystem = openFolder(root);
    expect(() => filesystem.open("/fifo")).toThrow(failing("NOT_A_FILE"));
    expect(() => filesystem.open("/null")).toThrow(failing("NOT_A_FILE"));
  });

  it("in which a FIFO takes a file's place does not wait for it", () => {
    const opened = openFolder(root).open("/etc/hostname");
    fs.rmSync(path.join(root, "etc/hostname"));
    call("mkfifo", [path.join(root, "etc/hostname")], "coreutils");
    expect(() => opened.read(0, 5)).toThrow(expect.objectContaining({ name: "GuestbootError" }));
  });

  it("with names that are no UTF-8 lists and opens them", () => {
    const name = Buffer.concat([Buffer.from(`${root}/etc/`), Buffer.from("caf\xe9", "latin1")]);
    fs.writeFileSync(name, "coffee");
    const filesystem = openFolder(root);
    expect(filesystem.list("/etc").map((entry) => entry.name)).toContain("caf\udce9");
    expect(textOf(filesystem, "/etc/caf\udce9")).toBe("coffee");
    expect(filesystem.find("/etc/caf\xe9")).toBeNull();
  });
});
