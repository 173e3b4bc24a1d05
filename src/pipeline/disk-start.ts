/**
 * The story of a start from the guest's own disk: everything that needs rights is opened, the rights are given up,
 * and only then the first byte of the guest is looked at. What follows goes through the open descriptors alone.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { chooseEntry } from "../bootconfig/choose.ts";
import { isFolder } from "../disk/is-folder.ts";
import { openDisk, type OpenDisk } from "../disk/open-disk.ts";
import { readVolumes } from "../disk/volumes.ts";
import type { BootFiles } from "../store/boot-files.ts";
import type { Answer, ArgumentPiece } from "../toolstack/answer.ts";
import { confine, type ConfineOptions } from "./confine.ts";
import { copyOut, type SendingDisk } from "./copy-out.ts";
import {
  findConfig,
  findFiles,
  folderPlace,
  openChosen,
  placesOf,
  type BootSearch,
  type FoundBoot,
  type FoundConfig,
} from "./find-boot.ts";
import { findOrGuess, placesFrom } from "./guess-boot.ts";
import type { ChooseInteractively } from "./interactive-choice.ts";

export interface DiskStart {
  /** A disk, or a folder that stands for the root of a guest's filesystem. */
  readonly disk: string;
  /** The VM that starts, where the toolstack told us; for the words of a failure. */
  readonly vm: string | null;
  /** Where the filesystem starts, in bytes, when the caller knows it better than the partition table; or null. */
  readonly offset: number | null;
  /** The caller's own choice of files inside the guest; else the boot config is read. */
  readonly files: NamedBootFiles | null;
  /** `--entry`: an index or a title, or null. */
  readonly entry: string | null;
  /** May a kernel be taken by its name where the disk has no boot config? */
  readonly guess: boolean;
  /** Asks a person, who may choose an entry or change one; null where there is nobody to ask. */
  readonly menu: ChooseInteractively | null;
  /** Come after the entry's own arguments. */
  readonly extraArguments: readonly ArgumentPiece[];
  /** The user to become before parsing, or null. */
  readonly uid: number | null;
  /** Bytes that a kernel or ramdisk may have at most. */
  readonly maxFileSize: number;
  /** The folder that the boot files go to; null when nothing is to be copied and only said what would boot. */
  readonly bootFolder: string | null;
  /** Writes the answer to the toolstack. */
  deliver(answer: Answer): void;
  warn(line: string): void;
  /** A step is done, for the log. */
  step?(step: string, words?: string): void;
}

/** Files of the guest; `device` where it is known which volume has them ("xvda1"). */
export interface NamedBootFiles {
  readonly device: string | null;
  readonly kernel: string;
  readonly ramdisk: string | null;
}

/** Set by the build of the confinement's tests, and nowhere else true. */
declare const GUESTBOOT_PLANTED_BUG: boolean | undefined;

const LARGEST_ANSWER = 1024 * 1024;

/** @throws GuestbootError; no file is left behind then */
export async function startFromDisk(start: DiskStart): Promise<void> {
  using guest = await openStart(start.disk);
  if (start.bootFolder === null) {
    confine({ uid: start.uid, largestFile: LARGEST_ANSWER, ...guest.keep });
    const chosen = await choose(start, guest);
    start.step?.("entry chosen", chosen.kernelPath);
    const [ramdisk] = chosen.ramdiskPaths;
    start.deliver({
      kernel: `<kernel:${chosen.kernelPath}>`,
      ramdisk: ramdisk === undefined ? null : `<ramdisk:${ramdisk}>`,
      arguments: chosen.arguments,
    });
    return;
  }
  // Loaded here: a start that copies nothing has no use for it.
  const { createBootFile, ownBootFiles } = await import("../store/boot-files.ts");
  const { prepareSendFile } = await import("../base/send-file.ts");
  using files = ownBootFiles(start.bootFolder);
  const sending = guest.disk === null ? null : { fd: guest.disk.fd, send: prepareSendFile() };
  const [kernelFd, ramdiskFd] = [createBootFile(files.kernel), createBootFile(files.ramdisk)];
  const attack =
    typeof GUESTBOOT_PLANTED_BUG === "boolean" && GUESTBOOT_PLANTED_BUG
      ? (await import("./planted-bug.ts")).plantBug()
      : null;
  // The answer may go to a file too, and a small limit for boot files is not meant for it.
  confine({ uid: start.uid, largestFile: Math.max(start.maxFileSize, LARGEST_ANSWER), ...guest.keep });
  if (guest.disk !== null) await attack?.(guest.disk.source);
  extract(start, await choose(start, guest), sending, files, kernelFd, ramdiskFd);
}

