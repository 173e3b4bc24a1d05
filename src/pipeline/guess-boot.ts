/**
 * What a disk boots that has no boot config of use: a kernel by its name, where somebody has allowed the guess; else
 * the failure, with words about what a guess would have found.
 */
import { GuestbootError } from "../base/errors.ts";
import type { GuessedConfig } from "../bootconfig/guess.ts";
import { guessBootConfig } from "../bootconfig/guess.ts";
import { chooseEntry } from "../bootconfig/choose.ts";
import { findBoot, type BootPlace, type BootSearch, type FoundBoot } from "./find-boot.ts";

/**
 * As `findBoot`; where no config boots anything, the first volume with a kernel in `/boot` or `/`.
 * @param isAllowed `--guess`, or the VM's record
 * @throws as `findBoot`, with a hint where a guess would boot something
 */
export function findOrGuess(search: BootSearch, wanted: string | null, isAllowed: boolean): FoundBoot {
  try {
    return findBoot(search, wanted);
  } catch (failure) {
    if (!(failure instanceof GuestbootError) || !NOTHING_CONFIGURED.has(failure.code)) throw failure;
    for (const place of search.places) {
      const guessed = guessAt(place);
      if (guessed === null) continue;
      const { entry } = chooseEntry(guessed.config, null);
      if (!isAllowed) throw withHint(failure, `--guess would boot ${entry.kernel.path} of ${place.name}`);
      const filesystem = place.filesystem();
      return {
        ...guessed,
        place,
        filesystem,
        entry,
        kernel: filesystem.open(entry.kernel.path),
        ramdisks: entry.ramdisks.map((ramdisk) => filesystem.open(ramdisk.path)),
        warnings: [failure.message, ...guessed.config.notes],
      };
    }
    throw failure;
  }
}

const NOTHING_CONFIGURED: ReadonlySet<string> = new Set(["NO_BOOT_CONFIG", "NO_BOOT_ENTRY"]);

/** Null also where the volume cannot be read: why is in the failure already. */
function guessAt(place: BootPlace): GuessedConfig | null {
  try {
    return guessBootConfig(place.filesystem());
  } catch (error) {
    if (error instanceof GuestbootError) return null;
    throw error;
  }
}

function withHint(failure: GuestbootError, more: string): GuestbootError {
  const hint = failure.hint === undefined ? more : `${failure.hint}; or ${more}`;
  return new GuestbootError(failure.code, failure.message, { hint, args: failure.args, cause: failure.cause });
}

/**
 * The places in the order in which files of a named device are looked for: domUloader's `xvda1` is the first
 * partition of whatever disk the guest has. A name without a number, or of a partition that is not there, changes
 * nothing.
 */
export function placesFrom(places: readonly BootPlace[], device: string | null): readonly BootPlace[] {
  const number = device === null ? null : (/^(?:.*\/)?[a-z]+?(\d{1,3})$/.exec(device)?.[1] ?? null);
  if (number === null) return places;
  const isNamed = (place: BootPlace): boolean => place.number === Number(number);
  return [...places.filter(isNamed), ...places.filter((place) => !isNamed(place))];
}
