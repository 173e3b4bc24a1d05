import { GuestbootError } from "../../base/errors.ts";

export function damaged(what: string): GuestbootError {
  return new GuestbootError("FILESYSTEM_DAMAGED", `damaged ext filesystem: ${what}`, {
    hint: "e2fsck -n on the volume tells more",
  });
}
