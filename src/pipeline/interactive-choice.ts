/**
 * Where a start from disk asks a person: after the boot config is found, and before the entry's files are read.
 */
import type { BootConfig, BootEntry } from "../bootconfig/boot-config.ts";
import type { Surroundings } from "../bootconfig/guest-volume.ts";

/** What the menu needs of the start beside the config. */
export interface ChoiceTools {
  readonly surroundings: Surroundings;
  /** The entry that boots unless somebody chooses: `--entry`'s, else the config's default. */
  readonly default: BootEntry;
  /** Finds the entry's files without copying them, so that the menu can say what is wrong and stay. @throws */
  check(entry: BootEntry): void;
}

/**
 * Asks. Resolves to the entry to boot, maybe one that is not in the config; to null when nobody chose: then all goes
 * on as without a menu.
 * @throws START_CANCELLED when the person ended the start
 */
export type ChooseInteractively = (config: BootConfig, tools: ChoiceTools) => Promise<BootEntry | null>;
