/**
 * The story of an installation round: the plan from the record, the installer's files from the repository through the
 * cache into the boot directory, then the record, then the answer. Whatever fails on the way, the record is as it was
 * and no file stays.
 */
import * as fs from "node:fs";
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import type { RepositorySettings } from "../base/repository-settings.ts";
import type { TrustSettings } from "../base/trust-settings.ts";
import { findFamily, type Catalog } from "../distro/catalog.ts";
import { readInstallRequest, type InstallRequest } from "../distro/install-request.ts";
import { wishesOfMirror } from "../distro/installer-arguments.ts";
import type { Resolution, TreeResolution } from "../distro/resolve.ts";
import { openDisk } from "../disk/open-disk.ts";
import { parseLocation } from "../repository/location.ts";
import { openRepository } from "../repository/open.ts";
import { createBootFile, ownBootFiles, type BootFiles } from "../store/boot-files.ts";
import { markBootFiles, sweepBootFiles } from "../store/boot-marks.ts";
import { handOut } from "../store/hand-out.ts";
import { sweepStore } from "../store/prune.ts";
import { openStore, type StoredFile } from "../store/store.ts";
import type { Answer, ArgumentPiece } from "../toolstack/answer.ts";
import { inverseOf, type RecordChange, type RecordStore, type VmRecord } from "../toolstack/vm-record.ts";
import { copyOut } from "./copy-out.ts";
import { withJournal } from "./journal.ts";
import { obtain, type Freshness } from "./obtain.ts";
import { obtainInstaller } from "./obtain-installer.ts";
import { NO_PATCHES, patchesWanted, type GivenPatches } from "./patches-wanted.ts";
import type { Prepared } from "./confine-installation.ts";
import type { InstallationNeeds } from "./installation-reach.ts";
import { needsOf } from "./installation-needs.ts";
import { planRound, type DiskPlan, type InstallerPlan } from "./plan.ts";
import { bootAfterInstallation } from "./second-round.ts";
import { vmTrust } from "./trust-wanted.ts";
import { vmRepositoryOptions } from "./vm-repository.ts";
import { withoutWebPages } from "./web-pages.ts";

export interface InstallStart {
  readonly vm: string;
  /** The guest's bootable disk: for an installation from `cdrom` its CD device. */
  readonly disk: string;
  readonly records: RecordStore;
  readonly catalog: Catalog;
  readonly cacheFolder: string;
  /** When a copy in the cache needs no question to its server; each start asks when not given. */
  readonly freshness?: Freshness | undefined;
  /** Bytes that the cache may hold; null or not given: any number. */
  readonly cacheSize?: number | null | undefined;
  readonly bootFolder: string;
  readonly progress: Progress;
  /** Where proxies are looked up. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What the host's settings say of single repositories. */
  readonly repositories: readonly RepositorySettings[];
  /** What the host's settings say of the proof that files need. */
  readonly trust: readonly TrustSettings[];
  /** Where dom0 keeps installer kernels of distributions that have no Xen kernel of their own (RHEL 4). */
  readonly guestInstallerFolder: string;
  /** What a member of the initrd may expand to, in bytes. */
  readonly maxInitrdSize: number;
  readonly signal?: AbortSignal | undefined;
  /** Gives up what the installation has no need for, before anything from outside is parsed; null: nothing. */
  readonly confine: ((needs: InstallationNeeds) => Promise<Prepared>) | null;
  /** Come before the installer's arguments (eliloader's order). */
  readonly givenArguments: readonly ArgumentPiece[];
  /** What the files need beside what the record asks for. */
  readonly patches?: GivenPatches | undefined;
  /** Come after the installer's arguments. */
  readonly extraArguments: readonly ArgumentPiece[];
  deliver(answer: Answer): void;
}

/** @throws GuestbootError; the record is as it was and no file is left behind then */
export async function startInstallation(start: InstallStart): Promise<void> {
  const record = await start.records.read(start.vm);
  start.progress.step?.("record read");
  const request = readInstallRequest(record.other_config, record.uuid);
  const plan = planRound(record, request, findFamily(start.catalog, request.family));
  if (plan.kind === "disk") {
    await startSecondRound(start, record, plan);
    return;
  }
  // The files' owner is a program, and no other can be started behind the walls.
  using files = ownBootFiles(start.bootFolder);
  await using _prepared = await start.confine?.(needsOf(start, record, request));
  sweepBootFiles(start.cacheFolder);
  sweepStore(start.cacheFolder);
  const filled = plan.isChosenByMedium
    ? (await import("./medium-boot.ts")).fillFromMedium(plan, start.disk, (line) => start.progress.say(line))
    : plan;
  using mark = markBootFiles(start.cacheFolder, [files.kernel, files.ramdisk]);
  const found = await placeInstaller(start, record, request, filled, files);
  start.signal?.throwIfAborted();
  const hasRamdisk = found.ramdisks.length > 0;
  const deliver = (answer: Answer) => {
    mark.told();
    start.deliver(answer);
  };
  await changeAndDeliver({ ...start, deliver }, record, plan.changes, {
    kernel: files.kernel,
    ramdisk: hasRamdisk ? files.ramdisk : null,
    arguments: [...start.givenArguments, { text: found.arguments, escaped: false }, ...start.extraArguments],
  });
  files.keep(hasRamdisk ? "kernel and ramdisk" : "kernel");
}

