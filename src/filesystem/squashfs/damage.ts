/** The one error for squashfs structures that contradict themselves. */
import { GuestbootError } from "../../base/errors.ts";

export function damaged(what: string): GuestbootError {
  return new GuestbootError("FILESYSTEM_DAMAGED", `damaged squashfs filesystem: ${what}`, {
    hint: "fetch or copy the image anew; unsquashfs -l on it tells more",
  });
}
