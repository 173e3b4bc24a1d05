/**
 * The entries of a boot config as a menu shows them: those of one submenu together, at the submenu's place.
 */
import type { BootConfig, BootEntry, MenuPassword } from "../../bootconfig/boot-config.ts";

export type MenuItem =
  | { readonly kind: "entry"; readonly entry: BootEntry }
  /** Titles of the way to it, its own last. */
  | { readonly kind: "submenu"; readonly title: string; readonly way: readonly string[] };

export interface SubmenuLock {
  readonly isLocked: boolean;
  /** Those that open this submenu alone, beside the menu's. */
  readonly passwords: readonly MenuPassword[];
}

/** What stands in the submenu at `way`; an empty way is the menu itself. */
export function itemsAt(config: BootConfig, way: readonly string[]): MenuItem[] {
  const items: MenuItem[] = [];
  for (const entry of config.entries) {
    const submenus = entry.submenu ?? [];
    if (way.some((title, depth) => submenus[depth] !== title)) continue;
    const title = submenus[way.length];
    if (title === undefined) {
      items.push({ kind: "entry", entry });
      continue;
    }
    const last = items.at(-1);
    if (last?.kind !== "submenu" || last.title !== title) items.push({ kind: "submenu", title, way: [...way, title] });
  }
  return items;
}

/** What opening the submenu at `way` needs. Several of one title are shown as one: then what any of them needs. */
export function lockOf(config: BootConfig, way: readonly string[]): SubmenuLock {
  const steps = config.entries
    .filter(({ submenu = [] }) => way.every((title, depth) => submenu[depth] === title))
    .flatMap(({ location = [] }) => location.slice(way.length - 1, way.length));
  const locked = steps.filter(({ isLocked }) => isLocked === true);
  const isOne = locked.every(({ position }) => position === locked[0]?.position);
  return { isLocked: locked.length > 0, passwords: isOne ? (locked[0]?.passwords ?? []) : [] };
}

/** The item of the submenu at `way` that is `wanted`, or that leads to it; 0 when none does. */
export function indexOfEntry(config: BootConfig, way: readonly string[], wanted: BootEntry): number {
  const titles = wanted.submenu ?? [];
  const index = itemsAt(config, way).findIndex((item) =>
    item.kind === "entry" ? item.entry === wanted : item.title === titles[way.length] && titles.length > way.length,
  );
  return Math.max(index, 0);
}

export function titleOf(item: MenuItem): string {
  return item.kind === "entry" ? item.entry.title : item.title;
}
