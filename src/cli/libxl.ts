/**
 * How libxl starts a loader, and libvirt through it: what has to be known beside the arguments themselves.
 */
import type { PygrubBoot } from "./pygrub-options.ts";

/** A start's time is measured: libxl ends it then, without a word. */
export interface StartBound {
  /** Seconds from the program's start, after which we end it ourselves. */
  readonly seconds: number;
  /** When libxl would. */
  readonly libxlSeconds: number;
}

/** LIBXL_BOOTLOADER_TIMEOUT of libxl_internal.h. */
const LIBXL_SECONDS = 120;
/** What taking everything back and saying so may take. */
const LAST_SECONDS = 5;

/**
 * The time that libxl gives a start: none unless the guest's loader is restricted to a user of its own
 * (`bootloader_restrict`), else what the environment variable says that libxl itself reads (0: for ever), or 120 s.
 *
 * @returns null: as long as it takes
 */
export function boundOf(options: PygrubBoot, environment: NodeJS.ProcessEnv): StartBound | null {
  // Of all callers libxl alone says both where the answer goes and where the files go.
  const isRestricted = options.runas !== null && options.output !== null && options.outputDirectory !== null;
  if (!isRestricted) return null;
  const given = environment["LIBXL_BOOTLOADER_TIMEOUT"];
  const libxlSeconds = given === undefined ? LIBXL_SECONDS : Number.parseInt(given, 10);
  if (!(libxlSeconds > 0)) return null;
  return { seconds: libxlSeconds - Math.min(LAST_SECONDS, libxlSeconds / 4), libxlSeconds };
}

/**
 * The words of a guest's `<bootloader_args>`, which libvirt's driver hands over as one: it means to cut them at blanks,
 * and cuts at the text of all blanks in a row (libxl_conf.c). Here a word is cut before each option in it, so that a
 * value keeps its own blanks. `--args=…` is a kernel's command line, whatever it holds: libxl's own word, too.
 */
export function withWordsOfLibvirt(argv: readonly string[]): string[] {
  return argv.flatMap((word) => {
    const isOptions = /^\s*--?[a-z]/i.test(word) && !word.startsWith("--args=");
    return isOptions && /\s/.test(word) ? word.trim().split(/\s+(?=--[a-z]|-[a-z](?:\s|$))/i) : [word];
  });
}
