/**
 * Answer files: what makes an installation ask nothing. Where each installer looks for its own, and what its kernel is
 * told, stands in the catalog; this file reads it. Not here: what is written in such a file.
 */
import { GuestbootError } from "../base/errors.ts";
import type { AnswerKind, AnswerPlace, Installer } from "./catalog.ts";

export interface AnswerFile {
  readonly kind: AnswerKind;
  /** A path on this host, or an address. */
  readonly from: string;
}

export const ANSWER_KINDS: readonly AnswerKind[] = ["preseed", "kickstart", "autoyast"];

/**
 * The answer file that a VM's record names: `install-preseed`, `install-kickstart` or `install-autoyast` of its
 * other_config; null where it names none.
 * @param vm names the VM in errors
 * @throws VM_INVALID where it names several
 */
export function answerFileOf(otherConfig: Readonly<Record<string, string>>, vm: string): AnswerFile | null {
  const [first, second] = ANSWER_KINDS.flatMap((kind): AnswerFile[] => {
    const from = otherConfig[`install-${kind}`]?.trim() ?? "";
    return from === "" ? [] : [{ kind, from }];
  });
  if (first === undefined || second === undefined) return first ?? null;
  throw new GuestbootError(
    "VM_INVALID",
    `VM ${vm}: both install-${first.kind} and install-${second.kind} are set, and an installer reads one of them`,
    { hint: `remove other-config:install-${second.kind}`, args: [`install-${second.kind}`] },
  );
}

/** Where each kind is put when nobody says which installer it is for: as the newest installers have it. */
const USUAL_PLACES: Readonly<Record<AnswerKind, AnswerPlace>> = {
  preseed: { file: "preseed.cfg", arguments: "priority=critical" },
  kickstart: { file: "ks.cfg", arguments: "inst.ks=file:/ks.cfg" },
  autoyast: { file: "autoinst.xml", arguments: "autoyast=file:///autoinst.xml" },
};

export interface AnswerFilePlace {
  /** In the ramdisk; null: the installer fetches it by itself. */
  readonly file: string | null;
  /** For the kernel command line. */
  readonly arguments: string;
}

/** Where an answer file goes when its installer is not known. */
export function usualAnswerPlace(kind: AnswerKind): AnswerFilePlace {
  return USUAL_PLACES[kind];
}

/**
 * @param given the file's path or address, as it was asked for
 * @param what names family and release in errors: "sleslike 16"
 * @throws UNSUPPORTED_INSTALL_METHOD for an installer that takes no such file, or takes it by address only
 */
export function answerPlace(
  installer: Installer | null,
  kind: AnswerKind,
  given: string,
  what: string,
): AnswerFilePlace {
  const place = installer?.answers?.[kind];
  if (place === undefined) {
    const kinds = Object.keys(installer?.answers ?? {});
    throw new GuestbootError("UNSUPPORTED_INSTALL_METHOD", `the installer of ${what} takes no ${kind} file`, {
      hint: kinds.length === 0 ? `leave --${kind} out` : `it takes: ${kinds.join(", ")}`,
      args: [kind],
    });
  }
  if (place.file !== null) return { file: place.file, arguments: place.arguments };
  // It goes into a command line as it is.
  if (!/^[a-z][a-z0-9+.-]*:\/\/[!-~]+$/i.test(given) || /["']/.test(given)) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `the installer of ${what} fetches its ${kind} file by itself, and ${JSON.stringify(given)} is no address of one`,
      { hint: "put the file on a web server and name its address", args: [kind] },
    );
  }
  return { file: null, arguments: place.arguments.replaceAll("{url}", () => given) };
}
