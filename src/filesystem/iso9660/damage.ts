/**
 * What is said of an image that contradicts itself.
 */
import { GuestbootError, type ErrorCode } from "../../base/errors.ts";

export function damaged(what: string): GuestbootError {
  return new GuestbootError("FILESYSTEM_DAMAGED", `damaged ISO 9660 filesystem: ${what}`, {
    hint: "compare the image with its checksum: it may be incomplete",
  });
}

/** Why a file cannot be read. No error object: there may be as many of these as there are files. */
export interface Obstacle {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

/**
 * What went wrong in `work`, as an answer: the damage of one file is not to keep anybody from the others.
 * @throws DISK_UNREADABLE, and what is no error of ours
 */
export function obstacleIn(work: () => void): Obstacle | null {
  try {
    work();
    return null;
  } catch (error) {
    if (!(error instanceof GuestbootError) || error.code === "DISK_UNREADABLE") throw error;
    const { code, message, hint } = error;
    return { code, message, hint };
  }
}

export function errorOf({ code, message, hint }: Obstacle): GuestbootError {
  return new GuestbootError(code, message, { hint });
}
