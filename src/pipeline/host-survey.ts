/**
 * Looks for the loaders of this host: at the paths that toolstacks of all ages run, and at those that xenopsd's settings
 * name. Changes nothing.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { entriesOf, settingOf, type ConfFile } from "./host-conf.ts";
import {
  LOADERS,
  OWN_FOLDER,
  WRAPPED_PYGRUB,
  XENOPSD_CONF,
  XENOPSD_FRAGMENTS,
  type HostFacts,
  type Place,
} from "./host-plan.ts";

const LIBRARY_FOLDERS = ["/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/libexec", "/usr/local/libexec"];
const PROGRAM_FOLDERS = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/xensource/libexec", "/opt/xensource/bin"];
const WRAPPER = "pygrub-wrapper";
/** As many as the kernel follows: path_resolution(7). */
const MOST_LINKS = 40;
const LARGEST_CONF = 1024 * 1024;

/**
 * @param root where the host's files are: `/`, or the root of an image
 * @param program our executable, as the host sees it
 * @throws HOST_UNCHANGEABLE when one of xenopsd's settings files cannot be read
 */
export function surveyHost(root: string, program: string): HostFacts {
  const conf = readConfFiles(root);
  const xenFolders = LIBRARY_FOLDERS.flatMap((folder) =>
    namesIn(path.join(root, folder))
      .filter((name) => /^xen(-[\d.]+)?$/.test(name))
      .map((name) => `${folder}/${name}/bin`),
  );
  // Each search-path is added to those before it.
  const searched = conf.flatMap(({ text }) => entriesOf(text, "search-path").flatMap((each) => each.split(":")));
  const folders = [...new Set([...PROGRAM_FOLDERS, ...xenFolders, ...searched.filter(isAbsolute)])];
  const places = LOADERS.flatMap((loader) => {
    const configured = settingOf(conf, loader)?.value ?? null;
    const named = configured !== null && isAbsolute(configured) && path.basename(configured) !== WRAPPER;
    const paths = [...folders.map((folder) => `${folder}/${loader}`), ...(named ? [configured] : [])];
    return placesAt(root, loader, [...new Set(paths.map((each) => path.normalize(each)))], program);
  });
  const hasWrapper = folders.some((folder) => fs.existsSync(path.join(root, folder, WRAPPER)));
  const ready = LOADERS.filter((loader) => isOurs(root, `${OWN_FOLDER}/${loader}`, program));
  const lost = LOADERS.filter((loader) => {
    const configured = settingOf(conf, loader)?.value ?? null;
    return configured !== null && isAbsolute(configured) && !isThere(root, configured);
  });
  return { places: places.filter(({ holds }) => holds !== "nothing"), conf, lost, hasWrapper, ready, program };
}

/** xenopsd's settings, in the order in which it reads them: of its folder it takes every file, whatever its name. */
function readConfFiles(root: string): ConfFile[] {
  const fragments = namesIn(path.join(root, XENOPSD_FRAGMENTS)).sort();
  return [XENOPSD_CONF, ...fragments.map((name) => `${XENOPSD_FRAGMENTS}/${name}`)].flatMap((file) => {
    const text = readConf(path.join(root, file));
    return text === null ? [] : [{ path: file, text }];
  });
}

/** Is there anything at a path, as seen inside `root`? A link counts, wherever it leads. */
function isThere(root: string, inside: string): boolean {
  const folder = resolveIn(root, path.dirname(inside));
  if (folder === null) return false;
  return fs.lstatSync(path.join(root, folder, path.basename(inside)), { throwIfNoEntry: false }) !== undefined;
}

function placesAt(root: string, loader: Place["loader"], paths: readonly string[], program: string): Place[] {
  // One folder may have two names (/usr/lib64 is a link on some hosts): a file in it is one place.
  const seen = new Set<string>();
  const own = paths.flatMap((each): { path: string; resolved: string }[] => {
    const folder = resolveIn(root, path.dirname(each));
    if (folder === null) return [];
    const resolved = `${folder}/${path.basename(each)}`;
    if (seen.has(resolved)) return [];
    seen.add(resolved);
    return [{ path: each === WRAPPED_PYGRUB ? each : resolved, resolved }];
  });
  return own.map(({ path: each, resolved }): Place => {
    const status = fs.lstatSync(path.join(root, each), { throwIfNoEntry: false });
    if (status === undefined || status.isDirectory()) return { loader, path: each, holds: "nothing" };
    if (!status.isSymbolicLink()) return { loader, path: each, holds: each === program ? "ours" : "another" };
    const target = path.resolve(path.dirname(resolved), fs.readlinkSync(path.join(root, each)));
    if (isOurs(root, target, program)) return { loader, path: each, holds: "ours" };
    const follows = seen.has(target) && target !== resolved;
    return { loader, path: each, holds: follows ? "follows" : "another" };
  });
}

/** Is it our executable, or one of its other names beside it? */
function isOurs(root: string, target: string, program: string): boolean {
  if (target === program) return true;
  const resolved = resolveIn(root, target);
  return resolved !== null && resolved === resolveIn(root, program);
}

/** Is there something to execute at the path, as seen inside `root`? */
export function isExecutable(root: string, inside: string): boolean {
  // By hand: an absolute link of an image leads to a file of the image, not of this machine.
  let file = path.normalize(inside);
  for (let links = 0; links <= MOST_LINKS; links += 1) {
    const status = fs.lstatSync(path.join(root, file), { throwIfNoEntry: false });
    if (status === undefined) return false;
    if (!status.isSymbolicLink()) return status.isFile() && (status.mode & 0o111) !== 0;
    file = path.resolve(path.dirname(file), fs.readlinkSync(path.join(root, file)));
  }
  return false;
}

/** The path without links, as seen inside `root`; null: there is nothing. */
function resolveIn(root: string, inside: string): string | null {
  try {
    const base = fs.realpathSync(root);
    const real = fs.realpathSync(path.join(base, inside));
    if (base === "/") return real;
    return real.startsWith(`${base}/`) ? real.slice(base.length) : inside;
  } catch {
    return null;
  }
}

export function readConf(file: string): string | null {
  try {
    if (fs.statSync(file).size > LARGEST_CONF) throw new Error(`it has more than ${LARGEST_CONF} bytes`);
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return null;
    throw new GuestbootError("HOST_UNCHANGEABLE", `${file} cannot be read: ${systemReason(error)}`, { cause: error });
  }
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

function isAbsolute(file: string): boolean {
  return file.startsWith("/");
}
