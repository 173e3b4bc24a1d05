import { describe, expect, it } from "vitest";
import type { GuestVolume } from "../../src/bootconfig/guest-volume.ts";
import { parseFstab } from "../../src/pipeline/fstab.ts";
import { findMounted } from "../../src/pipeline/mount-points.ts";
import { brokenVolume, madeUpVolume, type Files } from "../bootconfig/made-up-guest.ts";

const BOOT = "1111-AAAA";
const ROOT = "2222-bbbb";

/** A `/boot` on the first partition and a root on the second, whose fstab holds these lines. */
function guest(fstab: string, boot: Files = { "/vmlinuz": "on boot" }, root: Files = {}): GuestVolume[] {
  return [
    madeUpVolume(1, boot, { uuid: BOOT }),
    madeUpVolume(2, { "/etc/fstab": fstab, ...root }, { uuid: ROOT, type: "btrfs" }),
  ];
}

const found = (file: string, own: number, volumes: readonly GuestVolume[]): string | null => {
  const [volume] = volumes.slice(own - 1);
  if (volume === undefined) throw new Error("no such volume");
  const joined = findMounted(file, volume, volumes);
  if (joined === null) return null;
  const content = joined.filesystem.open(joined.path);
  return Buffer.from(content.read(0, content.size)).toString();
};

describe("a file that an entry names by its path in the running guest", () => {
  it.each([
    ["a UUID", `UUID=${BOOT.toLowerCase()} /boot ext4 defaults 0 2`],
    ["a quoted UUID", `UUID="${BOOT}"\t/boot\text4`],
    ["a link of udev", `/dev/disk/by-uuid/${BOOT} /boot ext4`],
    ["a partition of xvda", "/dev/xvda1 /boot/ ext4"],
    ["a partition of sda", "/dev/sda1 //boot ext4"],
  ])("lies on the volume that the guest mounts there by %s", (_, line) => {
    const volumes = guest(`# a comment\n${line}\n`);
    expect(found("/boot/vmlinuz", 2, volumes)).toBe("on boot");
    expect(found("/boot//./x/../vmlinuz", 2, volumes)).toBe("on boot");
  });

  it.each([
    ["PARTUUID", { partitionUuid: "0123-45" }, "PARTUUID=0123-45"],
    ["PARTUUID in capitals", { partitionUuid: "abcd-45" }, "PARTUUID=ABCD-45"],
    ["PARTLABEL with a blank", { partitionLabel: "my boot" }, "PARTLABEL=my\\040boot"],
    ["a link to a PARTLABEL", { partitionLabel: "my boot" }, "/dev/disk/by-partlabel/my\\x20boot"],
    ["a logical volume's node", { name: "lvm vg/boot" }, "/dev/vg/boot"],
    [
      "device mapper's name, in which hyphens are doubled",
      { name: "lvm my-vg/the-boot" },
      "/dev/mapper/my--vg-the--boot",
    ],
  ])("is found by %s", (_, about, name) => {
    const [boot, root] = guest(`${name} /boot ext4 defaults 0 2\n`);
    if (boot === undefined || root === undefined) throw new Error("two volumes");
    expect(found("/boot/vmlinuz", 2, [{ ...boot, ...about }, root])).toBe("on boot");
    expect(found("/boot/vmlinuz", 2, [boot, root])).toBe(null);
  });

  it("loses its mount point where its config lies on the mounted volume", () => {
    expect(found("/boot/vmlinuz", 1, guest("/dev/xvda1 /boot ext4\n"))).toBe("on boot");
  });

  it("lies on the root where a config on the boot volume names one of its files", () => {
    const volumes = guest("/dev/xvda1 /boot ext4\n/dev/xvda2 / ext4\n", {}, { "/images/vmlinuz": "on root" });
    expect(found("/images/vmlinuz", 1, volumes)).toBe("on root");
  });

  it("lies on /boot where a config on the EFI partition names it", () => {
    const volumes = [...guest("/dev/xvda1 /boot ext4\n/dev/xvda3 /boot/efi vfat\n"), madeUpVolume(3, {})];
    expect(found("/boot/vmlinuz", 3, volumes)).toBe("on boot");
  });

  it("lies in the subvolume that is mounted", () => {
    const root = { "/@boot/vmlinuz": "in a subvolume" };
    const fstab = `UUID=${ROOT} / btrfs subvol=@ 0 0\nUUID=${ROOT} /boot btrfs rw,subvol=/@boot 0 0\n`;
    expect(found("/boot/vmlinuz", 2, guest(fstab, {}, root))).toBe("in a subvolume");
    const moved = [madeUpVolume(1, {}), madeUpVolume(2, { "/@/etc/fstab": fstab, ...root }, { uuid: ROOT })];
    expect(found("/boot/vmlinuz", 2, moved)).toBe("in a subvolume");
  });

  it("is not taken from below a mount that hides it", () => {
    const volumes = guest("/dev/xvda1 /boot ext4\n/dev/xvda2 / ext4\n", {}, { "/boot/vmlinuz": "hidden" });
    expect(found("/boot/vmlinuz", 1, volumes)).toBe(null);
  });

  it("is not looked for on another disk of the guest", () => {
    expect(found("/boot/vmlinuz", 2, guest("/dev/xvdb1 /boot ext4\n"))).toBe(null);
  });

  it("is not looked for by the fstab of a guest to which its volume does not belong", () => {
    const volumes = [...guest("/dev/xvda1 /boot ext4\n"), madeUpVolume(3, {})];
    expect(found("/boot/vmlinuz", 3, volumes)).toBe(null);
  });
});

