/**
 * `guestboot fetch`: an installation's kernel and initrds into a folder of the admin's, through the cache.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { readSettings } from "../base/settings.ts";
import { obtain } from "../pipeline/obtain.ts";
import { verifyFiles } from "../pipeline/verify-files.ts";
import type { Repository } from "../repository/repository.ts";
import { handOut } from "../store/hand-out.ts";
import { openStore, type StoredFile } from "../store/store.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cacheFolderOf } from "./folders.ts";
import { helpOf } from "./help.ts";
import { resolvedJson, resolveFor, TARGET_OPTIONS, TRUST_OPTIONS } from "./installer-target.ts";
import { progressFor } from "./progress.ts";
import { printJson, reporting } from "./report.ts";

export async function runFetch(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("fetch", { json }, async () => {
    const { values, positionals } = readArguments(argv, {
      ...TARGET_OPTIONS,
      ...TRUST_OPTIONS,
      output: { type: "string", short: "o" },
    });
    if (values.help === true) {
      process.stdout.write(helpOf("fetch"));
      return;
    }
    const address = onlyOperand(positionals, "REPOSITORY");
    const folder = outputFolder(values.output);
    const progress = progressFor(process.stderr, { quiet: values.quiet === true });
    const settings = await readSettings(process.env);
    const store = openStore(cacheFolderOf(settings));
    const since = new Date();
    const get = (repository: Repository, path: string) => obtain(path, { repository, store, progress });
    const resolved = await resolveFor(address, values, { settings, progress }, get, async (come, repository) => {
      const again = (path: string) => get(repository, path);
      return { ...come, found: await verifyFiles(come.found, come.proved, { store, since, again }) };
    });
    const { candidate, kernel, ramdisks } = resolved.found;
    const files = [
      { stored: kernel, target: targetOf(folder, candidate.kernel) },
      ...ramdisks.map((stored, index) => ({ stored, target: targetOf(folder, candidate.ramdisks[index] ?? "") })),
    ];
    for (const { stored, target } of files) replaceWith(stored, target);
    if (json) {
      const plain = ({ key, digest, size }: StoredFile, path: string) => ({ url: key, path, digest, size });
      printJson(
        resolvedJson({
          ...resolved,
          found: {
            ...resolved.found,
            kernel: plain(kernel, candidate.kernel),
            ramdisks: ramdisks.map((file, index) => plain(file, candidate.ramdisks[index] ?? "")),
          },
        }),
      );
    } else {
      for (const { stored, target } of files) process.stdout.write(`${stored.digest}  ${target}\n`);
    }
  });
}

function targetOf(folder: string, below: string): string {
  return path.join(folder, path.posix.basename(below));
}

/** In one step: a fetch that fails half-way leaves what an earlier one put there. */
function replaceWith(stored: StoredFile, target: string): void {
  const fresh = `${target}.guestboot-${process.pid}`;
  try {
    handOut(stored.path, fresh);
    fs.renameSync(fresh, target);
  } finally {
    // rename(2) leaves both names where they are already the same file.
    fs.rmSync(fresh, { force: true });
  }
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
