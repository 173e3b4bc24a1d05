/**
 * The story of a second round: the installation is done, the guest boots from its own disk for the first time. Where
 * its disk has no boot config that can be used (SLES 9 and 10 write none on Xen), the kernel and ramdisk are looked
 * for under the names that the distribution gives them, and kept in the record.
 *
 * The guest's bytes are read by a confined child, ourselves under the name pygrub: this process must keep its rights,
 * since the record is changed after the disk was read.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { asGuestbootError, GuestbootError, isSystemError } from "../base/errors.ts";
import { ownCommand } from "../base/program.ts";
import { keepFiles, type DiskFiles, type DiskPlan } from "./plan.ts";
import type { RecordChange, VmRecord } from "../toolstack/vm-record.ts";

export interface SecondRound {
  readonly disk: string;
  readonly bootFolder: string;
  readonly signal?: AbortSignal | undefined;
}

/** Boot files that are in place; `[Symbol.dispose]` removes them unless they were kept. */
export interface FirstDiskBoot extends Disposable {
  readonly kernel: string;
  readonly ramdisk: string | null;
  readonly arguments: string;
  readonly changes: readonly RecordChange[];
  keep(): void;
}

/**
 * How long a child may take to read the guest's disk, where nobody gives the whole start a time: that ends with the
 * round's signal, for all its children together.
 */
const TIMEOUT_MS = 120_000;
/** How long the end of a round waits for a child that it has ended: a disk that does not answer may hold it. */
const END_MS = 2_000;
const MAX_OUTPUT = 64 * 1024;

/** @throws SECOND_ROUND_FAILED with what each try said, and the signal's reason; no file is left behind then */
export async function bootAfterInstallation(
  round: SecondRound,
  record: VmRecord,
  plan: DiskPlan,
): Promise<FirstDiskBoot> {
  const byConfig = await runPygrub(round, []);
  if (byConfig.ok) return diskBoot(byConfig.answer, plan.changes);
  const reasons = [byConfig.reason];
  for (const { kernel, ramdisk } of namedPairs(plan.lookup)) {
    const byName = await runPygrub(round, [`--kernel=${kernel}`, `--ramdisk=${ramdisk}`]);
    if (byName.ok) return diskBoot(byName.answer, [...keepFiles(record, kernel, ramdisk), ...plan.changes]);
    reasons.push(byName.reason);
  }
  throw new GuestbootError("SECOND_ROUND_FAILED", reasons[0] ?? "pygrub failed", {
    hint:
      reasons.length > 1
        ? `nor is there a kernel by its distribution's names; guestboot vm reinstall ${record.uuid} begins again`
        : `guestboot vm reinstall ${record.uuid} begins the installation again`,
  });
}

/** Every pair of names in every folder, in the order of trying. */
function namedPairs(lookup: DiskFiles | null): { readonly kernel: string; readonly ramdisk: string }[] {
  if (lookup === null) return [];
  return lookup.folders.flatMap((folder) =>
    lookup.files.map(({ kernel, ramdisk }) => {
      const below = folder.endsWith("/") ? folder : `${folder}/`;
      return { kernel: below + kernel, ramdisk: below + ramdisk };
    }),
  );
}

type PygrubResult = { readonly ok: true; readonly answer: string } | { readonly ok: false; readonly reason: string };

async function runPygrub(round: SecondRound, options: readonly string[]): Promise<PygrubResult> {
  const { file, args } = ownCommand();
  const argv = [
    ...args,
    "-q",
    "--output-format=simple",
    `--output-directory=${round.bootFolder}`,
    ...options,
    round.disk,
  ];
  const { execFile } = process.getBuiltinModule("node:child_process");
  const { promise, resolve } = Promise.withResolvers<PygrubResult>();
  round.signal?.throwIfAborted();
  const limits = { argv0: "pygrub", timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT, signal: round.signal };
  const child = execFile(file, argv, { ...limits, encoding: "utf8" }, (error, stdout, stderr) => {
    if (error === null) resolve({ ok: true, answer: stdout });
    else resolve({ ok: false, reason: stderr.replace(/^RuntimeError: /, "").trim() || error.message });
  });
  const result = await promise;
  if (round.signal?.aborted === true) {
    if (result.ok) diskBoot(result.answer, [])[Symbol.dispose]();
    else await ended(child);
    throw asGuestbootError(round.signal.reason);
  }
  return result;
}

/** Its boot files go when it does. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const cancelled = new AbortController();
  const exited = once(child, "exit", { signal: cancelled.signal }).catch(() => undefined);
  const timer = setTimeout(() => cancelled.abort(), END_MS);
  await exited;
  clearTimeout(timer);
}

function diskBoot(answer: string, changes: readonly RecordChange[]): FirstDiskBoot {
  const value = (word: string) => new RegExp(`^${word} (.*)$`, "m").exec(answer)?.[1] ?? null;
  const [kernel, ramdisk] = [value("kernel"), value("ramdisk")];
  if (kernel === null) throw new GuestbootError("SECOND_ROUND_FAILED", "pygrub gave no kernel");
  let kept = false;
  return {
    kernel,
    ramdisk,
    arguments: value("args") ?? "",
    changes,
    keep: () => void (kept = true),
    [Symbol.dispose]() {
      if (kept) return;
      for (const path of [kernel, ramdisk]) if (path !== null) removeIfThere(path);
    },
  };
}

function removeIfThere(path: string): void {
  try {
    fs.unlinkSync(path);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}
