/**
 * What a VM's next start will do, in words, for an admin who asks.
 */
import { asGuestbootError } from "../base/errors.ts";
import { readInstallRequest } from "../distro/install-request.ts";
import type { VmRecord } from "../toolstack/vm-record.ts";
import { nextStart } from "./plan.ts";

/** One sentence, or the reason why the start will fail. */
export function describeNextStart(record: VmRecord): string {
  try {
    if (nextStart(record) === "disk") return "boots from its own disk";
    const { family, release, arch, round } = readInstallRequest(record.other_config, record.uuid);
    const what = [family, release, arch].filter((word) => word !== null).join(" ");
    // Every installation of more than one round ends on the disk.
    return round === 1
      ? `installs ${what}`
      : `boots from its own disk to end the installation of ${what} (round ${round})`;
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    return `fails: ${error.message}${error.hint === undefined ? "" : ` (${error.hint})`}`;
  }
}
