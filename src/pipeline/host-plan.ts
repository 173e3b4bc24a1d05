/**
 * What has to change on a host so that its toolstack runs us as `pygrub` and `eliloader`: pure, from what is there to
 * a list of changes.
 *
 * xl, libvirt and the wrapper script of xenopsd from 2023 to 2026 run fixed paths, so a link is put there. xenopsd
 * itself takes paths from xenopsd.conf: a path that is named there gets a link, and where none leads to a program
 * (XCP-ng 8.3 has no eliloader) an entry names ours.
 */
import { entryOf } from "./host-conf.ts";

export type LoaderName = "pygrub" | "eliloader";

/** A path at which a toolstack looks for a loader. All paths are the host's own, without the root of `--root`. */
export interface Place {
  readonly loader: LoaderName;
  readonly path: string;
  /** `follows`: a link that leads to another of the places, and so follows it. */
  readonly holds: "nothing" | "ours" | "another" | "follows";
}

export interface HostFacts {
  readonly places: readonly Place[];
  /** xenopsd.conf; null: this is no xapi host. */
  readonly conf: string | null;
  /** Is xenopsd's wrapper script there, which runs a fixed path? */
  readonly hasWrapper: boolean;
  /** Our names that lie in `OWN_FOLDER` already, from our package or an earlier installation. */
  readonly ready: readonly LoaderName[];
  /** Our executable. */
  readonly program: string;
}

export type Change =
  | { readonly kind: "link"; readonly path: string; readonly target: string; readonly replaces: boolean }
  | { readonly kind: "entry"; readonly path: string; readonly key: LoaderName; readonly value: string };

export const LOADERS: readonly LoaderName[] = ["pygrub", "eliloader"];
export const XENOPSD_CONF = "/etc/xenopsd.conf";
/** What the wrapper script runs, and where XenServer and XCP-ng have upstream's. */
export const WRAPPED_PYGRUB = "/usr/libexec/xen/bin/pygrub";
/** Where our names lie when an entry has to name one. */
export const OWN_FOLDER = "/usr/libexec/guestboot";

export function planInstall({ places, conf, hasWrapper, ready, program }: HostFacts): readonly Change[] {
  return LOADERS.flatMap((loader): Change[] => {
    const own = places.filter((place) => place.loader === loader);
    const links = own
      .filter(({ holds }) => holds === "another")
      .map(({ path }): Change => ({ kind: "link", path, target: program, replaces: true }));
    if (conf === null || own.some(({ holds }) => holds !== "nothing")) return links;
    if (loader === "pygrub" && hasWrapper) {
      return [{ kind: "link", path: WRAPPED_PYGRUB, target: program, replaces: false }];
    }
    const value = `${OWN_FOLDER}/${loader}`;
    const named: Change[] = ready.includes(loader)
      ? []
      : [{ kind: "link", path: value, target: program, replaces: false }];
    if (entryOf(conf, loader) === value) return named;
    return [...named, { kind: "entry", path: XENOPSD_CONF, key: loader, value }];
  });
}

/** A change in words. */
export function wordsOf(change: Change): string {
  if (change.kind === "entry") return `${change.path}: ${change.key} = ${change.value}`;
  const aside = change.replaces ? `; the program that is there now is kept as ${keptName(change.path)}` : "";
  return `${change.path} becomes a link to ${change.target}${aside}`;
}

/** The name beside it under which what was there is kept. */
export function keptName(path: string): string {
  return `${path}.before-guestboot`;
}
