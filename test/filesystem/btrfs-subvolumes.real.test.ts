import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openDisk } from "../../src/disk/open-disk.ts";
import { openBtrfs, type BtrfsOptions } from "../../src/filesystem/btrfs/btrfs-driver.ts";
import { btrfs, makeBtrfsImage, withBtrfs } from "./btrfs-image.ts";
import { call } from "./call.ts";
import { differences, manifestOfDriver, manifestOfFolder, type Manifest } from "./manifest.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-btrfs-subvolumes-"));
const image = path.join(folder, "disk.img");
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function read(options: BtrfsOptions = {}): { manifest: Manifest; ids: number[]; notes: readonly string[] } {
  using disk = openDisk(image);
  const driver = openBtrfs(disk.source, options);
  const ids: number[] = [];
  const visit = (node: typeof driver.root, depth: number): void => {
    for (const child of driver.list(node)) {
      ids.push(child.node.id);
      if (child.node.kind === "directory" && depth < 10) visit(child.node, depth + 1);
    }
  };
  visit(driver.root, 0);
  return { manifest: manifestOfDriver(driver), ids, notes: driver.notes };
}

describe("a btrfs filesystem with the subvolumes of openSUSE", () => {
  const kernel = { byDefault: {} as Manifest, top: {} as Manifest };

  it("is read from its default subvolume, a snapshot; or from its top, as asked", () => {
    makeBtrfsImage(image, 200, []);
    withBtrfs(image, "rw", (top) => {
      const at = (name: string) => path.join(top, name);
      fs.writeFileSync(at("at-the-top"), "top");
      btrfs("subvolume", "create", at("@"));
      fs.mkdirSync(at("@/boot"));
      fs.writeFileSync(at("@/boot/vmlinuz"), "old");
      btrfs("subvolume", "create", at("@/home"));
      fs.writeFileSync(at("@/home/file"), "home");
      btrfs("subvolume", "create", at("@/home/deeper"));
      fs.writeFileSync(at("@/home/deeper/file"), "deeper");
      btrfs("subvolume", "create", at("@/.snapshots"));
      fs.mkdirSync(at("@/.snapshots/1"));
      btrfs("subvolume", "snapshot", at("@"), at("@/.snapshots/1/snapshot"));
      fs.writeFileSync(at("@/.snapshots/1/snapshot/boot/vmlinuz"), "new and longer");
      btrfs("subvolume", "snapshot", "-r", at("@/home"), at("read-only"));
      btrfs("subvolume", "create", at("removed"));
      fs.writeFileSync(at("removed/file"), "removed");
      btrfs("subvolume", "delete", at("removed"));
      fs.mkdirSync(at("moved"));
      btrfs("subvolume", "create", at("before"));
      fs.writeFileSync(at("before/file"), "moved");
      fs.renameSync(at("before"), at("moved/after"));
      const id = /^ID (\d+) .* path @\/\.snapshots\/1\/snapshot$/m.exec(btrfs("subvolume", "list", top))?.[1] ?? "";
      btrfs("subvolume", "set-default", id, top);
    });
    kernel.byDefault = withBtrfs(image, "ro", manifestOfFolder);
    kernel.top = withBtrfs(image, "ro,subvolid=5", manifestOfFolder);

    const byDefault = read();
    expect(byDefault.notes).toEqual([]);
    expect(differences(kernel.byDefault, byDefault.manifest)).toEqual([]);
    expect(byDefault.manifest["/boot/vmlinuz"]).toContain("file 14 ");
    // A snapshot holds no subvolumes: empty folders are in their places.
    expect([byDefault.manifest["/home"], byDefault.manifest["/home/file"]]).toEqual(["directory", undefined]);

    const top = read({ root: "top" });
    expect(differences(kernel.top, top.manifest)).toEqual([]);
    for (const name of ["/@/boot/vmlinuz", "/@/home/deeper/file", "/moved/after/file", "/read-only/file"]) {
      expect([name, top.manifest[name]]).toEqual([name, expect.stringContaining("file ")]);
    }
    expect(top.manifest["/read-only/deeper/file"]).toBeUndefined();
  });

  it("has nodes that are told apart by their numbers, whatever subvolume they are in", () => {
    using disk = openDisk(image);
    const driver = openBtrfs(disk.source, { root: "top" });
    const find = (name: string) =>
      name
        .split("/")
        .reduce<typeof driver.root | null>((at, part) => (at === null ? null : driver.lookup(at, part)), driver.root);
    const [old, fresh] = [find("@/boot/vmlinuz"), find("@/.snapshots/1/snapshot/boot/vmlinuz")];
    // Both have the same inode number in their own subvolumes.
    expect([old?.size, fresh?.size]).toEqual([3, 14]);
    expect(old?.id).not.toBe(fresh?.id);
    expect(find("@/boot/vmlinuz")?.id).toBe(old?.id);
    expect(find("read-only/deeper/file")).toBeNull();
  });

  it("begins where GRUB begins when it is read from the top", () => {
    const listed = call("grub-fstest", [image, "ls", "(loop0)/"], "grub-common").trim().split(/\s+/).sort();
    using disk = openDisk(image);
    const driver = openBtrfs(disk.source, { root: "top" });
    const ours = driver.list(driver.root).map(({ name, node }) => (node.kind === "directory" ? `${name}/` : name));
    expect(ours.sort()).toEqual(listed.filter((name) => name !== "./" && name !== "../"));
  });
});

describe("a btrfs filesystem that was not unmounted", () => {
  it("is read as of its last commit, and says that what was synced since may be missing", () => {
    makeBtrfsImage(image, 200, []);
    const copy = path.join(folder, "copy.img");
    withBtrfs(image, "rw,commit=300", (mounted) => {
      fs.writeFileSync(path.join(mounted, "committed"), "committed");
      call("sync", ["-f", mounted], "coreutils");
      fs.writeFileSync(path.join(mounted, "synced"), "synced");
      call("sync", [path.join(mounted, "synced")], "coreutils");
      call("cp", ["--sparse=always", image, copy], "coreutils");
    });
    fs.renameSync(copy, image);
    const { manifest, notes } = read();
    expect(notes).toEqual([expect.stringContaining("only in its log")]);
    expect(Object.keys(manifest)).toEqual(["/committed"]);
    // The same as the kernel shows when it may not replay the log either.
    expect(differences(withBtrfs(image, "ro,rescue=nologreplay", manifestOfFolder), manifest)).toEqual([]);
  });
});
