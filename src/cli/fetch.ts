/**
 * `guestboot fetch`: an installation's kernel and initrds into a folder of the admin's, through the cache.
 */
import * as fs from "node:fs";
import type { ParseArgsOptionsConfig } from "node:util";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { readSettings, type Settings } from "../base/settings.ts";
import { wholeCatalog } from "../distro/whole-catalog.ts";
import type { TreeResolution } from "../distro/resolve.ts";
import type { ResolvedJson } from "../pipeline/installer-json.ts";
import { notInRepository, resolvedJson } from "../pipeline/installer-tree.ts";
import { obtainInstaller, type ObtainedInstaller } from "../pipeline/obtain-installer.ts";
import type { PatchContext } from "../pipeline/patched-installer.ts";
import { patchesWanted, type PatchesWanted } from "../pipeline/patches-wanted.ts";
import { putInFolder } from "../pipeline/put-in-folder.ts";
import { openStore, type StoredFile } from "../store/store.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cancellation } from "./cancellation.ts";
import { LOG_OPTION, withCommandLog } from "./command-log.ts";
import { cacheFolderOf } from "./folders.ts";
import { freshnessOf } from "./freshness.ts";
import { helpOf } from "./help.ts";
import { confineCommand, openTarget, repositoryOptions, TARGET_OPTIONS, TRUST_OPTIONS } from "./installer-target.ts";
import { givenPatches, PATCH_OPTIONS } from "./patch-options.ts";
import { progressOnStandardError } from "./progress.ts";
import { printJson, reporting } from "./report.ts";
import { withLog, type StartLog } from "./start-log.ts";

const OPTIONS = {
  ...TARGET_OPTIONS,
  ...TRUST_OPTIONS,
  ...PATCH_OPTIONS,
  ...LOG_OPTION,
  fixups: { type: "string" },
  output: { type: "string", short: "o" },
  offline: { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

type Values = ReturnType<typeof readArguments<typeof OPTIONS>>["values"];

interface Fetched {
  /** What the repository has, as the cache keeps it. */
  readonly resolved: ObtainedInstaller;
  /** What was put into the folder: patched, where that was wanted. */
  readonly handed: TreeResolution<StoredFile>;
  readonly files: ReturnType<typeof putInFolder>;
  readonly wanted: PatchesWanted | null;
}

export async function runFetch(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("fetch", { json }, async () => {
    const { values, positionals } = readArguments(argv, OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("fetch"));
      return;
    }
    const address = onlyOperand(positionals, "REPOSITORY");
    const folder = outputFolder(values.output);
    const settings = await readSettings(process.env);
    await withCommandLog({ command: "fetch", form: values.log, settings: settings.log }, async (log) => {
      const fetched = await fetchInto(folder, address, values, settings, log);
      for (const { target } of fetched.files) log.step("put", target);
      if (json) printJson(fetchedJson(fetched));
      else printFetched(fetched);
    });
  });
}

async function fetchInto(
  folder: string,
  address: string,
  values: Values,
  settings: Settings,
  log: StartLog,
): Promise<Fetched> {
  const patches = givenPatches(values);
  const wanted = patchesWanted(null, "", patches, values.fixups ?? null);
  const progress = withLog(progressOnStandardError({ quiet: values.quiet === true }), log);
  const catalog = wholeCatalog();
  const reach = { writable: [folder], readable: [values.fixups ?? ""] };
  await using _prepared = await confineCommand([{ address, values, patches }], settings, reach);
  await using target = await openTarget(address, values, { settings, progress });
  using cancelled = cancellation("nothing was put into the folder");
  const store = openStore(cacheFolderOf(settings), { md5: typeof wanted?.fixupsFolder === "string" });
  const { signal } = cancelled;
  const resolved = await obtainInstaller({
    ...target,
    catalog,
    store,
    freshness: freshnessOf(settings, { offline: values.offline === true }),
    cacheSize: settings.cache.maxSize,
    progress,
    signal,
    lookOnHost: () => Promise.reject(notInRepository(target.request)),
  });
  const options = { ...repositoryOptions(values, settings), progress };
  const context = { store, progress, options, maxInitrdSize: settings.maxInitrdSize, signal };
  const handed = await patched(resolved.found, wanted, context);
  return { resolved, handed, wanted, files: putInFolder(handed, folder) };
}

/** The digests are those of the files that were put there, wherever they are from. */
function fetchedJson({ resolved, handed }: Fetched): ResolvedJson {
  const { found } = resolved;
  const { candidate, kernel, ramdisks } = handed;
  const plain = (from: StoredFile | undefined, { digest, size }: StoredFile, path: string) => {
    return { url: from?.key ?? "", path, digest, size };
  };
  return resolvedJson({
    ...resolved,
    found: {
      ...handed,
      kernel: plain(found.kernel, kernel, candidate.kernel),
      ramdisks: ramdisks.map((file, index) => plain(found.ramdisks[index], file, candidate.ramdisks[index] ?? "")),
    },
  });
}

function printFetched({ files, handed, wanted }: Fetched): void {
  for (const { stored, target } of files) process.stdout.write(`${stored.digest}  ${target}\n`);
  if (wanted?.answer !== undefined && wanted.answer !== null) {
    process.stdout.write(`kernel arguments: ${handed.arguments}\n`);
  }
}

async function patched(
  found: TreeResolution<StoredFile>,
  wanted: PatchesWanted | null,
  context: PatchContext,
): Promise<TreeResolution<StoredFile>> {
  if (wanted === null) return found;
  const { patchInstaller } = await import("../pipeline/patched-installer.ts");
  return await patchInstaller(found, wanted, context);
}

function outputFolder(given: string | undefined): string {
  if (given === undefined) throw new GuestbootError("USAGE", "--output is missing: which folder do the files go to?");
  try {
    if (!fs.statSync(given).isDirectory()) throw new GuestbootError("OUTPUT_FAILED", `${given} is not a folder`);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new GuestbootError("OUTPUT_FAILED", `${given} cannot be used: ${systemReason(error)}`, {
      cause: error,
      hint: `mkdir -p ${given}`,
    });
  }
  return given;
}
