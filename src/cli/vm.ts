/**
 * `guestboot vm`: a VM's boot state in words, and the restart of its installation.
 */
import { GuestbootError } from "../base/errors.ts";
import { catalogFiles } from "../base/program.ts";
import { readSettings } from "../base/settings.ts";
import { findFamily } from "../distro/catalog.ts";
import { readCatalog } from "../distro/read-catalog.ts";
import { describeNextStart } from "../pipeline/next-start.ts";
import { planReinstall } from "../pipeline/reinstall.ts";
import { openFileStore } from "../toolstack/file-store.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { helpOf } from "./help.ts";
import { printable } from "../base/printable.ts";
import { printJson, reporting } from "./report.ts";

export async function runVm(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("vm", { json }, async () => {
    const { values, positionals } = readArguments(argv, {
      json: { type: "boolean" },
      distro: { type: "string" },
      help: { type: "boolean", short: "h" },
      debug: { type: "boolean" },
    });
    if (values.help === true) {
      process.stdout.write(helpOf("vm"));
      return;
    }
    const [verb, ...operands] = positionals;
    const { stateFolder } = await readSettings(process.env);
    switch (verb) {
      case "show":
        return show(onlyOperand(operands, "the VM's uuid or name"), stateFolder, json);
      case "reinstall":
        return reinstall(onlyOperand(operands, "the VM's uuid or name"), stateFolder, values.distro);
      case undefined:
        throw new GuestbootError("USAGE", "vm needs to know what to do: show or reinstall");
      default:
        throw new GuestbootError("USAGE", `vm cannot ${verb}: show and reinstall are known`);
    }
  });
}

async function show(id: string, stateFolder: string, json: boolean): Promise<void> {
  const record = await openFileStore(stateFolder).read(id);
  const next = describeNextStart(record);
  if (json) {
    printJson({ ...record, next_start: next });
    return;
  }
  const installKeys = Object.entries(record.other_config).filter(([key]) => /^(install-|debian-release$)/.test(key));
  const rows: [string, string][] = [
    ["uuid", record.uuid],
    ["name", record.name_label],
    ["PV_bootloader", record.PV_bootloader],
    ["PV_bootloader_args", record.PV_bootloader_args],
    ["PV_args", record.PV_args],
    ...installKeys.map(([key, value]): [string, string] => [key, /passw/.test(key) ? "(set)" : withoutPassword(value)]),
    ["next start", next],
  ];
  for (const [name, value] of rows) {
    if (value !== "") process.stdout.write(`${name.padEnd(20)} ${printable(value)}\n`);
  }
}

async function reinstall(id: string, stateFolder: string, distro: string | undefined): Promise<void> {
  const records = openFileStore(stateFolder);
  const record = await records.read(id);
  let family: string | null = null;
  if (distro !== undefined) {
    const catalog = readCatalog(catalogFiles());
    family = findFamily(catalog, distro).family;
  }
  await records.apply(record.uuid, planReinstall(record, family));
  process.stdout.write(`${printable(record.name_label || record.uuid)}: the next start begins its installation\n`);
}

/** `scheme://user:password@host` without the user and the password. */
function withoutPassword(value: string): string {
  return value.replace(/^([a-z]+:\/\/)[^/@]*@/i, "$1");
}
