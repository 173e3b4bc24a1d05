import { GuestbootError } from "../../base/errors.ts";

export function damaged(what: string): GuestbootError {
  return new GuestbootError("FILESYSTEM_DAMAGED", `damaged FAT filesystem: ${what}`, {
    hint: "fsck.fat -n on the volume tells more",
  });
}
