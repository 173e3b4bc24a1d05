/**
 * The story of an installation round: the plan from the record, the installer's files from the repository through the
 * cache into the boot directory, then the record, then the answer. Whatever fails on the way, the record is as it was
 * and no file stays.
 */
import * as fs from "node:fs";
import type { Progress } from "../base/progress.ts";
import { candidatesFor } from "../distro/candidates.ts";
import { findFamily, type Catalog } from "../distro/catalog.ts";
import { readInstallRequest } from "../distro/install-request.ts";
import { resolveCandidate, type Resolution } from "../distro/resolve.ts";
import { parseLocation } from "../repository/location.ts";
import { openRepository } from "../repository/open.ts";
import { createBootFile, ownBootFiles } from "../store/boot-files.ts";
import { handOut } from "../store/hand-out.ts";
import { openStore, type StoredFile } from "../store/store.ts";
import type { Answer, ArgumentPiece } from "../toolstack/answer.ts";
import { inverseOf, type RecordStore } from "../toolstack/vm-record.ts";
import { openDisk } from "../disk/open-disk.ts";
import { copyOut } from "./copy-out.ts";
import { obtain } from "./obtain.ts";
import { planInstallation } from "./plan.ts";

export interface InstallStart {
  readonly vm: string;
  readonly records: RecordStore;
  readonly catalog: Catalog;
  readonly cacheFolder: string;
  readonly bootFolder: string;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
  /** Come before the installer's arguments (eliloader's order). */
  readonly givenArguments: readonly ArgumentPiece[];
  /** Come after the installer's arguments. */
  readonly extraArguments: readonly ArgumentPiece[];
  deliver(answer: Answer): void;
}

/** @throws GuestbootError; the record is as it was and no file is left behind then */
export async function startInstallation(start: InstallStart): Promise<void> {
  const { records, progress, signal } = start;
  const record = await records.read(start.vm);
  const request = readInstallRequest(record.other_config, record.uuid);
  const family = findFamily(start.catalog, request.family);
  const plan = planInstallation(record, request, family);
  const candidates = candidatesFor(family, plan.target);

  await using repository = await openRepository(parseLocation(request.repository), {});
  const store = openStore(start.cacheFolder);
  progress.say(`installing ${request.family} from ${repository.address}`);
  const found = await resolveCandidate(candidates, repository.address, (path) =>
    obtain(path, { repository, store, progress, signal }),
  );

  using files = ownBootFiles(start.bootFolder);
  putInPlace(found, files.kernel, files.ramdisk);
  signal?.throwIfAborted();
  const made = await records.apply(record.uuid, plan.changes);
  try {
    start.deliver({
      kernel: files.kernel,
      ramdisk: files.ramdisk,
      arguments: [...start.givenArguments, { text: plan.arguments, escaped: false }, ...start.extraArguments],
    });
  } catch (error) {
    await records.apply(record.uuid, inverseOf(made));
    throw error;
  }
  files.keep("kernel and ramdisk");
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
