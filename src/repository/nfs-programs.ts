/**
 * The programs that NFS is read with.
 */

export interface NfsPrograms {
  /** The folders in which nfs-cat, nfs-ls and mount are looked for, colons between them. */
  readonly path: string;
  /** Where the folder of a mount is made. */
  readonly temporaryFolder: string;
}
