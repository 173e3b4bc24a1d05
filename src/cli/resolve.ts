/**
 * `guestboot resolve`: which kernel, initrds and arguments an installation from a repository takes.
 */
import { printable } from "../base/printable.ts";
import { readSettings } from "../base/settings.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { helpOf } from "./help.ts";
import {
  resolvedJson,
  resolveFor,
  TARGET_OPTIONS,
  TRUST_OPTIONS,
  type FileJson,
  type ResolvedJson,
} from "./installer-target.ts";
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
    const host = { settings: await readSettings(process.env), progress };
    const found = await resolveFor(address, values, host, async (repository, path): Promise<FileJson | null> => {
      const facts = await repository.look(path);
      return facts === null ? null : { url: repository.addressOf(path), path, digest: null, size: facts.size };
    });
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
