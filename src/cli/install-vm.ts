/**
 * A round of a VM's installation, from the command line's side: opens what the story needs and lets it be cancelled.
 */
import { GuestbootError } from "../base/errors.ts";
import { catalogFiles } from "../base/program.ts";
import type { Progress } from "../base/progress.ts";
import type { Settings } from "../base/settings.ts";
import { readCatalog } from "../distro/read-catalog.ts";
import { startInstallation } from "../pipeline/install-start.ts";
import { prepareBootDirectory } from "../store/boot-files.ts";
import type { ArgumentPiece, OutputFormat } from "../toolstack/answer.ts";
import { openAnswerOutput } from "../toolstack/answer-output.ts";
import { openFileStore } from "../toolstack/file-store.ts";
import { formatAnswer } from "../toolstack/format.ts";
import { cacheFolderOf } from "./folders.ts";

export interface InstallVm {
  readonly vm: string;
  readonly disk: string;
  readonly settings: Settings;
  readonly bootFolder: string;
  /** A default boot folder is made when it is missing; a given one must exist. */
  readonly makeBootFolder: boolean;
  readonly progress: Progress;
  readonly format: OutputFormat;
  /** Where the answer goes; null for standard output. */
  readonly output: string | null;
  readonly givenArguments: readonly ArgumentPiece[];
  readonly extraArguments: readonly ArgumentPiece[];
}

export async function installVm(install: InstallVm): Promise<void> {
  const { settings, progress } = install;
  for (const warning of settings.warnings) progress.warn(warning);
  prepareBootDirectory(install.bootFolder, { make: install.makeBootFolder });
  using output = openAnswerOutput(install.output);
  using cancelled = cancellation();
  await startInstallation({
    vm: install.vm,
    disk: install.disk,
    environment: process.env,
    ...hostOf(settings),
    records: openFileStore(settings.stateFolder),
    catalog: readCatalog(catalogFiles()),
    cacheFolder: cacheFolderOf(settings),
    bootFolder: install.bootFolder,
    progress,
    signal: cancelled.signal,
    givenArguments: install.givenArguments,
    extraArguments: install.extraArguments,
    deliver(answer) {
      output.write(formatAnswer(answer, install.format));
      output.close();
    },
  });
}

/** What the host's settings say of installations. */
function hostOf({ repositories, trust, guestInstallerFolder }: Settings) {
  return { repositories, trust, guestInstallerFolder };
}

/** A signal that aborts when a person or a toolstack ends us, so that everything is taken back first. */
function cancellation(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const cancel = (name: NodeJS.Signals) =>
    controller.abort(new GuestbootError("TRANSFER_FAILED", `cancelled by ${name}; the VM is as it was`));
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of names) process.on(name, cancel);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, cancel);
    },
  };
}
