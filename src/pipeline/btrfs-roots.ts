/**
 * A guest's filesystem by the paths that its boot loader uses. On btrfs they begin at one of two roots: GRUB's at the
 * top-level subvolume (`/@/boot/vmlinuz`), or at the default one where openSUSE's `btrfs_relative_path` is set; and a
 * person's at the root of the running system. What is not there from the default one is looked for from the top.
 *
 * No other subvolume is tried: a file that only an old snapshot has is not there.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { openBtrfs } from "../filesystem/btrfs/btrfs-driver.ts";
import { openFilesystem } from "../filesystem/detect.ts";
import type { GuestFilesystem } from "../filesystem/filesystem.ts";
import { guestFilesystem } from "../filesystem/guest-filesystem.ts";

/** @throws what `openFilesystem` throws */
export function openBootFilesystem(source: ByteSource): GuestFilesystem {
  const filesystem = openFilesystem(source);
  return filesystem.type === "btrfs" ? orFromTop(filesystem, source) : filesystem;
}

function orFromTop(byDefault: GuestFilesystem, source: ByteSource): GuestFilesystem {
  let opened: GuestFilesystem | null = null;
  const top = (): GuestFilesystem => (opened ??= guestFilesystem(openBtrfs(source, { root: "top" })));
  /** Where the path is; the default root where it is nowhere, for the words of the failure. */
  const rootOf = (path: string): GuestFilesystem =>
    byDefault.find(path) === null && top().find(path) !== null ? top() : byDefault;
  return {
    ...byDefault,
    find: (path) => byDefault.find(path) ?? top().find(path),
    open: (path) => rootOf(path).open(path),
    list: (path) => rootOf(path).list(path),
  };
}
