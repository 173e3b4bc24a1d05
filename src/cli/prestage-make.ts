/**
 * The making of one image, as `guestboot prestage NAME REPOSITORY` and a refresh want it.
 */
import * as path from "node:path";
import type { ParseArgsOptionsConfig } from "node:util";
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import { withoutSecrets } from "../base/secrets.ts";
import type { Settings } from "../base/settings.ts";
import type { TreeResolution } from "../distro/resolve.ts";
import type { Catalog } from "../distro/catalog.ts";
import { resolveTree } from "../distro/resolve.ts";
import { obtainInstaller } from "../pipeline/obtain-installer.ts";
import { patchesWanted, type GivenPatches } from "../pipeline/patches-wanted.ts";
import { generations, prepareImageFolder, usersOf } from "../pipeline/prestage-folder.ts";
import { notInRepository, type InstallerTree } from "../pipeline/installer-tree.ts";
import { checkFits, stageImage, type Staged } from "../pipeline/prestage.ts";
import { openTrustChain } from "../pipeline/trust-chain.ts";
import { readRepositoryText } from "../pipeline/read-text.ts";
import { openStore, type StoredFile } from "../store/store.ts";
import { reachOfToolstack } from "../toolstack/choose-store.ts";
import { ANSWER_OPTIONS } from "./answer-options.ts";
import type { readArguments } from "./arguments.ts";
import { LOG_OPTION } from "./command-log.ts";
import { cacheFolderOf } from "./folders.ts";
import { freshnessOf } from "./freshness.ts";
import type { Prepared } from "../pipeline/confine-installation.ts";
import { confineCommand, openTarget, TARGET_OPTIONS, TRUST_OPTIONS } from "./installer-target.ts";
import type { StartLog } from "./start-log.ts";
import { findUsersWith } from "./vm-store.ts";

export const PRESTAGE_OPTIONS = {
  ...TARGET_OPTIONS,
  ...TRUST_OPTIONS,
  ...ANSWER_OPTIONS,
  ...LOG_OPTION,
  overlay: { type: "string", multiple: true },
  "decompress-kernel": { type: "boolean" },
  dir: { type: "string" },
  offline: { type: "boolean" },
  force: { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

export type Values = ReturnType<typeof readArguments<typeof PRESTAGE_OPTIONS>>["values"];

/** Not part of what was asked for: about this one run. */
const OF_THIS_RUN: readonly string[] = ["dir", "json", "quiet", "offline", "debug", "force", "help", "log"];
/** A refresh runs elsewhere, so these are remembered as absolute paths. */
const ARE_PATHS: readonly string[] = ["overlay", "ca-file", "keyring"];

export interface Run {
  readonly folder: string;
  readonly settings: Settings;
  readonly progress: Progress;
  readonly log: StartLog;
  readonly catalog: Catalog;
  readonly isOffline: boolean;
  readonly signal: AbortSignal;
}

/** One image that is to be made: what `prestage` was asked for. */
export interface AskedImage {
  readonly name: string;
  readonly address: string;
  readonly values: Values;
}

/**
 * The walls of an installation's start around the making of all these images, before the first of them: what one of
 * them needs the others can reach too. @throws as `confineInstallation`, OUTPUT_FAILED, INVALID_SOURCE
 */
export function confineMaking(asked: readonly AskedImage[], { folder, settings }: Run): Promise<Prepared> {
  prepareImageFolder(folder);
  // Whether a VM still starts from an image its record tells, which may be a guest's own file.
  const users = asked.flatMap(({ name }) => generations(folder, name).flatMap(usersOf));
  return confineCommand(
    asked.map(({ address, values }) => ({ address, values, patches: patchesOf(values) })),
    settings,
    {
      writable: [folder],
      readable: [settings.guestInstallerFolder, settings.stateFolder, ...users.filter((user) => user.includes("/"))],
      toolstack: reachOfToolstack(settings.toolstack),
    },
  );
}

/** @throws as `openTarget`, `obtainInstaller`, `patchInstaller` and `stageImage`; the image is as it was then */
export async function makeImage({ name, address, values }: AskedImage, run: Run): Promise<Staged> {
  const { folder, settings, progress, catalog, signal } = run;
  const patches = patchesOf(values);
  const cacheFolder = cacheFolderOf(settings);
  await using target = await openTarget(address, values, { settings, progress });
  if (!run.isOffline) await checkBefore(name, target, run);
  const store = openStore(cacheFolder);
  const { found, proved } = await obtainInstaller({
    ...target,
    catalog,
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
  const staged = await stageImage({
    folder,
    name,
    found: patched,
    proved,
    address: withoutSecrets(target.repository.address),
    request: requestOf(address, values),
    findUsers: findUsersWith(settings),
    signal,
  });
  run.log.step("staged", `${path.join(folder, name)}${staged.isUnchanged ? " (unchanged)" : ""}`);
  return staged;
}

/** With questions alone: what will not fit need not be fetched. */
async function checkBefore(name: string, { request, repository, trust }: InstallerTree, run: Run): Promise<void> {
  const cacheFolder = cacheFolderOf(run.settings);
  const chain = openTrustChain((file) => readRepositoryText(repository, file), trust, cacheFolder);
  const { kernel, ramdisks } = await resolveTree(run.catalog, request, {
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
