/**
 * `guestboot vm reinstall` after an installation that the loader has noted: the record is the one from before it.
 */
import { describe, expect, it } from "vitest";
import { planFinish } from "../../src/pipeline/finish.ts";
import { withJournal } from "../../src/pipeline/journal.ts";
import { changesAfterRound, keepFiles } from "../../src/pipeline/plan.ts";
import { planReinstall } from "../../src/pipeline/reinstall.ts";
import { applyChanges } from "../../src/toolstack/apply-changes.ts";
import type { RecordChange, VmRecord } from "../../src/toolstack/vm-record.ts";
import { checkedJournal } from "../vm-journal.ts";
import { vmRecord } from "./vm-record.ts";

const web = { "install-repository": "http://m.example/tree" };
const cdrom = { "install-repository": "cdrom", "install-distro": "rhlike" };
const disk = (userdevice: string, bootable: boolean) => ({ userdevice, type: "Disk", bootable }) as const;
const medium = (userdevice: string, bootable: boolean) => ({ userdevice, type: "CD", bootable }) as const;

const change = (record: VmRecord, changes: readonly RecordChange[]) =>
  applyChanges(record, withJournal(record, changes));

/** As the loader changes it, round for round. */
function installed(record: VmRecord, rounds: number): VmRecord {
  const isFromCdrom = record.other_config["install-repository"] === "cdrom";
  let now = record;
  for (let round = 1; round <= rounds; round += 1) {
    const kept = round === 2 ? keepFiles(now, "/boot/vmlinuz-xen", "/boot/initrd-xen") : [];
    now = change(now, [...kept, ...changesAfterRound(now, round, rounds, isFromCdrom)]);
    expect(now).not.toEqual(record);
    checkedJournal({ ...now }, { ...record });
  }
  return now;
}

describe.each<[string, VmRecord]>([
  ["of Debian's kind", vmRecord({ ...web, "install-distro": "debianlike", "debian-release": "bookworm" })],
  ["of a family that nothing else names", vmRecord({ ...web, "install-distro": "sleslike" })],
  ["with its round", vmRecord({ ...web, "install-distro": "sleslike", "install-round": "1" })],
  ["that names no family, which is one too", vmRecord(web)],
  ["that names no family, and a release", vmRecord({ ...web, "debian-release": "bookworm" })],
  ["with words of an admin's for the loader", vmRecord({ ...web }, { PV_bootloader_args: "--entry=2" })],
  ["of xl", vmRecord({ ...web, "install-distro": "rhlike" }, { PV_bootloader: "/usr/lib/xen/bin/guestboot" })],
  ["that names no loader", vmRecord({ ...web, "install-distro": "rhlike" }, { PV_bootloader: "" })],
  ["from its medium", vmRecord(cdrom, { VBDs: [disk("0", false), medium("3", true), disk("1", true)] })],
  ["from one of two media", vmRecord(cdrom, { VBDs: [disk("0", false), medium("3", true), medium("4", false)] })],
  ["from a medium beside the bootable disk", vmRecord(cdrom, { VBDs: [disk("0", true), medium("3", true)] })],
  ["from a medium that was never the bootable disk", vmRecord(cdrom, { VBDs: [disk("0", true), medium("3", false)] })],
])("a VM %s", (_name, before) => {
  it.each([1, 2])("is as it was before an installation of %i rounds", (rounds) => {
    const after = installed(before, rounds);
    expect(applyChanges(after, planReinstall(after, null))).toEqual(before);
  });

  it("is as it was after each of its rounds", () => {
    const between = change(
      before,
      changesAfterRound(before, 1, 2, before.other_config["install-repository"] === "cdrom"),
    );
    expect(applyChanges(between, planReinstall(between, null))).toEqual(before);
  });

  it("is as it was before it was handed to its disk", () => {
    const after = change(before, planFinish(before, null));
    expect(applyChanges(after, planReinstall(after, null))).toEqual(before);
  });

  it("is as it was however often it is installed", () => {
    let now = before;
    for (let times = 0; times < 3; times += 1) {
      const after = installed(now, 2);
      now = applyChanges(after, planReinstall(after, null));
    }
    expect(now).toEqual(before);
  });
});

describe("a VM that was installed before us", () => {
  it("is told its family once, not again after the installation that followed", () => {
    const imported = vmRecord(web, { PV_bootloader: "pygrub" });
    expect(() => planReinstall(imported, null)).toThrow(/does not tell which distribution/);
    const told = applyChanges(imported, planReinstall(imported, "sleslike"));
    const after = installed(told, 2);
    expect(applyChanges(after, planReinstall(after, null))).toEqual(told);
  });

  it("keeps what an admin has set since the installation", () => {
    const after = installed(vmRecord({ ...web, "install-distro": "sleslike" }), 2);
    const theirs = { ...after, PV_args: "mine", PV_bootloader_args: "--entry=1" };
    const again = applyChanges(theirs, planReinstall(theirs, null));
    expect(again).toMatchObject({ PV_args: "mine", PV_bootloader_args: "--entry=1", PV_bootloader: "eliloader" });
  });
});
