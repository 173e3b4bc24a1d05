/**
 * `guestboot prestage`: installers' images in the host's own folder, for starts without a boot loader and without a
 * network: made, listed, compared with their manifests, renewed, removed.
 */
import * as path from "node:path";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { asGuestbootError, GuestbootError } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import type { Progress } from "../base/progress.ts";
import { readSettings, type Settings } from "../base/settings.ts";
import type { TreeResolution } from "../distro/resolve.ts";
import { resolveTree } from "../distro/resolve.ts";
import { wholeCatalog } from "../distro/whole-catalog.ts";
import { obtainInstaller } from "../pipeline/obtain-installer.ts";
import { patchesWanted, type GivenPatches } from "../pipeline/patches-wanted.ts";
import {
  checkImageName,
  existingFolder,
  generations,
  imageFolder,
  imageNames,
  prepareImageFolder,
} from "../pipeline/prestage-folder.ts";
import { verifyImage } from "../pipeline/prestage-image.ts";
import { notInRepository, type InstallerTree } from "../pipeline/installer-tree.ts";
import { readManifest, type Manifest } from "../pipeline/prestage-manifest.ts";
import { checkFits, removeImage, stageImage, type Staged } from "../pipeline/prestage.ts";
import { openTrustChain } from "../pipeline/trust-chain.ts";
import { readRepositoryText } from "../pipeline/read-text.ts";
import { openStore, type StoredFile } from "../store/store.ts";
import { ANSWER_OPTIONS } from "./answer-options.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cancellation } from "./cancellation.ts";
import { cacheFolderOf } from "./folders.ts";
import { freshnessOf } from "./freshness.ts";
import { helpOf } from "./help.ts";
import { openTarget, TARGET_OPTIONS, TRUST_OPTIONS } from "./installer-target.ts";
import { formatBytes, progressFor } from "./progress.ts";
import { printJson, reporting } from "./report.ts";
import { findUsersWith } from "./vm-store.ts";
import { withoutSecrets } from "./vm-words.ts";

