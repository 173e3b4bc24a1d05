/**
 * `guestboot resolve`: which kernel, initrds and arguments an installation from a repository takes.
 */
import { printable } from "../base/printable.ts";
import { readSettings } from "../base/settings.ts";
import { wholeCatalog } from "../distro/whole-catalog.ts";
import type { FileJson, ResolvedJson } from "../pipeline/installer-json.ts";
import { lookUpInstaller, resolvedJson } from "../pipeline/installer-tree.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { LOG_OPTION, withCommandLog } from "./command-log.ts";
import { cacheFolderOf } from "./folders.ts";
import { helpOf } from "./help.ts";
import { confineCommand, openTarget, TARGET_OPTIONS, TRUST_OPTIONS } from "./installer-target.ts";
import { formatBytes, progressOnStandardError } from "./progress.ts";
import { printJson, reporting } from "./report.ts";
import { withLog } from "./start-log.ts";

export async function runResolve(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("resolve", { json }, async () => {
    const { values, positionals } = readArguments(argv, { ...TARGET_OPTIONS, ...TRUST_OPTIONS, ...LOG_OPTION });
    if (values.help === true) {
      process.stdout.write(helpOf("resolve"));
      return;
    }
    const address = onlyOperand(positionals, "REPOSITORY");
    const settings = await readSettings(process.env);
    await withCommandLog({ command: "resolve", form: values.log, settings: settings.log }, async (log) => {
      const progress = withLog(progressOnStandardError({ quiet: values.quiet === true }), log);
      const catalog = wholeCatalog();
      await using _prepared = await confineCommand([{ address, values }], settings, { writable: [] });
      await using target = await openTarget(address, values, { settings, progress });
      const found = await lookUpInstaller(target, catalog, cacheFolderOf(settings));
      for (const warning of [...found.found.warnings, ...found.proved.warnings]) progress.warn(warning);
      const resolved = resolvedJson(found);
      log.step("resolved", `${resolved.family} ${resolved.release} ${resolved.arch} (${resolved.layout})`);
      log.step("trust", trustWords(resolved, found.proved.by));
      if (json) printJson(resolved);
      else printResolved(resolved, found.proved.by);
    });
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
    ["trust", trustWords(resolved, by)],
  ];
  for (const [name, value] of rows) process.stdout.write(`${name.padEnd(10)} ${printable(value)}\n`);
}

function trustWords({ trust }: ResolvedJson, by: string | null): string {
  return by === null ? trust : `${trust} (${by})`;
}
