/**
 * pygrub's `--entry=N|TITLE`: which entry a person asked for.
 *
 * As upstream pygrub: a number first (signs, leading zeros and blanks as Python's `int` takes them, up to nine
 * digits), counted over all titles of the config, bootable or not; else the first entry of exactly that title; else
 * the default, where upstream says nothing and we warn. Beyond upstream: an entry's id, and a path through submenus as
 * GRUB 2 writes it, `1>2` or `Advanced options>Linux 6.1`, each part a number, a title or an id.
 */
import { GuestbootError } from "../base/errors.ts";
import type { BootConfig, BootEntry } from "./boot-config.ts";
import { isNamed, splitPath } from "./menu-path.ts";
import { quote } from "../base/printable.ts";

export interface ChosenEntry {
  /** Index into `entries`. */
  readonly index: number;
  readonly entry: BootEntry;
  /** A sentence for the admin when it is not the one that was asked for. */
  readonly warning: string | null;
}

/** A config as a reader returns it; `numbers` where its syntax counts more than `entries` holds (GRUB legacy). */
type NumberableConfig = BootConfig & { readonly numbers?: readonly number[] };

/** @param wanted what `--entry` was given; null for the config's default */
export function chooseEntry(config: NumberableConfig, wanted: string | null): ChosenEntry {
  const index = wanted === null ? config.default : indexOf(config, wanted);
  const entry = config.entries[index];
  if (entry !== undefined) return { index, entry, warning: null };
  const fallback = config.entries[config.default];
  if (fallback === undefined) throw new GuestbootError("NO_BOOT_ENTRY", "the boot config has no entry");
  const warning =
    `no entry ${quote(wanted ?? "")} boots a kernel in the boot config: ` +
    `the default is booted, ${quote(fallback.title)}`;
  return { index: config.default, entry: fallback, warning };
}

/** -1 when there is no such entry. */
function indexOf(config: NumberableConfig, wanted: string): number {
  if (/^\s{0,9}[+-]?\d{1,9}\s{0,9}$/.test(wanted)) {
    const number = Number(wanted);
    return config.numbers === undefined ? number : config.numbers.indexOf(number);
  }
  const titled = config.entries.findIndex((entry) => entry.title === wanted);
  if (titled >= 0) return titled;
  const identified = config.entries.findIndex((entry) => entry.id !== null && entry.id === wanted);
  return identified >= 0 ? identified : indexOfPath(config.entries, splitPath(wanted));
}

/** The entry at the end of a path; where the path ends at a submenu, the first one in it. */
function indexOfPath(entries: readonly BootEntry[], parts: readonly string[]): number {
  if (parts.length < 2) return -1;
  return entries.findIndex(({ location = [] }) =>
    parts.every((part, depth) => {
      const step = location[depth];
      return step !== undefined && isNamed(step, part);
    }),
  );
}
