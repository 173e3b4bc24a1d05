/**
 * guestboot as a library: what an installation from a repository needs, and what a guest's disk would boot.
 *
 * Nothing here ends the process, writes to a terminal, or reads the host's settings (`/etc/guestboot.conf`,
 * `/etc/guestboot/`, `http_proxy`): what is not given is not looked at. The exception is the system's own: its
 * certificates for https, `/usr/share/keyrings` where no keyrings are given, and `/sys/dev/block` for block devices.
 * Everything that fails throws a `GuestbootError`, whose `code` programs may rely on.
 *
 * A guest's disk is read in this process and with its rights. Every reader checks its bounds and has a budget, but the
 * bytes are a stranger's: a process that holds secrets reads them in another one, as the program `guestboot` does.
 */
export { GuestbootError, type ErrorCode } from "../base/errors.ts";
export type { ByteSource } from "../base/byte-source.ts";
export type { Progress, Transfer } from "../base/progress.ts";
export type { DirectoryEntry, FilesystemNode, GuestFilesystem, NodeKind } from "../filesystem/filesystem.ts";
export type { FileJson, ResolvedJson } from "../pipeline/installer-json.ts";
export type { BootEntriesJson, BootEntryJson } from "../pipeline/boot-entries.ts";
export { openDisk, readBootEntries, type DiskOptions, type DiskVolume, type GuestDisk } from "./disk.ts";
export {
  fetch,
  resolve,
  type FetchedFile,
  type FetchedInstaller,
  type FetchRequest,
  type InstallerRequest,
  type TrustRequest,
} from "./installer.ts";
