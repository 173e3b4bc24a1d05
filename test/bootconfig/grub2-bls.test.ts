/**
 * A grub.cfg as Fedora's and RHEL's `grub2-mkconfig` write it: no entry of its own but `blscfg`, which reads the files of
 * `loader/entries`; what they have in common is in grubenv. Form and names: GRUB as Fedora ships it, "10_linux".
 */
import { describe, expect, it } from "vitest";
import { readBlsEntries } from "../../src/bootconfig/bls.ts";
import { parseGrub2 } from "../../src/bootconfig/grub2/grub2.ts";
import { madeUpVolume, placeOn, type Files } from "./made-up-guest.ts";

const MACHINE = "6c1d5c0f3f3a4d0e9a1b2c3d4e5f6071";
const NEW = "5.14.0-427.el9.x86_64";
const OLD = "5.14.0-70.el9.x86_64";

const CONFIG = `### BEGIN /etc/grub.d/00_header ###
set pager=1
if [ -f \${config_directory}/grubenv ]; then
  load_env -f \${config_directory}/grubenv
elif [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="\${saved_entry}"
fi
if [ x"\${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
### BEGIN /etc/grub.d/10_linux ###
insmod part_gpt
insmod xfs
set root='hd0,gpt1'
if [ x$feature_platform_search_hint = xy ]; then
  search --no-floppy --fs-uuid --set=root --hint='hd0,gpt1'  11111111-2222-3333-4444-555555555555
else
  search --no-floppy --fs-uuid --set=root 11111111-2222-3333-4444-555555555555
fi
insmod part_gpt
insmod xfs
set boot='hd0,gpt1'
search --no-floppy --fs-uuid --set=boot --hint='hd0,gpt1'  11111111-2222-3333-4444-555555555555
if [ -z "\${kernelopts}" ]; then
  set kernelopts="root=/dev/mapper/fallback ro "
fi
insmod blscfg
blscfg
### BEGIN /etc/grub.d/30_uefi-firmware ###
if [ "$grub_platform" = "efi" ]; then
	menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
		fwsetup
	}
fi
`;

const entry = (version: string): string => `title Red Hat Enterprise Linux (${version}) 9.4 (Plow)
version ${version}
linux /vmlinuz-${version}
initrd /initramfs-${version}.img $tuned_initrd
options $kernelopts $tuned_params
grub_users $grub_users
grub_arg --unrestricted
grub_class rhel
`;

const grubenv = (...lines: readonly string[]): string =>
  `# GRUB Environment Block\n${lines.map((line) => `${line}\n`).join("")}`.padEnd(1024, "#");

function read(environment: string, more: Files = {}, before = "") {
  const boot = madeUpVolume(
    1,
    {
      "/grub2/grub.cfg": CONFIG,
      "/grub2/grubenv": environment,
      [`/loader/entries/${MACHINE}-${NEW}.conf`]: entry(NEW),
      [`/loader/entries/${MACHINE}-${OLD}.conf`]: entry(OLD),
      ...more,
    },
    { type: "xfs", uuid: "11111111-2222-3333-4444-555555555555" },
  );
  const place = placeOn("/grub2/grub.cfg", boot, madeUpVolume(2, {}));
  return { boot, config: parseGrub2(before + CONFIG, place, { readBls: readBlsEntries }) };
}

describe("a grub.cfg whose entries are those of blscfg", () => {
  it("has the newest kernel first, its arguments from grubenv", () => {
    const { boot, config } = read(grubenv(`saved_entry=${MACHINE}-${NEW}`, "kernelopts=root=/dev/mapper/rhel-root ro"));
    expect(config.entries.map(({ id }) => id)).toEqual([`${MACHINE}-${NEW}`, `${MACHINE}-${OLD}`]);
    expect(config.entries[0]).toMatchObject({
      title: `Red Hat Enterprise Linux (${NEW}) 9.4 (Plow)`,
      kernel: { volume: boot, path: `/vmlinuz-${NEW}` },
      ramdisks: [{ volume: boot, path: `/initramfs-${NEW}.img` }],
      arguments: "root=/dev/mapper/rhel-root ro",
    });
    expect(config.default).toBe(0);
  });

  it("boots the one that grubby saved, by its file's name without .conf", () => {
    expect(read(grubenv(`saved_entry=${MACHINE}-${OLD}`)).config.default).toBe(1);
  });

  it("boots the one that grub2-reboot asked for once, and says that it will come again", () => {
    const { config } = read(grubenv(`saved_entry=${MACHINE}-${NEW}`, `next_entry=${MACHINE}-${OLD}`));
    expect(config.default).toBe(1);
    expect(config.notes.join("\n")).toMatch(/grub-reboot asked for .* taken again/);
  });

  it("takes the config's own arguments where grubenv has none, and tuned's where it has", () => {
    const { config } = read(grubenv("tuned_params=isolcpus=1", "tuned_initrd=/tuned.img"));
    expect(config.entries[0]?.arguments).toBe("root=/dev/mapper/fallback ro  isolcpus=1");
    expect(config.entries[0]?.ramdisks.map(({ path }) => path)).toEqual([`/initramfs-${NEW}.img`, "/tuned.img"]);
  });

  it("has the passwords of the users that an entry names", () => {
    const locked = { [`/loader/entries/${MACHINE}-0-locked.conf`]: "title Locked\nlinux /k\ngrub_users $users\n" };
    const { config } = read(grubenv(), locked, "set users=alice\npassword alice x\npassword bob y\n");
    const entry = config.entries.find(({ title }) => title === "Locked");
    expect(entry).toMatchObject({ isLocked: true, passwords: [{ user: "alice" }] });
  });

  it("tells which files cannot be used, and where its entries are from", () => {
    const { config } = read(grubenv(), { [`/loader/entries/${MACHINE}-0-rescue.conf`]: "title Rescue\n" });
    expect(config.entries).toHaveLength(2);
    expect(config.notes.join("\n")).toMatch(/0-rescue\.conf" is passed over: it names no kernel/);
    expect(config.explanation).toContain("blscfg: 2 entries of the Boot Loader Specification on partition 1");
  });
});
