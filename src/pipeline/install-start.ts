/**
 * The story of an installation round: the plan from the record, the installer's files from the repository through the
 * cache into the boot directory, then the record, then the answer. Whatever fails on the way, the record is as it was
 * and no file stays.
 */
import * as fs from "node:fs";
import type { Progress } from "../base/progress.ts";
import { findFamily, type Catalog } from "../distro/catalog.ts";
import { readInstallRequest, type InstallRequest } from "../distro/install-request.ts";
import { resolveTree, type Resolution, type TreeResolution } from "../distro/resolve.ts";
import { openDisk } from "../disk/open-disk.ts";
import { parseLocation } from "../repository/location.ts";
import { openRepository } from "../repository/open.ts";
import type { Repository } from "../repository/repository.ts";
import { createBootFile, ownBootFiles } from "../store/boot-files.ts";
import { handOut } from "../store/hand-out.ts";
import { openStore, type StoredFile } from "../store/store.ts";
import type { Answer, ArgumentPiece } from "../toolstack/answer.ts";
import { inverseOf, type RecordChange, type RecordStore, type VmRecord } from "../toolstack/vm-record.ts";
import { copyOut } from "./copy-out.ts";
import { obtain } from "./obtain.ts";
import { planRound, type DiskPlan, type InstallerPlan } from "./plan.ts";
import { readRepositoryText } from "./read-text.ts";
import { bootAfterInstallation } from "./second-round.ts";

/** Where dom0 keeps installer kernels of distributions that have no Xen kernel of their own (RHEL 4). */
const GUEST_INSTALLER_FOLDER = "/opt/xensource/packages/files/guest-installer";

export interface InstallStart {
  readonly vm: string;
  /** The guest's bootable disk: for an installation from `cdrom` its CD device. */
  readonly disk: string;
  readonly records: RecordStore;
  readonly catalog: Catalog;
  readonly cacheFolder: string;
  readonly bootFolder: string;
  readonly progress: Progress;
  /** Where proxies are looked up. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal | undefined;
  /** Come before the installer's arguments (eliloader's order). */
  readonly givenArguments: readonly ArgumentPiece[];
  /** Come after the installer's arguments. */
  readonly extraArguments: readonly ArgumentPiece[];
  deliver(answer: Answer): void;
}

/** @throws GuestbootError; the record is as it was and no file is left behind then */
export async function startInstallation(start: InstallStart): Promise<void> {
  const record = await start.records.read(start.vm);
  const request = readInstallRequest(record.other_config, record.uuid);
  const plan = planRound(record, request, findFamily(start.catalog, request.family));
  if (plan.kind === "disk") {
    await startSecondRound(start, record, plan);
    return;
  }
  const found = await fetchInstaller(start, request, plan);
  for (const warning of found.warnings) start.progress.warn(warning);

  using files = ownBootFiles(start.bootFolder);
  putInPlace(found, files.kernel, files.ramdisk);
  start.signal?.throwIfAborted();
  const hasRamdisk = found.ramdisks.length > 0;
  await changeAndDeliver(start, record, plan.changes, {
    kernel: files.kernel,
    ramdisk: hasRamdisk ? files.ramdisk : null,
    arguments: [...start.givenArguments, { text: found.arguments, escaped: false }, ...start.extraArguments],
  });
  files.keep(hasRamdisk ? "kernel and ramdisk" : "kernel");
}

async function startSecondRound(start: InstallStart, record: VmRecord, plan: DiskPlan): Promise<void> {
  using boot = await bootAfterInstallation(start, record, plan);
  if (plan.detachUpdatesDisk) start.progress.warn("the installation's extra disk of updates is not needed any more");
  await changeAndDeliver(start, record, boot.changes, {
    kernel: boot.kernel,
    ramdisk: boot.ramdisk,
    arguments: [...start.givenArguments, { text: boot.arguments, escaped: false }, ...start.extraArguments],
  });
  boot.keep();
}

async function fetchInstaller(
  start: InstallStart,
  request: InstallRequest,
  plan: InstallerPlan,
): Promise<TreeResolution<StoredFile>> {
  const { progress, signal } = start;
  const options = {
    proxy: request.proxy ?? undefined,
    environment: start.environment,
    cdromDevice: start.disk,
    progress,
  };
  await using repository = await openRepository(parseLocation(request.repository), options);
  const store = openStore(start.cacheFolder);
  progress.say(`installing ${request.family} from ${repository.address}`);
  const from = (source: Repository, path: string) => obtain(path, { repository: source, store, progress, signal });
  return await resolveTree(start.catalog, plan.request, {
    address: repository.address,
    readText: (path) => readRepositoryText(repository, path, signal),
    async look(path, source) {
      if (source === "repository") return from(repository, path);
      if (!fs.existsSync(GUEST_INSTALLER_FOLDER)) return null;
      await using folder = await openRepository(parseLocation(GUEST_INSTALLER_FOLDER), options);
      return await from(folder, path);
    },
  });
}

/** The record first, then the answer; an answer that cannot be given takes the changes back. */
async function changeAndDeliver(
  start: InstallStart,
  record: VmRecord,
  changes: readonly RecordChange[],
  answer: Answer,
): Promise<void> {
  const made = await start.records.apply(record.uuid, changes);
  try {
    start.deliver(answer);
  } catch (error) {
    await start.records.apply(record.uuid, inverseOf(made));
    throw error;
  }
}

function putInPlace(found: Resolution<StoredFile>, kernel: string, ramdisk: string): void {
  handOut(found.kernel.path, kernel);
  const [first, ...more] = found.ramdisks;
  if (first === undefined) return;
  if (more.length === 0) handOut(first.path, ramdisk);
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