function extract(
  start: DiskStart,
  chosen: Chosen,
  sending: SendingDisk | null,
  files: BootFiles,
  kernelFd: number,
  ramdiskFd: number,
): void {
  const { maxFileSize: maxSize } = start;
  start.step?.("entry chosen", chosen.kernelPath);
  copyOut([chosen.kernel], { fd: kernelFd, path: files.kernel, role: "kernel", maxSize }, sending);
  const hasRamdisk = chosen.ramdisks.length > 0;
  if (hasRamdisk) copyOut(chosen.ramdisks, { fd: ramdiskFd, path: files.ramdisk, role: "ramdisk", maxSize }, sending);
  start.step?.("copied out");
  start.deliver({
    kernel: files.kernel,
    ramdisk: hasRamdisk ? files.ramdisk : null,
    arguments: chosen.arguments,
  });
  start.step?.("answered", files.kernel);
  files.keep(hasRamdisk ? "kernel and ramdisk" : "kernel");
}

interface Chosen {
  readonly kernel: ByteSource;
  readonly kernelPath: string;
  readonly ramdisks: readonly ByteSource[];
  readonly ramdiskPaths: readonly string[];
  readonly arguments: readonly ArgumentPiece[];
}

/** What is started: opened while there are rights, looked into after. */
interface OpenStart extends Disposable {
  /** null for a folder, which stands for the root of a guest's filesystem. */
  readonly disk: OpenDisk | null;
  readonly keep: Pick<ConfineOptions, "keep">;
  look(offset: number | null): Pick<BootSearch, "places" | "notes">;
}

async function openStart(path: string): Promise<OpenStart> {
  if (isFolder(path)) {
    const { openFolder } = await import("../filesystem/folder.ts");
    const filesystem = openFolder(path);
    return {
      disk: null,
      keep: { keep: "fs.read" },
      look: () => ({ places: [folderPlace(filesystem)], notes: [] }),
      [Symbol.dispose]: () => undefined,
    };
  }
  const disk = openDisk(path);
  return {
    disk,
    keep: {},
    look(offset) {
      const { source, sectorSize } = disk;
      const table = readVolumes(source, { sectorSize, ...(offset === null ? {} : { offset }) });
      return { places: placesOf(table), notes: table.notes };
    },
    [Symbol.dispose]: () => disk[Symbol.dispose](),
  };
}

async function choose(start: DiskStart, guest: OpenStart): Promise<Chosen> {
  const search = { disk: start.disk, vm: start.vm, ...guest.look(start.offset) };
  if (start.files !== null) {
    const { device, kernel, ramdisk } = start.files;
    const found = findFiles({ ...search, places: placesFrom(search.places, device) }, kernel, ramdisk);
    return {
      ...found,
      kernelPath: kernel,
      ramdiskPaths: ramdisk === null ? [] : [ramdisk],
      arguments: start.extraArguments,
    };
  }
  const asked = start.menu === null ? null : await ask(start, search, start.menu);
  const found = asked ?? findOrGuess(search, start.entry, start.guess);
  for (const warning of found.warnings) start.warn(warning);
  const files = found.entry.ramdisks;
  const hasMembers = files.some(({ member }) => member !== undefined);
  return {
    kernel: found.kernel,
    kernelPath: found.entry.kernel.path,
    // Loaded here: few guests have such ramdisks.
    ramdisks: hasMembers ? (await import("./newc-members.ts")).joinedMembers(files, found.ramdisks) : found.ramdisks,
    ramdiskPaths: found.entry.ramdisks.map((ramdisk) => ramdisk.path),
    arguments: [{ text: found.entry.arguments, escaped: false }, ...start.extraArguments],
  };
}

/** What a person wants to boot; null where nobody chose, or where there is nothing to choose from. */
async function ask(start: DiskStart, search: BootSearch, menu: ChooseInteractively): Promise<FoundBoot | null> {
  const found = configOf(search);
  if (found === null) return null;
  const entry = await menu(found.config, {
    surroundings: { own: found.place, volumes: search.places },
    default: chooseEntry(found.config, start.entry).entry,
    check: (wanted) => void openChosen(found, wanted, search),
  });
  return entry === null ? null : openChosen(found, entry, search);
}

/** What is wrong without a config is told by the search that boots: it may guess. */
function configOf(search: BootSearch): FoundConfig | null {
  try {
    return findConfig(search);
  } catch (error) {
    if (error instanceof GuestbootError) return null;
    throw error;
  }
}
