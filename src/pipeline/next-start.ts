/**
 * What a VM's next start will do, in words, for an admin who asks.
 */
import { asGuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { readInstallRequest } from "../distro/install-request.ts";
import type { VmRecord } from "../toolstack/vm-record.ts";
import { formerValue, readJournal } from "./journal.ts";
import { nextStart } from "./plan.ts";

/** One sentence, or the reason why the start will fail; and where something is to be done, what. No password. */
export function describeNextStart(record: VmRecord): string {
  try {
    if (record.PV_bootloader === "" && record.PV_kernel !== "") return describeDirectStart(record);
    // A start that was killed may have changed the record without an installer that ran.
    const orAgain = `if no installer has run yet: guestboot vm reinstall ${record.uuid}`;
    if (nextStart(record) === "disk") {
      const isCutOff = record.cutOff?.some((change) => change.kind === "field" && change.field === "PV_bootloader");
      return `boots from its own disk${isCutOff === true ? ` (the last start was cut off; ${orAgain})` : ""}`;
    }
    const { family, release, arch, round } = readInstallRequest(record.other_config, record.uuid);
    const what = [family, release, arch].filter((word) => word !== null).join(" ");
    const refused = refusedWord(record);
    if (refused !== null) {
      return (
        `fails: eliloader does not know ${quote(refused)} in PV_bootloader_args ` +
        `(guestboot vm reinstall ${record.uuid}, or clear it)`
      );
    }
    // Every installation of more than one round ends on the disk.
    return round === 1
      ? `installs ${what}`
      : `boots from its own disk to end the installation of ${what} (round ${round}; ${orAgain})`;
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    return `fails: ${error.message}${error.hint === undefined ? "" : ` (${error.hint})`}`;
  }
}

/** No loader: the toolstack takes kernel and ramdisk from the host, at each start the same. */
function describeDirectStart(record: VmRecord): string {
  const isOurs = formerValue(record, readJournal(record), "PV_kernel") !== undefined;
  const boots = `boots ${record.PV_kernel} of the host`;
  return isOurs
    ? `${boots}, a pre-staged image, and so does every start after it (once the installer runs: guestboot vm finish ${record.uuid})`
    : `${boots}, without a boot loader`;
}

/** A second round's words, which eliloader's command line has no place for. */
function refusedWord({ PV_bootloader, PV_bootloader_args }: VmRecord): string | null {
  if (!/(?:^|\/)eliloader$/.test(PV_bootloader)) return null;
  return PV_bootloader_args.split(" ").find((word) => /^--(?:kernel|ramdisk)(?:=|$)/.test(word)) ?? null;
}
