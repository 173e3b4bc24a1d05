/** Guests on btrfs, laid out as their installers do it: paths of a config begin at one of two roots. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openDisk } from "../../src/disk/open-disk.ts";
import { readVolumes } from "../../src/disk/volumes.ts";
import { findBoot, placesOf } from "../../src/pipeline/find-boot.ts";
import { btrfs, makeBtrfsImage, withBtrfs } from "../filesystem/btrfs-image.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-btrfs-roots-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

function disk(name: string, fill: (at: (path: string) => string, setDefault: (path: string) => void) => void): string {
  const image = path.join(folder, name);
  makeBtrfsImage(image, 120, []);
  withBtrfs(image, "rw", (top) => {
    const setDefault = (subvolume: string): void => {
      const listed = btrfs("subvolume", "list", top).split("\n");
      const id = listed.find((line) => line.endsWith(` path ${subvolume}`))?.split(" ")[1] ?? "";
      btrfs("subvolume", "set-default", id, top);
    };
    fill((below) => path.join(top, below), setDefault);
  });
  return image;
}

function boot(image: string) {
  using opened = openDisk(image);
  const table = readVolumes(opened.source, { sectorSize: opened.sectorSize });
  const found = findBoot({ disk: image, vm: null, places: placesOf(table), notes: [] }, null);
  const text = (source: typeof found.kernel): string => Buffer.from(source.read(0, source.size)).toString();
  return { path: found.path, kernel: text(found.kernel), ramdisks: found.ramdisks.map(text) };
}

describe("a guest on btrfs", () => {
  it("as openSUSE installs it boots from the snapshot that is the default subvolume", () => {
    const image = disk("opensuse", (at, setDefault) => {
      btrfs("subvolume", "create", at("@"));
      btrfs("subvolume", "create", at("@/.snapshots"));
      fs.mkdirSync(at("@/.snapshots/1"));
      btrfs("subvolume", "create", at("@/.snapshots/1/snapshot"));
      for (const [root, content] of [
        ["@", "at the top"],
        ["@/.snapshots/1/snapshot", "of the snapshot"],
      ] as const) {
        fs.mkdirSync(at(`${root}/boot/grub2`), { recursive: true });
        fs.writeFileSync(at(`${root}/boot/vmlinuz`), `kernel ${content}`);
        fs.writeFileSync(at(`${root}/boot/initrd`), `ramdisk ${content}`);
      }
      fs.writeFileSync(
        at("@/.snapshots/1/snapshot/boot/grub2/grub.cfg"),
        'set btrfs_relative_path="yes"\nexport btrfs_relative_path\n' +
          "menuentry 'openSUSE' {\n linux /boot/vmlinuz root=UUID=x\n initrd /boot/initrd\n}\n",
      );
      setDefault("@/.snapshots/1/snapshot");
    });
    expect(boot(image)).toEqual({
      path: "/boot/grub2/grub.cfg",
      kernel: "kernel of the snapshot",
      ramdisks: ["ramdisk of the snapshot"],
    });
  });

  const ubuntu = (at: (path: string) => string): void => {
    btrfs("subvolume", "create", at("@"));
    fs.mkdirSync(at("@/boot/grub"), { recursive: true });
    fs.writeFileSync(at("@/boot/vmlinuz"), "kernel");
    fs.writeFileSync(at("@/boot/initrd.img"), "ramdisk");
    fs.writeFileSync(
      at("@/boot/grub/grub.cfg"),
      "menuentry 'Ubuntu' {\n linux /@/boot/vmlinuz root=UUID=x rootflags=subvol=@\n initrd /@/boot/initrd.img\n}\n",
    );
  };

  it("as Ubuntu installs it boots from the subvolume @, by paths from the top", () => {
    expect(boot(disk("ubuntu", ubuntu))).toEqual({
      path: "/@/boot/grub/grub.cfg",
      kernel: "kernel",
      ramdisks: ["ramdisk"],
    });
  });

  it("boots by paths from the top even where that subvolume was made the default", () => {
    const image = disk("ubuntu-default", (at, setDefault) => {
      ubuntu(at);
      setDefault("@");
    });
    expect(boot(image)).toEqual({ path: "/boot/grub/grub.cfg", kernel: "kernel", ramdisks: ["ramdisk"] });
  });

  it("does not boot a kernel that is at neither root, and says that it is missing", () => {
    const image = disk("gone", (at, setDefault) => {
      ubuntu(at);
      fs.rmSync(at("@/boot/vmlinuz"));
      setDefault("@");
    });
    expect(() => boot(image)).toThrow(/\/@\/boot\/vmlinuz does not exist in the guest/);
  });
});