describe("two volumes that claim one UUID", () => {
  it("are told apart by where the entry lies: that one wins", () => {
    const attached = madeUpVolume(1, { "/vmlinuz": "attached" }, { uuid: BOOT });
    const own = madeUpVolume(2, { "/vmlinuz": "own" }, { uuid: BOOT });
    const root = madeUpVolume(3, { "/etc/fstab": `UUID=${BOOT} /boot ext4\n` }, { uuid: ROOT });
    expect(found("/boot/vmlinuz", 2, [attached, own, root])).toBe("own");
  });
});

describe("an fstab of ill will", () => {
  it.each([
    ["nothing", ""],
    ["noise", "\0\x01\xff\n\\\\\\ \\777 \\400\n=\nUUID= /boot\nUUID=x\n/dev/xvda1 boot ext4\n"],
    ["swap and network", "UUID=1 none swap sw\nhost:/boot /boot nfs ro\ntmpfs /boot tmpfs\n"],
    ["a number past all partitions", "/dev/xvda9999 /boot ext4\n"],
    ["a volume that cannot be read", "LABEL=x /boot ext4\n"],
  ])("with %s leads nowhere", (_, fstab) => {
    expect(found("/boot/vmlinuz", 2, [...guest(fstab), brokenVolume(3)])).toBe(null);
  });

  it("leads nowhere when it is too large to be one", () => {
    const fstab = `/dev/xvda1 /boot ext4\n${"#".repeat(64 * 1024)}`;
    expect(found("/boot/vmlinuz", 2, guest(fstab))).toBe(null);
  });

  it("has no more than 256 mounts, and no mount point above the root", () => {
    expect(parseFstab("/dev/xvda1 /boot ext4\n".repeat(1000))).toHaveLength(256);
    expect(parseFstab("/dev/xvda1 /../../boot ext4\n")[0]?.at).toBe("/boot");
  });

  it("opens a volume that cannot be read once", () => {
    let opened = 0;
    const broken = brokenVolume(3);
    const counting = { ...broken, filesystem: () => ((opened += 1), broken.filesystem()) };
    findMounted("/boot/x", guest("UUID=1 /boot ext4\nUUID=2 /boot ext4\nLABEL=3 /boot ext4\n")[1] ?? broken, [
      counting,
    ]);
    expect(opened).toBe(1);
  });
});