const OPTIONS = {
  ...TARGET_OPTIONS,
  ...TRUST_OPTIONS,
  ...ANSWER_OPTIONS,
  overlay: { type: "string", multiple: true },
  "decompress-kernel": { type: "boolean" },
  dir: { type: "string" },
  offline: { type: "boolean" },
  force: { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

type Values = ReturnType<typeof readArguments<typeof OPTIONS>>["values"];

/** What each command but the making of an image takes. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  list: ["dir", "json"],
  verify: ["dir", "json"],
  refresh: ["dir", "json", "quiet", "offline"],
  remove: ["dir", "force"],
};
/** Not part of what was asked for: about this one run. */
const OF_THIS_RUN: readonly string[] = ["dir", "json", "quiet", "offline", "debug", "force", "help"];
/** A refresh runs elsewhere, so these are remembered as absolute paths. */
const ARE_PATHS: readonly string[] = ["overlay", "ca-file", "keyring"];

interface Run {
  readonly folder: string;
  readonly settings: Settings;
  readonly progress: Progress;
  readonly isOffline: boolean;
  readonly signal: AbortSignal;
}

export async function runPrestage(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  const outcome = { isBad: false };
  const status = await reporting("prestage", { json }, async () => {
    const { values, positionals } = readArguments(argv, OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("prestage"));
      return;
    }
    const [verb = "", ...operands] = positionals;
    checkOptions(verb, values);
    const settings = await readSettings(process.env);
    const folder = path.resolve(values.dir ?? imageFolder());
    using cancelled = cancellation("the images are as they were");
    const progress = progressFor(process.stderr, { quiet: values.quiet === true });
    const run: Run = { folder, settings, progress, isOffline: values.offline === true, signal: cancelled.signal };
    switch (verb) {
      case "list":
        noOperand(operands);
        await list(run, json);
        return;
      case "verify":
        outcome.isBad = await verify(operands, run, json);
        return;
      case "refresh":
        outcome.isBad = await refresh(operands, run, json);
        return;
      case "remove": {
        const name = onlyOperand(operands, "the image's NAME");
        await removeImage(folder, name, findUsersWith(settings), values.force === true);
        process.stdout.write(`${name}: removed from ${folder}\n`);
        return;
      }
      default: {
        if (verb === "") throw new GuestbootError("USAGE", "the image's NAME is missing");
        const name = checkImageName(verb);
        const staged = await make(name, onlyOperand(operands, "REPOSITORY"), values, run);
        if (json) printJson(shownManifest(folder, staged.manifest));
        else process.stdout.write(wordsOf(folder, name, staged));
      }
    }
  });
  return status === 0 && outcome.isBad ? 1 : status;
}

/** @throws as `openTarget`, `obtainInstaller`, `patchInstaller` and `stageImage`; the image is as it was then */
async function make(name: string, address: string, values: Values, run: Run): Promise<Staged> {
  const { folder, settings, progress, signal } = run;
  const patches = patchesOf(values);
  prepareImageFolder(folder);
  const cacheFolder = cacheFolderOf(settings);
  await using target = await openTarget(address, values, { settings, progress });
  if (!run.isOffline) await checkBefore(name, target, run);
  const store = openStore(cacheFolder);
  const { found, proved } = await obtainInstaller({
    ...target,
    catalog: wholeCatalog(),
    store,
    freshness: freshnessOf(settings, { offline: run.isOffline }),
    cacheSize: settings.cache.maxSize,
    progress,
    signal,
    lookOnHost: () => Promise.reject(notInRepository(target.request)),
  });
  const patched = await withPatches(found, patches, values, { ...run, store });
  const sizes = { kernel: patched.kernel.size, ramdisks: patched.ramdisks.map(({ size }) => size) };
  checkFits(folder, name, sizes, cacheFolder);
  return await stageImage({
    folder,
    name,
    found: patched,
    proved,
    address: withoutSecrets(target.repository.address),
    request: requestOf(address, values),
    findUsers: findUsersWith(settings),
    signal,
  });
}

/** With questions alone: what will not fit need not be fetched. */
async function checkBefore(name: string, { request, repository, trust }: InstallerTree, run: Run): Promise<void> {
  const cacheFolder = cacheFolderOf(run.settings);
  const chain = openTrustChain((file) => readRepositoryText(repository, file), trust, cacheFolder);
  const { kernel, ramdisks } = await resolveTree(wholeCatalog(), request, {
    address: repository.address,
    remark: (file) => repository.remark(file),
    readText: chain.readText,
    look: async (file, source) => {
      if (source !== "repository") throw notInRepository(request);
      return await repository.look(file, run.signal);
    },
  });
  checkFits(run.folder, name, { kernel: kernel.size, ramdisks: ramdisks.map(({ size }) => size) }, cacheFolder);
}

function patchesOf(values: Values): GivenPatches {
  const [answer = null, another] = (["preseed", "kickstart", "autoyast"] as const).flatMap((kind) => {
    const from = values[kind];
    return from === undefined ? [] : [{ kind, from }];
  });
  if (answer !== null && another !== undefined) {
    throw new GuestbootError("USAGE", `an installer reads one answer file: --${answer.kind} or --${another.kind}`);
  }
  return {
    answer,
    overlays: values.overlay ?? [],
    repack: false,
    decompressKernel: values["decompress-kernel"] === true,
  };
}

/** The control domain's fixups are laid over it too, as over every installer that is started here. */
async function withPatches(
  found: TreeResolution<StoredFile>,
  patches: GivenPatches,
  values: Values,
  { settings, progress, signal, store }: Run & { readonly store: ReturnType<typeof openStore> },
): Promise<TreeResolution<StoredFile>> {
  const wanted = patchesWanted(null, "", patches, settings.guestInstallerFolder);
  if (wanted === null) return found;
  const { patchInstaller } = await import("../pipeline/patched-installer.ts");
  const options = {
    proxy: values.proxy,
    caFile: values["ca-file"],
    environment: process.env,
    settings: settings.repositories,
    progress,
  };
  return await patchInstaller(found, wanted, {
    store,
    progress,
    options,
    maxInitrdSize: settings.maxInitrdSize,
    signal,
  });
}

/** The words that make the same image again, wherever they are said. */
function requestOf(address: string, values: Values): string[] {
  const words = Object.entries(values)
    .filter(([name]) => !OF_THIS_RUN.includes(name))
    .flatMap(([name, value]) => {
      if (typeof value === "boolean") return value ? [`--${name}`] : [];
      return [value].flat().map((each) => `--${name}=${isPath(name, each) ? path.resolve(each) : each}`);
    });
  return [...words, "--", isRelative(address) ? path.resolve(address) : address];
}

function isPath(option: string, value: string): boolean {
  const isAnswer = Object.hasOwn(ANSWER_OPTIONS, option);
  return ARE_PATHS.includes(option) || (isAnswer && !/^[a-z][a-z0-9+.-]*:/i.test(value));
}

/** A folder that is named from where the command was called. */
function isRelative(address: string): boolean {
  return /^\.{1,2}(?:\/|$)/.test(address);
}

async function list({ folder }: Run, json: boolean): Promise<void> {
  const manifests: Manifest[] = [];
  const unreadable: string[] = [];
  for (const name of imageNames(folder)) {
    try {
      manifests.push(await readManifest(existingFolder(folder, name)));
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
async function verify(names: readonly string[], { folder }: Run, json: boolean): Promise<boolean> {
  const results = [];
  for (const name of names.length > 0 ? names : imageNames(folder)) {
    try {
      results.push({ name, bad: await verifyImage(folder, name) });
    } catch (thrown) {
      const error = asGuestbootError(thrown);
      if (error.code !== "PRESTAGED_INVALID") throw error;
      results.push({ name, bad: [{ path: path.join(folder, name), reason: error.message }] });
    }
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
  for (const name of wanted) {
    try {
      const { request } = await readManifest(existingFolder(folder, name));
      const { values, positionals } = parseArgs({ args: [...request], options: OPTIONS, allowPositionals: true });
      const staged = await make(name, onlyOperand(positionals, "REPOSITORY"), values, run);
      results.push({ name, unchanged: staged.isUnchanged, kept: staged.kept });
      if (!json) process.stdout.write(wordsOf(folder, name, staged));
    } catch (thrown) {
      run.signal.throwIfAborted();
      if (wanted.length === 1) throw thrown;
      const { code, message, hint } = asGuestbootError(thrown);
      hasFailed = true;
      results.push({ name, error: { code, message, hint } });
      process.stderr.write(`guestboot: ${name}: ${printable(message)}\n`);
      if (hint !== undefined) process.stderr.write(`  → ${printable(hint)}\n`);
    }
  }
  if (json) printJson(results);
  return hasFailed;
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
