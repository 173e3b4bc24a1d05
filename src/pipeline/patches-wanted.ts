/**
 * What an installation's files need before they are handed out: an answer file, overlays, the control domain's fixups.
 * Decided before anything heavy is loaded, since most installations need none of it. The work itself:
 * patched-installer.ts.
 */
import { answerFileOf, type AnswerFile } from "../distro/answer-file.ts";
import { readFixups } from "../initrd/fixup-map.ts";

/** What whoever starts it asks for, beside the VM's record. */
export interface GivenPatches {
  /** In place of the one that the record names; null: the record's, if it names one. */
  readonly answer: AnswerFile | null;
  /** Folders, cpio archives and zips on this host; a later one's files win. */
  readonly overlays: readonly string[];
  /** Unpack and pack the ramdisk anew, also where appending would do. */
  readonly repack: boolean;
  /** Hand out the ELF image of a kernel whose payload the host's Xen cannot unpack. */
  readonly decompressKernel: boolean;
}

export const NO_PATCHES: GivenPatches = { answer: null, overlays: [], repack: false, decompressKernel: false };

export interface PatchesWanted extends GivenPatches {
  /** Where the maps of fixups and their overlays are; null where there are none. */
  readonly fixupsFolder: string | null;
}

/**
 * null: the files are handed out as they came.
 * @param otherConfig of the VM; null: there is no VM
 * @param vm names it in errors
 * @param fixupsFolder need not exist; null: no fixups are wanted
 * @throws VM_INVALID where the record names several answer files; FIXUP_MAP_INVALID, SUPPORT_PACKAGE_MISSING
 */
export function patchesWanted(
  otherConfig: Readonly<Record<string, string>> | null,
  vm: string,
  given: GivenPatches,
  fixupsFolder: string | null,
): PatchesWanted | null {
  const answer = given.answer ?? (otherConfig === null ? null : answerFileOf(otherConfig, vm));
  const folder = fixupsFolder !== null && readFixups(fixupsFolder).length > 0 ? fixupsFolder : null;
  const isNothing = answer === null && folder === null && given.overlays.length === 0;
  if (isNothing && !given.repack && !given.decompressKernel) return null;
  return { ...given, answer, fixupsFolder: folder };
}
