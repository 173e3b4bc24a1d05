import { GuestbootError } from "../../base/errors.ts";

export function damaged(what: string): GuestbootError {
  return new GuestbootError("FILESYSTEM_DAMAGED", `damaged ReiserFS filesystem: ${what}`, {
    hint: "reiserfsck --check on the volume tells more",
  });
}
