/**
 * `guestboot prestage`: installers' images in the host's own folder, for starts without a boot loader and without a
 * network: made, listed, compared with their manifests, renewed, removed.
 */
import * as path from "node:path";
import { parseArgs } from "node:util";
import { asGuestbootError, GuestbootError } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import { withoutSecrets } from "../base/secrets.ts";
import { readSettings, type Settings } from "../base/settings.ts";
import { wholeCatalog } from "../distro/whole-catalog.ts";
import { checkImageName, existingFolder, generations, imageFolder, imageNames } from "../pipeline/prestage-folder.ts";
import { verifyImage } from "../pipeline/prestage-image.ts";
import { readManifest, type Manifest } from "../pipeline/prestage-manifest.ts";
import { removeImage, type Staged } from "../pipeline/prestage.ts";
import { parseLocation } from "../repository/location.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cancellation } from "./cancellation.ts";
import { withCommandLog } from "./command-log.ts";
import { helpOf } from "./help.ts";
import { confineMaking, makeImage, PRESTAGE_OPTIONS, type AskedImage, type Run, type Values } from "./prestage-make.ts";
import { formatBytes, progressOnStandardError } from "./progress.ts";
import { printJson, reporting } from "./report.ts";
import { withLog, type StartLog } from "./start-log.ts";
import { findUsersWith } from "./vm-store.ts";

/** What each command but the making of an image takes. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  list: ["dir", "json", "log"],
  verify: ["dir", "json", "log"],
  refresh: ["dir", "json", "quiet", "offline", "log"],
  remove: ["dir", "force", "log"],
};
export async function runPrestage(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  const outcome = { isBad: false };
  const status = await reporting("prestage", { json }, async () => {
    const { values, positionals } = readArguments(argv, PRESTAGE_OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("prestage"));
      return;
    }
    const [verb = "", ...operands] = positionals;
    checkOptions(verb, values);
    const settings = await readSettings(process.env);
    const about = { command: "prestage", form: values.log, settings: settings.log };
    outcome.isBad = await withCommandLog(about, (log) => carryOut(verb, operands, values, settings, log));
  });
  return status === 0 && outcome.isBad ? 1 : status;
}

/** @returns is something bad? */
async function carryOut(
  verb: string,
  operands: readonly string[],
  values: Values,
  settings: Settings,
  log: StartLog,
): Promise<boolean> {
  const json = values.json === true;
  const folder = path.resolve(values.dir ?? imageFolder());
  using cancelled = cancellation("the images are as they were");
  const { signal } = cancelled;
  const progress = withLog(progressOnStandardError({ quiet: values.quiet === true }), log);
  const catalog = wholeCatalog();
  const run: Run = { folder, settings, progress, log, catalog, isOffline: values.offline === true, signal };
  switch (verb) {
    case "list":
      noOperand(operands);
      list(run, json);
      return false;
    case "verify":
      return verify(operands, run, json);
    case "refresh":
      return await refresh(operands, run, json);
    case "remove": {
      const name = onlyOperand(operands, "the image's NAME");
      await removeImage(folder, name, findUsersWith(settings), values.force === true);
      log.step("removed", path.join(folder, name));
      process.stdout.write(`${name}: removed from ${folder}\n`);
      return false;
    }
    default: {
      if (verb === "") throw new GuestbootError("USAGE", "the image's NAME is missing");
      const name = checkImageName(verb);
      const address = onlyOperand(operands, "REPOSITORY");
      await using _prepared = await confineMaking([{ name, address, values }], run);
      const staged = await makeImage({ name, address, values }, run);
      if (json) printJson(shownManifest(folder, staged.manifest));
      else process.stdout.write(wordsOf(folder, name, staged));
      return false;
    }
  }
}

function list({ folder }: Run, json: boolean): void {
  const manifests: Manifest[] = [];
  const unreadable: string[] = [];
  for (const name of imageNames(folder)) {
    try {
      manifests.push(readManifest(existingFolder(folder, name)));
    } catch (thrown) {
      unreadable.push(`${name}: ${asGuestbootError(thrown).message}`);
    }
  }
  if (json) printJson(manifests.map((manifest) => shownManifest(folder, manifest)));
  for (const line of unreadable) process.stderr.write(`guestboot: ${printable(line)}\n`);
  if (json) return;
  for (const { name, family, release, arch, trust, checked, kernel, ramdisk, repository } of manifests) {
    const size = formatBytes(kernel.size + (ramdisk?.size ?? 0));
    const facts = [name, `${family} ${release} ${arch}`, size, trust, checked.slice(0, 10), repository];
    process.stdout.write(`${facts.map(printable).join("  ")}\n`);
  }
}