/** Puts the installer's files in place. What the cache loses between finding a file and handing it out is fetched once more. */
async function placeInstaller(
  start: InstallStart,
  record: VmRecord,
  request: InstallRequest,
  plan: InstallerPlan,
  { kernel, ramdisk }: BootFiles,
): Promise<TreeResolution<StoredFile>> {
  for (let tries = 1; ; tries += 1) {
    const found = await fetchInstaller(start, record, request, plan);
    try {
      putInPlace(found, kernel, ramdisk, start.cacheFolder);
      return found;
    } catch (error) {
      if (tries > 1 || !(error instanceof GuestbootError) || error.code !== "STORE_DAMAGED") throw error;
      for (const file of [kernel, ramdisk]) fs.rmSync(file, { force: true });
    }
  }
}

async function startSecondRound(start: InstallStart, record: VmRecord, plan: DiskPlan): Promise<void> {
  using boot = await bootAfterInstallation(start, record, plan);
  if (plan.detachUpdatesDisk) {
    start.progress.warn(
      "take the installation's extra disk of updates away from the VM: its record does not tell which disk it is " +
        "(other-config:install-updates-disk names its userdevice)",
    );
  }
  await changeAndDeliver(start, record, boot.changes, {
    kernel: boot.kernel,
    ramdisk: boot.ramdisk,
    arguments: [...start.givenArguments, { text: boot.arguments, escaped: false }, ...start.extraArguments],
  });
  boot.keep();
}

async function fetchInstaller(
  start: InstallStart,
  record: VmRecord,
  request: InstallRequest,
  plan: InstallerPlan,
): Promise<TreeResolution<StoredFile>> {
  const { progress, signal } = start;
  const options = { ...vmRepositoryOptions(record, request, start), cdromDevice: start.disk, progress };
  const location = parseLocation(request.repository);
  const trust = vmTrust(record, start.trust, location);
  await using repository = withoutWebPages(await openRepository(location, options));
  const { patches = NO_PATCHES, guestInstallerFolder } = start;
  const wanted = patchesWanted(record.other_config, record.uuid, patches, guestInstallerFolder);
  const store = openStore(start.cacheFolder, { md5: typeof wanted?.fixupsFolder === "string" });
  progress.say(`installing ${request.family} from ${repository.address}`);
  const installer = wishesOfMirror(plan.request.installer, request.repository, repository);
  const lookOnHost = async (path: string) => {
    // Not `existsSync`, to which a folder that cannot be looked at is none.
    if (fs.statSync(start.guestInstallerFolder, { throwIfNoEntry: false }) === undefined) return null;
    await using folder = await openRepository(parseLocation(start.guestInstallerFolder), options);
    return await obtain(path, { repository: folder, store, progress, signal });
  };
  // What another start has learnt since this process was started is news enough.
  const since = Date.now() - process.uptime() * 1000;
  const { found } = await obtainInstaller({
    catalog: start.catalog,
    request: { ...plan.request, installer },
    repository,
    store,
    trust,
    freshness: start.freshness ?? { freshFor: 0, offline: false, since },
    cacheSize: start.cacheSize ?? null,
    progress,
    signal,
    lookOnHost,
  });
  if (wanted === null) return found;
  const { patchInstaller } = await import("./patched-installer.ts");
  const patching = { store, progress, options, maxInitrdSize: start.maxInitrdSize, signal };
  const patched = await patchInstaller(found, wanted, patching);
  progress.step?.("patched");
  return patched;
}

/**
 * The record first, with what it was before noted in it, then the answer; an answer that cannot be given takes the
 * changes back.
 */
async function changeAndDeliver(
  start: InstallStart,
  record: VmRecord,
  changes: readonly RecordChange[],
  answer: Answer,
): Promise<void> {
  const made = await start.records.apply(record.uuid, withJournal(record, changes));
  start.progress.step?.("record changed", `${made.length} changes`);
  try {
    start.deliver(answer);
    start.progress.step?.("answered", answer.kernel);
  } catch (error) {
    await start.records.apply(record.uuid, inverseOf(made));
    throw error;
  }
}

function putInPlace(found: Resolution<StoredFile>, kernel: string, ramdisk: string, cacheFolder: string): void {
  handOut(found.kernel.path, kernel, cacheFolder);
  const [first, ...more] = found.ramdisks;
  if (first === undefined) return;
  if (more.length === 0) handOut(first.path, ramdisk, cacheFolder);
  else joinRamdisks(found.ramdisks, ramdisk);
}

/** A guest gets one ramdisk: several are joined, as the kernel unpacks them one after the other. */
function joinRamdisks(ramdisks: readonly StoredFile[], path: string): void {
  using stack = new DisposableStack();
  const sources = ramdisks.map((file) => stack.use(openDisk(file.path)).source);
  const fd = createBootFile(path);
  try {
    copyOut(sources, { fd, path, role: "ramdisk", maxSize: Number.MAX_SAFE_INTEGER }, null);
  } finally {
    fs.closeSync(fd);
  }
}
