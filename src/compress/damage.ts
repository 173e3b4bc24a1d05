/** The errors that every decompressor has: data that contradict themselves, end early, or grow past a limit. */
import { GuestbootError } from "../base/errors.ts";

const MEBIBYTE = 1024 * 1024;

/** @param format as its users write it: "xz"; `what` says what is wrong */
export function damaged(format: string, what: string): GuestbootError {
  return new GuestbootError("DATA_DAMAGED", `${format} data are damaged: ${what}`, {
    hint: "fetch or copy the file anew: it was cut off or changed on its way, or is not what it seems",
  });
}

export function cutOff(format: string): GuestbootError {
  return new GuestbootError("DATA_DAMAGED", `${format} data end in the middle: the file is cut off`, {
    hint: "fetch or copy the file anew",
  });
}

export function unsupported(format: string, what: string): GuestbootError {
  return new GuestbootError("FEATURE_UNSUPPORTED", `${format} data ${what}, which guestboot cannot read`);
}

/** @param maximumBytes what may come out */
export function growsPast(format: string, maximumBytes: number): GuestbootError {
  const limit = maximumBytes % MEBIBYTE === 0 ? `${maximumBytes / MEBIBYTE} MiB` : `${maximumBytes} bytes`;
  return new GuestbootError("BUDGET_EXCEEDED", `${format} data: what is inside grows past the limit of ${limit}`);
}
