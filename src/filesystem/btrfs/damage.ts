/** The one error for btrfs structures that contradict themselves. */
import { GuestbootError } from "../../base/errors.ts";

export function damaged(what: string): GuestbootError {
  return new GuestbootError("FILESYSTEM_DAMAGED", `damaged btrfs filesystem: ${what}`, {
    hint: "btrfs check --readonly on the volume, while the guest is off, tells more",
  });
}
