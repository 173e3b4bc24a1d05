/**
 * A round of a VM's installation, from the command line's side: opens what the story needs and lets it be cancelled.
 */
import { prepareQuickEnd } from "../base/end.ts";
import { asGuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import type { Settings } from "../base/settings.ts";
import { wholeCatalog } from "../distro/whole-catalog.ts";
import { confineInstallation } from "../pipeline/confine-installation.ts";
import { startInstallation } from "../pipeline/install-start.ts";
import type { GivenPatches } from "../pipeline/patches-wanted.ts";
import { prepareBootDirectory } from "../store/boot-files.ts";
import { warningOfLength, type ArgumentPiece, type OutputFormat } from "../toolstack/answer.ts";
import { openAnswerOutput } from "../toolstack/answer-output.ts";
import { openRecordStore, reachOfToolstack } from "../toolstack/choose-store.ts";
import { formatAnswer } from "../toolstack/format.ts";
import { cancellation } from "./cancellation.ts";
import { cacheFolderOf } from "./folders.ts";
import { freshnessOf } from "./freshness.ts";
import type { StartBound } from "./libxl.ts";
import { openStartLog, withLog } from "./start-log.ts";

export interface InstallVm {
  readonly vm: string;
  readonly disk: string;
  readonly settings: Settings;
  readonly bootFolder: string;
  /** A default boot folder is made when it is missing; a given one must exist. */
  readonly makeBootFolder: boolean;
  /** Nothing is asked of the network, whatever the settings say. */
  readonly offline: boolean;
  /** The toolstack ends a start that takes longer; null: it does not. */
  readonly bound?: StartBound | null;
  readonly progress: Progress;
  /** The program's name, for the log. */
  readonly program: string;
  /** false: standard error is the toolstack's, for a failure's last words alone. */
  readonly ownsStandardError: boolean;
  /** Each step is said on standard error too. */
  readonly saysSteps?: boolean;
  readonly format: OutputFormat;
  /** Where the answer goes; null for standard output. */
  readonly output: string | null;
  readonly patches?: GivenPatches | undefined;
  readonly givenArguments: readonly ArgumentPiece[];
  readonly extraArguments: readonly ArgumentPiece[];
}

export async function installVm(install: InstallVm): Promise<void> {
  const log = openStartLog(install.settings.log, install);
  try {
    await installLogged({ ...install, progress: withLog(install.progress, log) });
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    log.fail(error);
    throw error;
  }
}

async function installLogged(install: InstallVm): Promise<void> {
  const { settings, progress } = install;
  for (const warning of settings.warnings) progress.warn(warning);
  prepareBootDirectory(install.bootFolder, { make: install.makeBootFolder });
  using output = openAnswerOutput(install.output);
  using cancelled = cancellation("the VM is as it was", install.bound ?? null);
  await using records = await openRecordStore(settings);
  await records.recover(install.vm);
  const cacheFolder = cacheFolderOf(settings);
  const host = {
    writable: [cacheFolder, settings.stateFolder, install.bootFolder],
    ...reachOfToolstack(settings.toolstack),
  };
  await startInstallation({
    vm: install.vm,
    disk: install.disk,
    environment: process.env,
    ...hostOf(settings),
    freshness: freshnessOf(settings, { offline: install.offline }),
    records,
    catalog: wholeCatalog(),
    cacheFolder,
    bootFolder: install.bootFolder,
    progress,
    signal: cancelled.signal,
    confine: (needs) => confineInstallation({ needs, host, memory: settings.limits.memory }),
    patches: install.patches,
    givenArguments: install.givenArguments,
    extraArguments: install.extraArguments,
    deliver(answer) {
      const warning = warningOfLength(answer);
      if (warning !== null) progress.warn(warning);
      output.write(formatAnswer(answer, install.format));
      output.close();
    },
  });
  prepareQuickEnd();
}

/** What the host's settings say of installations. */
function hostOf({ repositories, trust, guestInstallerFolder, cache, maxInitrdSize }: Settings) {
  return { repositories, trust, guestInstallerFolder, maxInitrdSize, cacheSize: cache.maxSize };
}
