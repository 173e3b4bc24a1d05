/**
 * The one kind of error that guestboot throws on purpose, and the one table of its codes.
 *
 * An error is written for the admin at 3 am: what failed, on what, why (`message`), and what to type next (`hint`).
 */

/** Every code there is, with what it stands for. `--json` prints the code; programs may rely on it. */
export const ERROR_CODES = {
  USAGE: "the command line is wrong",
  SETTINGS_INVALID: "/etc/guestboot.conf or an environment variable holds a value that cannot be used",
  SYSTEM_FAILED: "the operating system could not do what was asked of it",
  NODE_TOO_OLD: "the runtime is older than guestboot needs",
  INTERNAL: "a defect of guestboot",

  VM_UNKNOWN: "no record of this VM",
  VM_INVALID: "the VM's record cannot be read or asks for something contradictory",
  VM_CHANGED: "somebody else changed the VM's record during the start",
  VM_UNWRITABLE: "the VM's record cannot be changed",
  TOOLSTACK_UNREACHABLE: "the toolstack that keeps the VM's record does not answer",
  TOOLSTACK_REFUSED: "the toolstack answers, but refuses a request",
  HOST_UNCHANGEABLE: "this host's own loaders cannot be replaced or put back",
  LOCK_UNUSABLE: "a lock file cannot be made or used",
  LOCK_TIMEOUT: "another process held a lock for too long",

  UNSUPPORTED_INSTALL_METHOD: "the installation asks for a distribution, transport or option that is not supported",
  SUPPORT_PACKAGE_MISSING: "a support file that the installation needs is not on this host",
  INVALID_SOURCE: "the repository does not hold what the installation needs",
  SECOND_ROUND_FAILED: "the guest does not boot from its disk after its installation",
  CATALOG_INVALID: "a file of the distribution catalog is wrong",

  REPOSITORY_UNREACHABLE: "the repository does not answer",
  REPOSITORY_REFUSED: "the repository answers, but refuses the request",
  REDIRECT_REFUSED: "too many redirects, or one that must not be followed",
  TRANSFER_TRUNCATED: "fewer bytes came than were announced",
  TRANSFER_FAILED: "a transfer broke off",
  DIGEST_MISMATCH: "a file or an index is not the one whose checksum was given for it",
  SIGNATURE_BAD: "a signature does not belong to what it stands beside, or cannot be read",
  TRUST_REQUIRED: "the policy asks for more proof of a file than its repository gives",
  KEYRING_UNUSABLE: "a keyring that was named cannot be read",
  CACHE_UNWRITABLE: "the cache folder cannot be written",
  PRESTAGED_UNKNOWN: "there is no pre-staged image of that name",
  PRESTAGED_INVALID: "a pre-staged image is not what its manifest says, or has none",
  PRESTAGED_IN_USE: "a VM starts from the pre-staged image that is to go",
  NOT_CACHED: "the cache does not hold a file, and the network may not be asked",
  STORE_DAMAGED: "the cache holds bytes that are not what it recorded",

  DISK_UNREADABLE: "the disk cannot be opened or read",
  IMAGE_DAMAGED: "a disk image's structures contradict themselves",
  PARTITION_TABLE_DAMAGED: "a partition table contradicts itself or the disk",
  VOLUMES_DAMAGED: "LVM's metadata contradict themselves",
  NO_FILESYSTEM: "no known filesystem there",
  FILESYSTEM_DAMAGED: "a filesystem's structures contradict themselves",
  DATA_DAMAGED: "compressed data contradicts itself",
  ARCHIVE_DAMAGED: "an initrd's archives contradict themselves, or are cut off",
  FIXUP_MAP_INVALID: "a map of initrd fixups holds a line that cannot be read",
  OVERLAY_INVALID: "an overlay holds something that cannot be put into an initrd",
  FEATURE_UNSUPPORTED: "a filesystem or image uses a feature that guestboot cannot read",
  FILE_MISSING: "no such file in the guest",
  NOT_A_FILE: "the path is something else than what was asked for",
  LINK_LOOP: "too many symbolic links on the way",
  OUT_OF_BOUNDS: "a structure reaches past the end of its bytes",
  BUDGET_EXCEEDED: "reading would take more steps or bytes than is allowed",
  FILE_TOO_LARGE: "a file is larger than the limit for boot files",

  NO_BOOT_CONFIG: "no boot config was found on the disk",
  NO_BOOT_ENTRY: "the boot config has no entry that boots a kernel",

  ANSWER_UNWRITABLE: "a value cannot be carried by the toolstack's output format",
  OUTPUT_FAILED: "the answer could not be written",
  BOOT_DIRECTORY: "the boot directory cannot be used",
  NO_SPACE: "not enough free space",
  CONFINEMENT_FAILED: "rights could not be given up",
  START_CANCELLED: "a person, or a signal, ended the start at the boot menu",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** The next thing to type or to look at, in one sentence. */
  readonly hint?: string | undefined;
  /** What the old xapi expects after the code, a line each. Default: the message. */
  readonly args?: readonly string[] | undefined;
  readonly cause?: unknown;
}

