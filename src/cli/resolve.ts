/**
 * `guestboot resolve`: which kernel, initrds and arguments an installation from a repository takes.
 */
import { printable } from "../base/printable.ts";
import { readSettings } from "../base/settings.ts";
import { wholeCatalog } from "../distro/whole-catalog.ts";
import { resolveTree } from "../distro/resolve.ts";
import { readRepositoryText } from "../pipeline/read-text.ts";
import { openTrustChain } from "../pipeline/trust-chain.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cacheFolderOf } from "./folders.ts";
import { helpOf } from "./help.ts";
import {
  notInRepository,
  openTarget,
  resolvedJson,
  TARGET_OPTIONS,
  TRUST_OPTIONS,
  type FileJson,
  type OpenTarget,
  type ResolvedJson,
  type ResolvedTarget,
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
    const settings = await readSettings(process.env);
    await using target = await openTarget(address, values, { settings, progress });
    const found = await resolveTarget(target, cacheFolderOf(settings));
    for (const warning of [...found.found.warnings, ...found.proved.warnings]) progress.warn(warning);
    const resolved = resolvedJson(found);
    if (json) printJson(resolved);
    else printResolved(resolved, found.proved.by);
  });
}

/** Looks into the tree with questions alone: no kernel and no initrd is fetched. */
async function resolveTarget(target: OpenTarget, cacheFolder: string): Promise<ResolvedTarget<FileJson>> {
  const { request, repository, trust } = target;
  const chain = openTrustChain((path) => readRepositoryText(repository, path), trust, cacheFolder);
  const found = await resolveTree<FileJson>(wholeCatalog(), request, {
    address: repository.address,
    remark: (path) => repository.remark(path),
    readText: chain.readText,
    look: async (path, source) => {
      if (source !== "repository") throw notInRepository(request);
      const facts = await repository.look(path);
      return facts === null ? null : { url: repository.addressOf(path), path, digest: null, size: facts.size };
    },
  });
  return { found, proved: await chain.prove(found) };
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
