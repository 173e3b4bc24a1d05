/**
 * Changes to a VM's record as the commands of xapi's `xe` that make the same ones: what `--dry-run` prints, and what
 * can be pasted into a shell. Pure.
 *
 * Not here: disks that are given back, for which `xe` would need to know what was on them.
 */
import { encodeText } from "../base/text.ts";
import type { DiskChange, RecordChange } from "../toolstack/vm-record.ts";

/** What `xe` can say. */
export type SettingChange = Exclude<RecordChange, DiskChange>;

const FIELD_NAMES = {
  PV_bootloader: "PV-bootloader",
  PV_bootloader_args: "PV-bootloader-args",
  PV_args: "PV-args",
  PV_kernel: "PV-kernel",
  PV_ramdisk: "PV-ramdisk",
} as const;

/** One command a change, in their order; each is quoted for a POSIX shell (bash, where a value holds control characters). */
export function xeCommands(uuid: string, changes: readonly SettingChange[]): string[] {
  return changes.map((change) => xeCommand(uuid, change));
}

export function xeStart(uuid: string): string {
  return commandLine(["xe", "vm-start", `uuid=${uuid}`]);
}

function xeCommand(uuid: string, change: SettingChange): string {
  switch (change.kind) {
    case "field":
      return commandLine(["xe", "vm-param-set", `uuid=${uuid}`, `${FIELD_NAMES[change.field]}=${change.to}`]);
    case "other_config":
      return change.to === null
        ? commandLine(["xe", "vm-param-remove", `uuid=${uuid}`, "param-name=other-config", `param-key=${change.key}`])
        : commandLine(["xe", "vm-param-set", `uuid=${uuid}`, `other-config:${change.key}=${change.to}`]);
    case "bootable": {
      const device = ["xe", "vbd-list", `vm-uuid=${uuid}`, `userdevice=${change.userdevice}`, "--minimal"];
      return `xe vbd-param-set uuid="$(${commandLine(device)})" bootable=${String(change.to)}`;
    }
  }
}

function commandLine(words: readonly string[]): string {
  return words.map(shellQuoted).join(" ");
}

/** A word that a shell reads as `text` and nothing else. */
export function shellQuoted(text: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(text)) return text;
  if (!/\p{C}|[\u2028\u2029]/u.test(text)) return `'${text.replaceAll("'", String.raw`'\''`)}'`;
  // ANSI-C quoting (bash, "QUOTING"): what would move a terminal's cursor is seen, and byte for byte the same.
  const shown = text.replace(/[\\']|\p{C}|[\u2028\u2029]/gu, (character) =>
    character === "\\" || character === "'" ? `\\${character}` : escapedBytes(character),
  );
  return `$'${shown}'`;
}

function escapedBytes(character: string): string {
  return Array.from(encodeText(character), (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}
