/**
 * Makes a host use us, and undoes it without a trace.
 *
 * What will be done is written to a state file before any of it is done. Each step is one rename, so that a VM that
 * starts meanwhile finds the old program or ours, and each can be undone from any point at which it was killed: what
 * was there is kept beside its place as a second name of the same file, and goes back by a rename.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import * as v from "valibot";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { withEntry, withoutEntry } from "./host-conf.ts";
import { keptName, planInstall, type Change } from "./host-plan.ts";
import { readConf, surveyHost } from "./host-survey.ts";

const STATE_FOLDER = "/var/lib/guestboot";
const STATE_NAME = "host-install.json";
const FRESH = ".guestboot-new";

const stateSchema = v.object({
  version: v.literal(1),
  changes: v.array(
    v.variant("kind", [
      v.object({ kind: v.literal("link"), path: v.string(), target: v.string(), replaces: v.boolean() }),
      v.object({
        kind: v.literal("entry"),
        path: v.string(),
        key: v.picklist(["pygrub", "eliloader"]),
        value: v.string(),
      }),
    ]),
  ),
  /** Folders that were made for it, the outermost first. */
  folders: v.array(v.string()),
});

export type HostState = v.InferOutput<typeof stateSchema>;

/** What was installed, also half of it; null: nothing. @throws HOST_UNCHANGEABLE when that cannot be read */
export function readHostState(root: string): HostState | null {
  const file = path.join(root, STATE_FOLDER, STATE_NAME);
  const text = readConf(file);
  if (text === null) return null;
  try {
    return v.parse(stateSchema, JSON.parse(text));
  } catch (error) {
    throw new GuestbootError("HOST_UNCHANGEABLE", `${file} cannot be read: it does not hold what was installed`, {
      hint: "what was replaced lies beside its place, with .before-guestboot at the end of its name",
      cause: error,
    });
  }
}

/**
 * @returns the changes made; none: all was in place
 * @throws HOST_UNCHANGEABLE; nothing has changed then
 */
export function installOnHost(root: string, program: string): readonly Change[] {
  const before = readHostState(root);
  const changes = planInstall(surveyHost(root, program));
  if (changes.length === 0) return [];
  const former = (before?.changes ?? []).filter((each) => !changes.some((change) => isSame(change, each)));
  const folders = [STATE_FOLDER, ...changes.map((change) => path.dirname(change.path))].flatMap((each) =>
    missingFolders(root, each),
  );
  const state: HostState = {
    version: 1,
    changes: [...former, ...changes],
    folders: [...new Set([...(before?.folders ?? []), ...folders])],
  };
  try {
    writeState(root, state);
    for (const change of changes) make(root, change);
  } catch (error) {
    if (before === null) undo(root, state);
    throw unchangeable(error);
  }
  return changes;
}

/** @returns the changes taken back @throws HOST_UNCHANGEABLE; what is left is taken back by another try */
export function uninstallFromHost(root: string): readonly Change[] {
  try {
    const state = readHostState(root);
    undo(root, state ?? { version: 1, changes: [], folders: [] });
    return state?.changes ?? [];
  } catch (error) {
    throw unchangeable(error);
  }
}

function make(root: string, change: Change): void {
  const place = path.join(root, change.path);
  const fresh = `${place}${FRESH}`;
  fs.mkdirSync(path.dirname(place), { recursive: true, mode: 0o755 });
  fs.rmSync(fresh, { force: true });
  if (change.kind === "link") {
    if (change.replaces) keep(place);
    fs.symlinkSync(change.target, fresh);
  } else {
    const conf = fs.readFileSync(place, "utf8");
    const { mode, uid, gid } = fs.statSync(place);
    const kept = keptName(place);
    // Two entries of one file: the file as it was before the first is what is kept.
    if (!fs.existsSync(kept)) keep(place);
    fs.writeFileSync(fresh, withEntry(conf, change.key, change.value), { mode: mode & 0o7777 });
    fs.chownSync(fresh, uid, gid);
    fs.chmodSync(fresh, mode & 0o7777);
  }
  fs.renameSync(fresh, place);
}

/** Gives what is there its second name, in place of one that an earlier installation has kept. */
function keep(place: string): void {
  const fresh = `${place}${FRESH}`;
  fs.linkSync(place, fresh);
  fs.renameSync(fresh, keptName(place));
  // A rename between two names of one file does nothing.
  fs.rmSync(fresh, { force: true });
}

