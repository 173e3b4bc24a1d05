/**
 * `guestboot resolve`: which kernel, initrds and arguments an installation from a repository takes.
 */
import { printable } from "../base/printable.ts";
import { readSettings } from "../base/settings.ts";
import { wholeCatalog } from "../distro/whole-catalog.ts";
import type { FileJson, ResolvedJson } from "../pipeline/installer-json.ts";
import { lookUpInstaller, resolvedJson } from "../pipeline/installer-tree.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cacheFolderOf } from "./folders.ts";
import { helpOf } from "./help.ts";
import { confineCommand, openTarget, TARGET_OPTIONS, TRUST_OPTIONS } from "./installer-target.ts";
import { formatBytes, progressFor } from "./progress.ts";
import { printJson, reporting } from "./report.ts";

export async function runResolve(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("resolve", { json }, async () => {
    const { values, positionals } = readArguments(argv, { ...TARGET_OPTIONS, ...TRUST_OPTIONS });
    if (values.help === true) {
      process.stdout.write(helpOf("resolve"));
      return;
    }
    const address = onlyOperand(positionals, "REPOSITORY");
    const progress = progressFor(process.stderr, { quiet: values.quiet === true });
    const settings = await readSettings(process.env);
    const catalog = wholeCatalog();
    confineCommand(address, values, settings, { writable: [] });
    await using target = await openTarget(address, values, { settings, progress });
    const found = await lookUpInstaller(target, catalog, cacheFolderOf(settings));
    for (const warning of [...found.found.warnings, ...found.proved.warnings]) progress.warn(warning);
    const resolved = resolvedJson(found);
    if (json) printJson(resolved);
    else printResolved(resolved, found.proved.by);
  });
}

/** @param by what the trust rests on: an index and whose key signed it, or a pinned digest */
function printResolved(resolved: ResolvedJson, by: string | null): void {
  const file = ({ url, size }: FileJson) => `${url}${size === null ? "" : ` (${formatBytes(size)})`}`;
  const rows: [string, string][] = [
    ["family", `${resolved.family} ${resolved.release} ${resolved.arch}`],
    ["layout", `${resolved.layout} (${resolved.flavour} kernel)`],
    ["kernel", file(resolved.kernel)],
    ...resolved.ramdisks.map((ramdisk): [string, string] => ["ramdisk", file(ramdisk)]),
    ["arguments", resolved.arguments === "" ? "(none)" : resolved.arguments],
    ["trust", by === null ? resolved.trust : `${resolved.trust} (${by})`],
  ];
  for (const [name, value] of rows) process.stdout.write(`${name.padEnd(10)} ${printable(value)}\n`);
}
