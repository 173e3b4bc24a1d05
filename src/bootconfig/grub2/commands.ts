/**
 * The commands of GRUB 2 by their names: those that matter to what a guest boots, and those that do not.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#Commands
 */
import { loopback, probe, search, searchFor } from "./commands/devices.ts";
import { foreignConfig } from "./commands/foreign.ts";
import { initrd, linux, module, multiboot, refuse } from "./commands/loading.ts";
import { blscfg, menuentry, password, submenu } from "./commands/menu.ts";
import { configfile, loadEnv, saveEnv, source } from "./commands/reading.ts";
import { regexp } from "./commands/regexp.ts";
import { test } from "./commands/test.ts";
import {
  breakLoop,
  continueLoop,
  decrement,
  end,
  evaluate,
  exportVariable,
  fail,
  increment,
  returnFrom,
  set,
  setParameters,
  shift,
  succeed,
  unset,
} from "./commands/variables.ts";
import type { Command } from "./machine.ts";

/** Screens, keyboards, sounds, modules, the network, what only prints: nothing of it changes what boots. */
const WITHOUT_EFFECT =
  "insmod rmmod lsmod terminal terminal_input terminal_output terminfo serial loadfont lsfonts background_image " +
  "background_color color clear play echo sleep keymap gettext videoinfo vbeinfo videotest ls cat hexdump date help " +
  "list_env list_trusted trust distrust verify_detached lspci lsacpi lsapm lsmmap lspci lsefi lsefimmap lsefisystab " +
  "setpci cutmem badram acpi gptsync parttool drivemap nativedisk usb hello xnu_splash devicetree fdtdump outb outw " +
  "outl inb inw inl write_byte write_word write_dword net_bootp net_dhcp net_add_addr net_add_dns net_add_route " +
  "net_del_addr net_del_dns net_del_route net_get_dhcp_option net_ls_addr net_ls_cards net_ls_dns net_ls_routes " +
  "net_nslookup net_ipv6_autoconf module_loading efi-watchdog bli efitextmode hwmatch rdmsr wrmsr boottime " +
  "dump authenticate clear_timeout sendkey at_keyboard usb_keyboard gdbstub pxe read tpm2_key_protector_init " +
  "tpm2_key_protector_clear gfxmenu normal";

/** They ask about hardware, firmware or a person, and the answer is no. */
const ANSWER_NO = "keystatus getenv smbios cmp hashsum md5sum sha1sum sha256sum sha512sum crc file pcidump cryptomount";

const LOADERS: Readonly<Record<string, string>> = {
  chainloader: "it starts another boot loader, which a Xen guest cannot",
  appleloader: "it starts another boot loader, which a Xen guest cannot",
  ntldr: "it starts Windows, which no Xen PV guest is",
  freedos: "it starts DOS",
  plan9: "it starts Plan 9",
  truecrypt: "it starts another boot loader",
  kfreebsd: "it starts a BSD kernel in a way of its own",
  knetbsd: "it starts a BSD kernel in a way of its own",
  kopenbsd: "it starts a BSD kernel in a way of its own",
  xnu_kernel: "it starts Darwin",
  xnu_kernel64: "it starts Darwin",
  fwsetup: "it opens the firmware's settings",
};

const EFFECTS: Readonly<Record<string, Command>> = {
  set,
  unset,
  export: exportVariable,
  setparams: setParameters,
  shift,
  break: breakLoop,
  continue: continueLoop,
  return: returnFrom,
  eval: evaluate,
  true: succeed,
  false: fail,
  // A 64-bit machine, as every guest of ours may be.
  cpuid: succeed,
  increment,
  decrement,
  "[": test,
  test,
  search,
  "search.file": searchFor("file"),
  "search.fs_uuid": searchFor("fs-uuid"),
  "search.fs_label": searchFor("label"),
  "search.part_uuid": searchFor("part-uuid"),
  search_fs_file: searchFor("file"),
  search_fs_uuid: searchFor("fs-uuid"),
  search_label: searchFor("label"),
  probe,
  loopback,
  regexp,
  source,
  ".": source,
  configfile,
  load_env: loadEnv,
  save_env: saveEnv,
  menuentry,
  submenu,
  blscfg,
  password,
  password_pbkdf2: password,
  syslinux_source: foreignConfig("syslinux", "here"),
  syslinux_configfile: foreignConfig("syslinux", "menu"),
  extract_syslinux_entries_source: foreignConfig("syslinux", "entries here"),
  extract_syslinux_entries_configfile: foreignConfig("syslinux", "entries menu"),
  legacy_source: foreignConfig("grub-legacy", "here"),
  legacy_configfile: foreignConfig("grub-legacy", "menu"),
  extract_legacy_entries_source: foreignConfig("grub-legacy", "entries here"),
  extract_legacy_entries_configfile: foreignConfig("grub-legacy", "entries menu"),
  initrd,
  initrd16: initrd,
  initrdefi: initrd,
  "initrd.xen": initrd,
  linux,
  linux16: linux,
  linuxefi: linux,
  "linux.xen": linux,
  linux32: linux,
  linux64: linux,
  multiboot,
  multiboot2: multiboot,
  xen_hypervisor: multiboot,
  module,
  module2: module,
  xen_module: module,
  xen_linux: module,
  xen_initrd: module,
  exit: end,
  normal_exit: end,
  halt: end,
  poweroff: end,
  reboot: end,
  boot: end,
};

const each = (words: string, command: Command): [string, Command][] => words.split(" ").map((word) => [word, command]);

export const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ...each(WITHOUT_EFFECT, succeed),
  ...each(ANSWER_NO, fail),
  ...Object.entries(LOADERS).map(([name, what]): [string, Command] => [name, refuse(what)]),
  ...Object.entries(EFFECTS),
]);