function undo(root: string, state: HostState): void {
  const edited = new Set(state.changes.flatMap((change) => (change.kind === "entry" ? [change.path] : [])));
  for (const change of state.changes.toReversed()) if (change.kind === "link") undoLink(root, change);
  for (const file of edited) undoEntries(root, file, state.changes);
  const folder = path.join(root, STATE_FOLDER);
  fs.rmSync(path.join(folder, `${STATE_NAME}${FRESH}`), { force: true });
  fs.rmSync(path.join(folder, STATE_NAME), { force: true });
  fs.rmSync(`${folder}${FRESH}`, { recursive: true, force: true });
  for (const made of state.folders.toReversed()) removeEmpty(path.join(root, made));
}

function undoLink(root: string, { path: inside, target, replaces }: Change & { readonly kind: "link" }): void {
  const place = path.join(root, inside);
  fs.rmSync(`${place}${FRESH}`, { force: true });
  const isLinked = linkTarget(place) === target;
  if (!replaces) {
    if (isLinked) fs.rmSync(place);
    return;
  }
  const kept = keptName(place);
  if (fs.lstatSync(kept, { throwIfNoEntry: false }) === undefined) return;
  const isGone = fs.lstatSync(place, { throwIfNoEntry: false }) === undefined;
  if (isLinked || isGone) fs.renameSync(kept, place);
  // Not replaced yet, or replaced again by an update of the host, whose program is the right one now.
  else fs.rmSync(kept);
}

function undoEntries(root: string, file: string, changes: readonly Change[]): void {
  const place = path.join(root, file);
  const kept = keptName(place);
  fs.rmSync(`${place}${FRESH}`, { force: true });
  const original = readConf(kept);
  const now = readConf(place);
  if (original === null) return;
  const entries = changes.flatMap((change) => (change.kind === "entry" && change.path === file ? [change] : []));
  const undone = entries.toReversed().reduce((text, { key, value }) => withoutEntry(text, key, value), now ?? original);
  if (undone === original) {
    // The very file, with its times. The rename of a file that was not replaced yet does nothing.
    fs.renameSync(kept, place);
    fs.rmSync(kept, { force: true });
    return;
  }
  // Edited since: only our lines go.
  const { mode, uid, gid } = fs.statSync(place);
  fs.writeFileSync(`${place}${FRESH}`, undone, { mode: mode & 0o7777 });
  fs.chownSync(`${place}${FRESH}`, uid, gid);
  fs.renameSync(`${place}${FRESH}`, place);
  fs.rmSync(kept);
}

/** A folder of our own appears with the state in it: killed before, only the name that an undoing always removes is left. */
function writeState(root: string, state: HostState): void {
  const folder = path.join(root, STATE_FOLDER);
  const text = `${JSON.stringify(state, null, 2)}\n`;
  if (fs.existsSync(folder)) {
    writeDurably(path.join(folder, `${STATE_NAME}${FRESH}`), text);
    fs.renameSync(path.join(folder, `${STATE_NAME}${FRESH}`), path.join(folder, STATE_NAME));
    return;
  }
  fs.rmSync(`${folder}${FRESH}`, { recursive: true, force: true });
  fs.mkdirSync(`${folder}${FRESH}`, { recursive: true, mode: 0o755 });
  writeDurably(path.join(`${folder}${FRESH}`, STATE_NAME), text);
  fs.renameSync(`${folder}${FRESH}`, folder);
}

/** On the disk before anything is replaced. */
function writeDurably(file: string, text: string): void {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_SYNC } = fs.constants;
  const descriptor = fs.openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_SYNC, 0o644);
  try {
    fs.writeFileSync(descriptor, text);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** The folders above it that are not there, the outermost first. */
function missingFolders(root: string, inside: string): string[] {
  const missing: string[] = [];
  for (let each = inside; each !== "/" && !fs.existsSync(path.join(root, each)); each = path.dirname(each)) {
    missing.unshift(each);
  }
  return missing;
}

function removeEmpty(folder: string): void {
  try {
    fs.rmdirSync(folder);
  } catch (error) {
    if (!isSystemError(error, "ENOENT", "ENOTEMPTY")) throw error;
  }
}

function linkTarget(place: string): string | null {
  return fs.lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() === true ? fs.readlinkSync(place) : null;
}

function isSame(one: Change, other: Change): boolean {
  return (
    one.kind === other.kind &&
    one.path === other.path &&
    (one.kind === "link" || ("key" in other && one.key === other.key))
  );
}

function unchangeable(error: unknown): GuestbootError {
  if (error instanceof GuestbootError) return error;
  return new GuestbootError("HOST_UNCHANGEABLE", `this host's loaders could not be changed: ${systemReason(error)}`, {
    hint: isSystemError(error, "EACCES", "EPERM") ? "run it as root" : "guestboot host status tells how it stands",
    cause: error,
  });
}
