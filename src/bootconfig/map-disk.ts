/**
 * `--map-disk hda=xvda`: the names of disks in a guest's arguments, for guests that were moved from a machine whose
 * disks had other names. Only what names a whole disk or a partition of it changes, and only in `root=` and `resume=`;
 * `UUID=…` and `LABEL=…` stay right by themselves.
 */
import { GuestbootError } from "../base/errors.ts";

/** Names as below /dev: "hda", "cciss/c0d0". */
export interface DiskRename {
  readonly from: string;
  readonly to: string;
}

const MAX_RENAMES = 32;

/**
 * @param words "hda=xvda" each, "/dev/" before either name or not
 * @throws USAGE for words of another form, and for a disk that is to get two names
 */
export function readDiskRenames(words: readonly string[]): DiskRename[] {
  const renames = words.map(readRename);
  const names = new Set(renames.map(({ from }) => from));
  if (names.size < renames.length) {
    throw new GuestbootError("USAGE", `--map-disk: one disk cannot get two names: ${words.join(" ")}`);
  }
  if (renames.length > MAX_RENAMES) {
    throw new GuestbootError("USAGE", `--map-disk: more than ${MAX_RENAMES} disks`);
  }
  return renames;
}

/** The command line with its disks renamed, all at once: `hda=hdb` and `hdb=hda` swap them. */
export function renameDisks(commandLine: string, renames: readonly DiskRename[]): string {
  if (renames.length === 0) return commandLine;
  return commandLine.replace(
    /(^|[ \t])(root|resume)=([^ \t]+)/g,
    (_, blank: string, key: string, value: string) => `${blank}${key}=${renameDevice(value, renames)}`,
  );
}

function renameDevice(value: string, renames: readonly DiskRename[]): string {
  const prefix = value.startsWith("/dev/") ? "/dev/" : "";
  const name = value.slice(prefix.length);
  for (const { from, to } of renames) {
    const partition = partitionOf(name, from);
    if (partition !== null) return prefix + partitionName(to, partition);
  }
  return value;
}

/** The number after the disk's name, "" for the disk itself; null when it is another disk. */
function partitionOf(name: string, disk: string): string | null {
  if (!name.startsWith(disk)) return null;
  const rest = name.slice(disk.length);
  if (rest === "") return "";
  return (endsInDigit(disk) ? /^p(\d{1,3})$/ : /^(\d{1,3})$/).exec(rest)?.[1] ?? null;
}

/** `xvda1`; `nvme0n1p1`, because the kernel puts a `p` between two numbers. */
function partitionName(disk: string, partition: string): string {
  return partition !== "" && endsInDigit(disk) ? `${disk}p${partition}` : disk + partition;
}

const endsInDigit = (name: string): boolean => /\d$/.test(name);

function readRename(words: string): DiskRename {
  const match = /^(?:\/dev\/)?([\w-]{1,64}(?:\/[\w-]{1,64})?)=(?:\/dev\/)?([\w-]{1,64}(?:\/[\w-]{1,64})?)$/.exec(words);
  const [, from, to] = match ?? [];
  if (from !== undefined && to !== undefined) return { from, to };
  throw new GuestbootError("USAGE", `--map-disk=${words}: must name two disks, as in --map-disk=hda=xvda`);
}
