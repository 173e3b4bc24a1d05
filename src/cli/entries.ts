/**
 * `guestboot entries`: the boot entries of a disk or a folder, and the one that would boot.
 */
import type { BootEntry } from "../bootconfig/boot-config.ts";
import { describeBootEntries, type ShownConfig } from "../pipeline/boot-entries.ts";
import { applyReadLimits } from "./apply-limits.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { bootConfigOf } from "./boot-config-of.ts";
import { helpOf } from "./help.ts";
import { printable } from "../base/printable.ts";
import { printJson, reporting } from "./report.ts";

export async function runEntries(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("entries", { json }, async () => {
    const { values, positionals } = readArguments(argv, {
      json: { type: "boolean" },
      explain: { type: "boolean" },
      help: { type: "boolean", short: "h" },
      debug: { type: "boolean" },
    });
    if (values.help === true) {
      process.stdout.write(helpOf("entries"));
      return;
    }
    const path = onlyOperand(positionals, "DISK");
    await applyReadLimits();
    const found = bootConfigOf({ path, offset: null, isConfig: false, uid: null });
    const explain = values.explain === true;
    if (json) printJson(asJson(found, explain));
    else printTable(found, explain);
  });
}

function asJson(found: ShownConfig, explain: boolean) {
  const entries = describeBootEntries(found);
  return explain
    ? { ...entries, explanation: (found.config.explanation ?? []).map((line) => line.toWellFormed()) }
    : entries;
}

function printTable({ path, config, volume, filesystem }: ShownConfig, explain: boolean): void {
  const lines = [`${path} (${config.syntax}) on ${volume}${filesystem === null ? "" : `, ${filesystem}`}`];
  config.entries.forEach((entry, index) => lines.push(...describe(entry, index, index === config.default)));
  lines.push("", "* boots by default");
  if (explain) lines.push("", ...(config.explanation ?? []));
  for (const note of config.notes) process.stderr.write(`note: ${printable(note)}\n`);
  process.stdout.write(`${lines.map(printable).join("\n")}\n`);
}

function describe(entry: BootEntry, index: number, isDefault: boolean): string[] {
  return [
    `${isDefault ? "*" : " "} ${index}  ${[...(entry.submenu ?? []), entry.title].join(" > ")}`,
    `       kernel     ${entry.kernel.path}`,
    ...entry.ramdisks.map((ramdisk) => `       ramdisk    ${ramdisk.path}`),
    `       arguments  ${entry.arguments}`,
  ];
}
