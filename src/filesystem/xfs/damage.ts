/** The one error for XFS structures that contradict themselves. */
import { GuestbootError } from "../../base/errors.ts";

export function damaged(what: string): GuestbootError {
  return new GuestbootError("FILESYSTEM_DAMAGED", `damaged XFS filesystem: ${what}`, {
    hint: "mounting the volume once replays its log; xfs_repair -n on it tells more",
  });
}