export class GuestbootError extends Error {
  override readonly name = "GuestbootError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly args: readonly string[];

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    const words = withoutPasswords(message);
    super(words, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint === undefined ? undefined : withoutPasswords(details.hint);
    this.args = details.args?.map(withoutPasswords) ?? [words];
  }
}

/**
 * The text with `…` for the user and password of every URL in it. Who knows that something is an address shows it
 * without them; this is for addresses that were given where something else belongs, and are quoted in the error.
 */
export function withoutPasswords(text: string): string {
  // What stands for a user and a password in a hint is none.
  return text.includes("@") ? text.replace(/([a-z][a-z0-9+.-]*:\/\/)(?!USER:PASSWORD@)[^\s/]*@/gi, "$1…@") : text;
}

/** Is this an error of the operating system, and (when given) this one? `isSystemError(error, "ENOENT")`. */
export function isSystemError(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return false;
  return codes.length === 0 || codes.includes(error.code);
}

/** The operating system's words for an error, without Node's decoration: "no such file or directory". */
export function systemReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const reason = /^[A-Z][A-Z0-9_]*: (.*?)(?:, [a-z]+(?: .*)?)?$/s.exec(error.message);
  return reason?.[1] ?? error.message;
}

/** What a disk, a filesystem, the network, a limit or a right gives: with the program all is well. See errno(3). */
const OF_THE_HOST = new Set([
  ...["EIO", "ENXIO", "ENODEV", "EROFS", "ESTALE", "EUCLEAN", "ENOSPC", "EDQUOT", "EFBIG", "EMFILE", "ENFILE"],
  ...["ENOMEM", "EAGAIN", "EINTR", "EBUSY", "ENOLCK", "EACCES", "EPERM", "ENOBUFS", "ETIMEDOUT", "EPIPE"],
  ...["ECONNREFUSED", "ECONNRESET", "ECONNABORTED", "EHOSTUNREACH", "ENETUNREACH", "ENETDOWN"],
]);

/** Any thrown value as one of ours; a foreign one that is no failure of the host's becomes `INTERNAL`. */
export function asGuestbootError(error: unknown): GuestbootError {
  if (error instanceof GuestbootError) return error;
  if (isSystemError(error) && OF_THE_HOST.has(error.code ?? "")) return ofTheHost(error);
  const reason = error instanceof Error ? error.message : String(error);
  return new GuestbootError("INTERNAL", `unexpected: ${reason}`, {
    cause: error,
    hint: "this is a defect of guestboot; --debug shows where it happened",
  });
}

/** For failures that nobody has better words for: what was asked of the system, on what, and what it said. */
function ofTheHost(error: NodeJS.ErrnoException): GuestbootError {
  const { code = "", path, syscall = "a system call" } = error;
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  const tooMany = code === "EMFILE" || code === "ENFILE";
  const where = path === undefined ? "" : `${path}: `;
  return new GuestbootError(
    isFull ? "NO_SPACE" : "SYSTEM_FAILED",
    `${where}${syscall} failed: ${systemReason(error)}`,
    {
      cause: error,
      hint: isFull
        ? "df -h"
        : tooMany
          ? "ulimit -n; cat /proc/sys/fs/file-nr"
          : "what does the kernel say? dmesg | tail",
    },
  );
}
