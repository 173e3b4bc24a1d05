/**
 * A start from disk as pygrub's options ask for it; shared by `pygrub` and `guestboot boot`.
 */
import { asGuestbootError, GuestbootError } from "../base/errors.ts";
import { asMemoryExceeded, setReadLimits } from "../base/limits.ts";
import type { Settings } from "../base/settings.ts";
import { renameDisks, type DiskRename } from "../bootconfig/map-disk.ts";
import { startFromDisk, type DiskStart } from "../pipeline/disk-start.ts";
import type { ChooseInteractively } from "../pipeline/interactive-choice.ts";
import { warningOfLength, type Answer, type ArgumentPiece, type OutputFormat } from "../toolstack/answer.ts";
import { openAnswerOutput } from "../toolstack/answer-output.ts";
import { formatAnswer } from "../toolstack/format.ts";
import { openStartLog, type StartLog } from "./start-log.ts";
import { findUser } from "./find-user.ts";
import type { PygrubBoot } from "./pygrub-options.ts";

export interface DiskBootDefaults {
  /** Where the boot files go unless an option or the settings say. */
  readonly bootFolder: string;
  /** The answer's form unless an option says. */
  readonly format: OutputFormat;
  /** Come after the entry's own arguments and before the options'. */
  readonly extraArguments?: readonly ArgumentPiece[];
  /** The VM's record allows a guess where its disk has no boot config. */
  readonly guess?: boolean;
  /** The program's name, for the log. */
  readonly program: string;
}

export async function bootFromDisk(options: PygrubBoot, settings: Settings, defaults: DiskBootDefaults): Promise<void> {
  const log = openStartLog(settings.log, {
    vm: options.vm,
    program: defaults.program,
    ownsStandardError: options.menu,
  });
  try {
    await bootLogged(options, settings, defaults, log);
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    log.fail(error);
    throw error;
  }
}

async function bootLogged(
  options: PygrubBoot,
  settings: Settings,
  defaults: DiskBootDefaults,
  log: StartLog,
): Promise<void> {
  const warn = (line: string) => {
    log.warn(line);
    // With -q, standard error belongs to a failure's last words: the toolstack reads all of it.
    if (options.menu) process.stderr.write(`warning: ${line}\n`);
  };
  for (const warning of settings.warnings) warn(warning);
  setReadLimits(settings.limits);
  if (options.listEntries || options.isConfig) {
    (await import("./list-entries.ts")).listEntries(options, defaults.format);
    return;
  }
  const uid = options.runas ?? (options.domid === null ? null : domainUser(options.domid));
  const bootFolder = options.notReally ? null : await bootFolderOf(options, settings, defaults);
  const menu = await menuFor(options, warn);
  using output = openAnswerOutput(options.output);
  await startFromDisk({
    disk: options.disk,
    vm: options.vm,
    offset: options.offset,
    files: chosenFiles(options),
    entry: options.entry?.kind === "entry" ? options.entry.wanted : null,
    guess: options.guess || defaults.guess === true,
    menu,
    extraArguments: [...(defaults.extraArguments ?? []), ...givenArguments(options)],
    uid,
    maxFileSize: settings.maxFileSize,
    bootFolder,
    deliver(answer) {
      const warning = warningOfLength(answer);
      if (warning !== null) warn(warning);
      output.write(formatAnswer(withRenames(answer, options.diskRenames), options.outputFormat ?? defaults.format));
      output.close();
    },
    warn,
    step: (step, words) => log.step(step, words),
  }).catch((error: unknown) => {
    throw asMemoryExceeded(error) ?? error;
  });
}

/** Where a person sits at a terminal, and nothing is chosen yet. */
async function menuFor(options: PygrubBoot, warn: (line: string) => void): Promise<ChooseInteractively | null> {
  if (!options.menu || chosenFiles(options) !== null) return null;
  const asked = { isWanted: options.interactive };
  if (process.getBuiltinModule("node:tty").isatty(0)) {
    const { menuOn, ownTerminal } = await import("./menu/run-menu.ts");
    const terminal = ownTerminal(asked);
    if (terminal !== null) return menuOn(terminal, asked);
  }
  if (options.interactive) warn("there is no terminal to show a menu on: the default entry is booted");
  return null;
}

function withRenames(answer: Answer, renames: readonly DiskRename[]): Answer {
  const pieces = answer.arguments.map((piece) => ({ ...piece, text: renameDisks(piece.text, renames) }));
  return { ...answer, arguments: pieces };
}

async function bootFolderOf(options: PygrubBoot, settings: Settings, defaults: DiskBootDefaults): Promise<string> {
  const { prepareBootDirectory } = await import("../store/boot-files.ts");
  const given = options.outputDirectory;
  const folder = given ?? settings.bootFolder ?? defaults.bootFolder;
  prepareBootDirectory(folder, { make: given === null });
  return folder;
}

function chosenFiles(options: PygrubBoot): DiskStart["files"] {
  if (options.kernel !== null) return { device: null, kernel: options.kernel, ramdisk: options.ramdisk };
  return options.entry?.kind === "files" ? options.entry : null;
}

/** The old xapi's come escaped for sxp; `--args` is anybody's and comes as it is meant. */
function givenArguments(options: PygrubBoot): ArgumentPiece[] {
  const fromXapi = [options.defaultArgs, options.extraArgs].filter((text) => text !== null);
  return [...fromXapi.map((text) => ({ text, escaped: true })), { text: options.args, escaped: false }];
}

/** xenopsd's rule for a guest's own unprivileged user: the number of `qemu_base` and the domain's number. */
function domainUser(domid: number): number {
  const base = findUser("qemu_base");
  if (base === null) {
    throw new GuestbootError("CONFINEMENT_FAILED", `--domid=${domid}: this host has no user qemu_base`, {
      hint: "give --runas=UID instead",
    });
  }
  return base + domid;
}
