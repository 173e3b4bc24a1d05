/**
 * Configs in other loaders' languages: `legacy_configfile`, `syslinux_configfile` and their like. Their own readers read
 * them, and what boots of their entries stands in the menu.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#legacy_005fconfigfile, #syslinux_005fconfigfile
 *
 * `syslinux_configfile --root FOLDER` says where the config's absolute paths begin, `--cwd FOLDER` where others do. Which
 * of its family a config is for (`--isolinux` and the like) does not show in the kernels that it boots. Not followed:
 * such a folder on another device than the config's.
 */
import { GuestbootError } from "../../../base/errors.ts";
import type { BootConfig, ConfigReader, ConfigSyntax } from "../../boot-config.ts";
import { onVolume, readGrubLegacy } from "../../grub-legacy-guest.ts";
import { readSyslinux } from "../../syslinux/syslinux.ts";
import type { NamedFile } from "../guest-files.ts";
import { failed, FAILURE, shown, type Call, type Command } from "../machine.ts";
import { optionKinds, readOptions } from "./options.ts";
import { asOwnMenu, readConfig, within } from "./reading.ts";

type ForeignSyntax = ConfigSyntax & ("grub-legacy" | "syslinux");

const READERS: Readonly<Record<ForeignSyntax, ConfigReader>> = {
  "grub-legacy": readGrubLegacy,
  syslinux: readSyslinux,
};

const OPTIONS = optionKinds([
  { name: "root", letter: "r", value: "needed" },
  { name: "cwd", letter: "c", value: "needed" },
  { name: "isolinux", letter: "i" },
  { name: "pxelinux", letter: "p" },
  { name: "syslinux", letter: "s" },
]);

/** @param where the entries go: into the menu "here", or into a "menu" of their own; "entries" leave the settings out */
export const foreignConfig =
  (syntax: ForeignSyntax, where: "here" | "menu" | "entries here" | "entries menu"): Command =>
  (call) => {
    const options = readOptions(call.words, OPTIONS);
    const read = readConfig(call, options.operands[0]);
    if (read === null) return FAILURE.fileNotFound;
    const { file, text } = read;
    const root = folderOf(call, options.value("root"), file);
    const folder = folderOf(call, options.value("cwd"), file);
    const path = folder === null ? file.path : `${folder}${file.path.slice(file.path.lastIndexOf("/"))}`;
    const place = { device: file.device, path, root: root ?? undefined };
    const fill = () => addEntries(call, syntax, text, place, where.startsWith("entries"));
    return where.endsWith("here") ? within(call, file, fill) : asOwnMenu(call, file, fill);
  };

/** The path of a folder that an option names; null where there is none that can be followed. */
function folderOf(call: Call, name: string | null, config: NamedFile): string | null {
  if (name === null) return null;
  const { environment, run } = call.machine;
  const { device, path } = run.files.split(name, environment.get("root") ?? "");
  if (run.files.volumeOf(device) === run.files.volumeOf(config.device)) return path.replace(/\/$/, "");
  failed(call, FAILURE.notImplemented, `${shown(name)} is on another device than the config: passed over`);
  return null;
}

function addEntries(
  call: Call,
  syntax: ForeignSyntax,
  text: string,
  { device, path, root }: NamedFile & { readonly root: string | undefined },
  isEntriesOnly: boolean,
): number {
  const { menu, notes, run } = call.machine;
  const { own, volumes } = run.place;
  const volume = run.files.volumeOf(device);
  run.configs.spend(text.length);
  let config: BootConfig;
  try {
    config = onVolume(READERS[syntax](text, { own: volume, volumes, path, root }), volume, own);
  } catch (error) {
    if (!(error instanceof GuestbootError) || error.code === "BUDGET_EXCEEDED") throw error;
    return failed(call, FAILURE.badFile, `${shown(path)}: ${error.message}`);
  }
  const { passwords = [] } = config;
  for (const entry of config.entries) {
    run.entries.spend();
    // In GRUB's own menu the config's password is one of those that open its locked entries, and nothing else.
    const opened = entry.isLocked === true ? [...passwords, ...(entry.passwords ?? [])] : entry.passwords;
    menu.items.push({ kind: "read", entry: { ...entry, passwords: opened } });
  }
  for (const note of config.notes) notes.add(`${path}: ${note}`);
  if (!isEntriesOnly) useSettings(call, config);
  return 0;
}

/** As GRUB translates them, for its own menu: a number counts from the menu's beginning. */
function useSettings({ machine }: Call, { default: chosen, fallback = [], timeout }: BootConfig): void {
  const { environment } = machine;
  environment.set("default", String(chosen));
  if (fallback.length > 0) environment.set("fallback", fallback.join(" "));
  if (timeout !== null) environment.set("timeout", String(timeout));
}
