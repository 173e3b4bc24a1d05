/**
 * What has to change on a host so that its toolstack runs us as `pygrub` and `eliloader`: pure, from what is there to
 * a list of changes.
 *
 * xl, libvirt and the wrapper script of xenopsd from 2023 to 2026 run fixed paths, so a link is put there. xenopsd
 * itself takes paths from its settings: a path that is named there gets a link, and where none leads to a program
 * (XCP-ng 8.3 has no eliloader) an entry in xenopsd.conf names ours. A fragment in xenopsd.conf.d beats that entry and
 * is not ours to edit (nor could the old one be kept beside it: xenopsd reads all that is there), so what it names is
 * made to lead to us instead.
 */
import { settingOf, type ConfFile } from "./host-conf.ts";

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
  /** xenopsd's settings in the order in which it reads them; empty: this is no xapi host. */
  readonly conf: readonly ConfFile[];
  /** The loaders for which those name an absolute path with nothing at it. */
  readonly lost: readonly LoaderName[];
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
export const XENOPSD_FRAGMENTS = "/etc/xenopsd.conf.d";
/** In every PATH: where xenopsd finds a loader that its settings name without a folder, or not at all. */
const SEARCHED_FOLDER = "/usr/bin";
/** What the wrapper script runs, and where XenServer and XCP-ng have upstream's. */
export const WRAPPED_PYGRUB = "/usr/libexec/xen/bin/pygrub";
/** Where our names lie when an entry has to name one. */
export const OWN_FOLDER = "/usr/libexec/guestboot";

export function planInstall(facts: HostFacts): readonly Change[] {
  const { places, conf, lost, program } = facts;
  return LOADERS.flatMap((loader): Change[] => {
    const own = places.filter((place) => place.loader === loader);
    const links = own
      .filter(({ holds }) => holds === "another")
      .map(({ path }): Change => ({ kind: "link", path, target: program, replaces: true }));
    if (conf.length === 0) return links;
    if (lost.includes(loader)) return [...links, ...whereNamed(loader, facts)];
    return own.some(({ holds }) => holds !== "nothing") ? links : whereNamed(loader, facts);
  });
}

/** xenopsd finds no program for a loader: what has it find ours. */
function whereNamed(loader: LoaderName, { conf, lost, hasWrapper, ready, program }: HostFacts): Change[] {
  const link = (path: string): Change => ({ kind: "link", path, target: program, replaces: false });
  if (loader === "pygrub" && hasWrapper && !lost.includes(loader)) return [link(WRAPPED_PYGRUB)];
  const setting = settingOf(conf, loader);
  const isEditable = conf.some(({ path }) => path === XENOPSD_CONF);
  if (!isEditable || (setting !== null && setting.path !== XENOPSD_CONF)) {
    const name = setting?.value ?? loader;
    return [link(name.startsWith("/") ? name : `${SEARCHED_FOLDER}/${name}`)];
  }
  const value = `${OWN_FOLDER}/${loader}`;
  const named: Change[] = ready.includes(loader) ? [] : [link(value)];
  if (setting?.value === value) return named;
  return [...named, { kind: "entry", path: XENOPSD_CONF, key: loader, value }];
}

/** xenopsd reads its settings, and looks for what they name without a folder, when it starts. */
export function needsRestart(change: Change): boolean {
  return change.kind === "entry" || (!change.replaces && change.path.startsWith(`${SEARCHED_FOLDER}/`));
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
