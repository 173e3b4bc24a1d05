/**
 * `guestboot fetch`: an installation's kernel and initrds into a folder of the admin's, through the cache.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { readSettings } from "../base/settings.ts";
import { obtain } from "../pipeline/obtain.ts";
import { handOut } from "../store/hand-out.ts";
import { openStore, type StoredFile } from "../store/store.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cacheFolderOf } from "./folders.ts";
import { helpOf } from "./help.ts";
import { resolvedJson, resolveFor, TARGET_OPTIONS, type FileJson } from "./installer-target.ts";
import { progressFor } from "./progress.ts";
import { printJson, reporting } from "./report.ts";

interface FetchedFile extends FileJson {
  readonly stored: StoredFile;
}

export async function runFetch(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("fetch", { json }, async () => {
    const { values, positionals } = readArguments(argv, { ...TARGET_OPTIONS, output: { type: "string", short: "o" } });
    if (values.help === true) {
      process.stdout.write(helpOf("fetch"));
      return;
    }
    const address = onlyOperand(positionals, "REPOSITORY");
    const folder = outputFolder(values.output);
    const progress = progressFor(process.stderr, { quiet: values.quiet === true });
    const store = openStore(cacheFolderOf(await readSettings(process.env)));
    const found = await resolveFor(address, values, progress, async (repository, path): Promise<FetchedFile | null> => {
      const stored = await obtain(path, { repository, store, progress });
      if (stored === null) return null;
      return { url: repository.addressOf(path), path, digest: stored.digest, size: stored.size, stored };
    });
    const files = [found.kernel, ...found.ramdisks].map((file) => ({ file, target: targetOf(folder, file.path) }));
    for (const { file, target } of files) replaceWith(file.stored, target);
    if (json) {
      printJson(resolvedJson(found));
    } else {
      for (const { file, target } of files) process.stdout.write(`${file.digest ?? ""}  ${target}\n`);
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