/** @returns is something bad? */
function verify(names: readonly string[], { folder, log }: Run, json: boolean): boolean {
  const results = [];
  for (const name of names.length > 0 ? names : imageNames(folder)) {
    try {
      results.push({ name, bad: verifyImage(folder, name) });
    } catch (thrown) {
      const error = asGuestbootError(thrown);
      if (error.code !== "PRESTAGED_INVALID") throw error;
      results.push({ name, bad: [{ path: path.join(folder, name), reason: error.message }] });
    }
  }
  for (const { name, bad } of results) {
    for (const each of bad) log.warn(`${name}: ${each.path}: ${each.reason}`);
    if (bad.length === 0) log.step("verified", name);
  }
  if (json) printJson(results.map(({ name, bad }) => ({ name, ok: bad.length === 0, bad })));
  else {
    for (const { name, bad } of results) {
      if (bad.length === 0) process.stdout.write(`${name}: as its manifest says\n`);
      for (const each of bad) process.stdout.write(`${name}: ${printable(each.path)}: ${printable(each.reason)}\n`);
      if (bad.length > 0) process.stderr.write(`  → guestboot prestage refresh ${name}\n`);
    }
  }
  return results.some(({ bad }) => bad.length > 0);
}

/** One that fails does not keep the others from being renewed. @returns has one failed? */
async function refresh(names: readonly string[], run: Run, json: boolean): Promise<boolean> {
  const { folder } = run;
  const wanted = names.length > 0 ? names : imageNames(folder);
  const results: object[] = [];
  let hasFailed = false;
  await using _prepared = await confineMaking(await askedFor(wanted, folder), run);
  for (const name of wanted) {
    try {
      const staged = await makeImage(readAsked(name, folder), run);
      results.push({ name, unchanged: staged.isUnchanged, kept: staged.kept });
      if (!json) process.stdout.write(wordsOf(folder, name, staged));
    } catch (thrown) {
      run.signal.throwIfAborted();
      if (wanted.length === 1) throw thrown;
      const error = asGuestbootError(thrown);
      const { code, message, hint } = error;
      run.log.fail(error, name);
      hasFailed = true;
      results.push({ name, error: { code, message, hint } });
      process.stderr.write(`guestboot: ${name}: ${printable(message)}\n`);
      if (hint !== undefined) process.stderr.write(`  → ${printable(hint)}\n`);
    }
  }
  if (json) printJson(results);
  return hasFailed;
}

/** What the image was made of, from its manifest. @throws PRESTAGED_UNKNOWN, PRESTAGED_INVALID, INVALID_SOURCE */
function readAsked(name: string, folder: string): AskedImage {
  const { request } = readManifest(existingFolder(folder, name));
  const { values, positionals } = parseArgs({ args: [...request], options: PRESTAGE_OPTIONS, allowPositionals: true });
  const address = onlyOperand(positionals, "REPOSITORY");
  parseLocation(address);
  return { name, address, values };
}

/** Those that can be read; what is wrong with the others is told in their turn. */
async function askedFor(names: readonly string[], folder: string): Promise<AskedImage[]> {
  const asked = await Promise.allSettled(names.map((name) => Promise.try(readAsked, name, folder)));
  return asked.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
}

function wordsOf(folder: string, name: string, { manifest, isUnchanged, kept }: Staged): string {
  const { family, release, arch, trust } = manifest;
  const what = `${family} ${release} ${arch}, trust: ${trust}${isUnchanged ? ", unchanged" : ""}`;
  const lines = [`${path.join(folder, name)}: ${what}`];
  for (const old of kept) lines.push(`  ${old} stays: a VM starts from it`);
  return lines.map((line) => `${printable(line)}\n`).join("");
}

/** Without what was asked for, which may hold a password. */
function shownManifest(folder: string, manifest: Manifest): object {
  const current = existingFolder(folder, manifest.name);
  const shown = Object.fromEntries(Object.entries(manifest).filter(([key]) => key !== "request"));
  return {
    ...shown,
    arguments: withoutSecrets(manifest.arguments),
    folder: current,
    kernel: { ...manifest.kernel, path: path.join(current, manifest.kernel.file) },
    ramdisk:
      manifest.ramdisk === null ? null : { ...manifest.ramdisk, path: path.join(current, manifest.ramdisk.file) },
    kept: generations(folder, manifest.name).filter((each) => each !== current),
  };
}

function checkOptions(verb: string, values: Values): void {
  const takes = Object.hasOwn(TAKES, verb) ? TAKES[verb] : undefined;
  const strange = Object.keys(values).find((name) => {
    return name !== "debug" && (takes === undefined ? name === "force" : !takes.includes(name));
  });
  if (strange !== undefined) throw new GuestbootError("USAGE", `prestage ${verb} takes no --${strange}`);
}

function noOperand([extra]: readonly string[]): void {
  if (extra !== undefined) throw new GuestbootError("USAGE", `"${extra}" is one argument too many`);
}
