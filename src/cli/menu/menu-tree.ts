/**
 * The entries of a boot config as a menu shows them: those of one submenu together, at the submenu's place.
 */
import type { BootConfig, BootEntry } from "../../bootconfig/boot-config.ts";

export type MenuItem =
  | { readonly kind: "entry"; readonly entry: BootEntry }
  /** Titles of the way to it, its own last. */
  | { readonly kind: "submenu"; readonly title: string; readonly way: readonly string[] };

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
