/**
 * The order of boot loader entries: the specification's, which systemd-boot follows, and GRUB's.
 */
import { compareRpmVersions, compareVersions, type VersionOrder } from "./version-order.ts";

/** What entries are sorted by. */
export interface Sortable {
  /** The file's name without counter and extension. */
  readonly name: string;
  /** Null where boots are not counted. */
  readonly triesLeft: number | null;
  readonly triesDone: number;
  readonly sortKey: string | null;
  readonly machineId: string | null;
  readonly version: string | null;
}

/**
 * "Sorting" in https://uapi-group.org/specifications/specs/boot_loader_specification/: what has failed too often is
 * last; then by sort key, machine, and newest version first; where that does not tell, by name, newest first.
 */
export function bySpecification(a: Sortable, b: Sortable): number {
  return (
    Number(a.triesLeft === 0) - Number(b.triesLeft === 0) ||
    Number(a.sortKey === null) - Number(b.sortKey === null) ||
    (a.sortKey === null ? 0 : bySortKey(a, b)) ||
    compareVersions(b.name, a.name) ||
    // Beyond the specification, as systemd-boot: what has more tries left, then what has failed less often.
    (b.triesLeft ?? Infinity) - (a.triesLeft ?? Infinity) ||
    a.triesDone - b.triesDone ||
    byText(a.name, b.name)
  );
}

/** GRUB's `blscfg`: the file's name taken for a package's, newest first. */
export function byFileName(a: Sortable, b: Sortable): number {
  const [left, right] = [splitPackage(a.name), splitPackage(b.name)];
  return (
    compareRpmVersions(right.name, left.name) ||
    compareRpmVersions(right.version, left.version) ||
    compareRpmVersions(right.release, left.release) ||
    byText(b.name, a.name)
  );
}

function bySortKey(a: Sortable, b: Sortable): number {
  return (
    byText(a.sortKey ?? "", b.sortKey ?? "") ||
    byText(a.machineId ?? "", b.machineId ?? "") ||
    compareVersions(b.version ?? "", a.version ?? "")
  );
}

const byText: VersionOrder = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** `NAME-VERSION-RELEASE`. */
function splitPackage(text: string): { readonly name: string; readonly version: string; readonly release: string } {
  const last = text.lastIndexOf("-");
  if (last < 0) return { name: text, version: "", release: "" };
  const before = text.lastIndexOf("-", last - 1);
  const release = text.slice(last + 1);
  if (before < 0 || last === 0) return { name: text.slice(0, Math.max(last, 0)), version: "", release };
  return { name: text.slice(0, before), version: text.slice(before + 1, last), release };
}
