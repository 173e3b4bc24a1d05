/**
 * `guestboot fetch`: an installation's kernel and initrds into a folder of the admin's, through the cache.
 */
import * as fs from "node:fs";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { readSettings } from "../base/settings.ts";
import { wholeCatalog } from "../distro/whole-catalog.ts";
import type { TreeResolution } from "../distro/resolve.ts";
import { notInRepository, resolvedJson } from "../pipeline/installer-tree.ts";
import { obtainInstaller } from "../pipeline/obtain-installer.ts";
import type { PatchContext } from "../pipeline/patched-installer.ts";
import { patchesWanted, type PatchesWanted } from "../pipeline/patches-wanted.ts";
import { putInFolder } from "../pipeline/put-in-folder.ts";
import { openStore, type StoredFile } from "../store/store.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cancellation } from "./cancellation.ts";
import { cacheFolderOf } from "./folders.ts";
import { freshnessOf } from "./freshness.ts";
import { helpOf } from "./help.ts";
import { confineCommand, openTarget, repositoryOptions, TARGET_OPTIONS, TRUST_OPTIONS } from "./installer-target.ts";
import { givenPatches, PATCH_OPTIONS } from "./patch-options.ts";
import { progressFor } from "./progress.ts";
import { printJson, reporting } from "./report.ts";

export async function runFetch(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("fetch", { json }, async () => {
    const { values, positionals } = readArguments(argv, {
      ...TARGET_OPTIONS,
      ...TRUST_OPTIONS,
      ...PATCH_OPTIONS,
      fixups: { type: "string" },
      output: { type: "string", short: "o" },
      offline: { type: "boolean" },
    });
    if (values.help === true) {
      process.stdout.write(helpOf("fetch"));
      return;
    }
    const address = onlyOperand(positionals, "REPOSITORY");
    const folder = outputFolder(values.output);
    const patches = givenPatches(values);
    const wanted = patchesWanted(null, "", patches, values.fixups ?? null);
    const progress = progressFor(process.stderr, { quiet: values.quiet === true });
    const settings = await readSettings(process.env);
    const catalog = wholeCatalog();
    confineCommand(address, values, settings, { writable: [folder], patches, fixups: values.fixups });
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
    const handed = await patched(resolved.found, wanted, {
      store,
      progress,
      options,
      maxInitrdSize: settings.maxInitrdSize,
      signal,
    });
    const { candidate, kernel, ramdisks } = handed;
    const files = putInFolder(handed, folder);
    if (json) {
      // The digests are those of the files that were put there, wherever they are from.
      const plain = (from: StoredFile | undefined, { digest, size }: StoredFile, path: string) => {
        return { url: from?.key ?? "", path, digest, size };
      };
      const { found } = resolved;
      printJson(
        resolvedJson({
          ...resolved,
          found: {
            ...handed,
            kernel: plain(found.kernel, kernel, candidate.kernel),
            ramdisks: ramdisks.map((file, index) =>
              plain(found.ramdisks[index], file, candidate.ramdisks[index] ?? ""),
            ),
          },
        }),
      );
    } else {
      for (const { stored, target } of files) process.stdout.write(`${stored.digest}  ${target}\n`);
      if (wanted?.answer !== undefined && wanted.answer !== null) {
        process.stdout.write(`kernel arguments: ${handed.arguments}\n`);
      }
    }
  });
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
