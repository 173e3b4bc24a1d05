/**
 * `guestboot entries`: the boot entries of a disk or a folder, and the one that would boot.
 */
import type { BootEntry } from "../bootconfig/boot-config.ts";
import { applyReadLimits } from "./apply-limits.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { bootConfigOf, type ShownConfig } from "./boot-config-of.ts";
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

/** The shape that other programs rely on (DESIGN: "Shapes that other programs read"). */
function asJson({ path, config, volume, filesystem }: ShownConfig, explain: boolean) {
  return {
    config: { path, syntax: config.syntax, volume, filesystem },
    default: config.default,
    timeout: config.timeout,
    entries: config.entries.map((entry) => ({
      title: entry.title.toWellFormed(),
      id: entry.id?.toWellFormed() ?? null,
      kernel: entry.kernel.path.toWellFormed(),
      ramdisks: entry.ramdisks.map((ramdisk) => ramdisk.path.toWellFormed()),
      arguments: entry.arguments.toWellFormed(),
    })),
    ...(explain ? { explanation: (config.explanation ?? []).map((line) => line.toWellFormed()) } : {}),
  };
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
