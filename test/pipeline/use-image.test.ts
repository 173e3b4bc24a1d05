import { describe, expect, it } from "vitest";
import { planFinish } from "../../src/pipeline/finish.ts";
import { withJournal } from "../../src/pipeline/journal.ts";
import { describeNextStart } from "../../src/pipeline/next-start.ts";
import { planReinstall } from "../../src/pipeline/reinstall.ts";
import { planUseImage, type BootImage } from "../../src/pipeline/use-image.ts";
import { applyChanges } from "../../src/toolstack/apply-changes.ts";
import type { RecordChange, VmRecord } from "../../src/toolstack/vm-record.ts";
import { UUID, vmRecord } from "./vm-record.ts";

const debian = {
  "install-distro": "debianlike",
  "install-repository": "http://m.example/debian",
  "debian-release": "bookworm",
};
const image: BootImage = {
  kernel: "/i/.deb.1/vmlinuz",
  ramdisk: "/i/.deb.1/initrd.img",
  arguments: "priority=critical",
};
const other: BootImage = { kernel: "/i/.el.2/vmlinuz", ramdisk: null, arguments: "inst.repo=http://m.example/el" };

const change = (record: VmRecord, changes: readonly RecordChange[]) =>
  applyChanges(record, withJournal(record, changes));
const used = (record: VmRecord, which: BootImage) => change(record, planUseImage(record, which));

describe("a VM that boots a pre-staged image", () => {
  it("has the image's files, its arguments before the VM's own, and no boot loader", () => {
    expect(used(vmRecord(debian), image)).toMatchObject({
      PV_bootloader: "",
      PV_kernel: image.kernel,
      PV_ramdisk: image.ramdisk,
      PV_args: "priority=critical console=hvc0",
    });
  });

  it("does not keep the arguments of another image that it booted before", () => {
    expect(used(used(vmRecord(debian), image), other)).toMatchObject({
      PV_kernel: other.kernel,
      PV_ramdisk: "",
      PV_args: "inst.repo=http://m.example/el console=hvc0",
    });
  });

  it("is handed to its disk with the arguments and files that it had before", () => {
    const before = vmRecord(debian);
    const started = used(used(before, image), other);
    const finished = change(started, planFinish(started, null));
    expect(finished).toMatchObject({
      PV_bootloader: "pygrub",
      PV_kernel: "",
      PV_ramdisk: "",
      PV_args: "console=hvc0",
    });
    expect(finished.other_config).not.toHaveProperty("install-distro");
    expect(applyChanges(finished, planReinstall(finished, null))).toEqual(before);
  });

  it("keeps arguments that an admin has set meanwhile", () => {
    const started = { ...used(vmRecord(debian), image), PV_args: "mine" };
    expect(applyChanges(started, planFinish(started, null)).PV_args).toBe("mine");
  });

  it("is handed to its disk without a journal too, where the image still is there", () => {
    const byHand = applyChanges(vmRecord({}), planUseImage(vmRecord({}), image));
    expect(applyChanges(byHand, planFinish(byHand, image))).toEqual(vmRecord({}, { PV_bootloader: "pygrub" }));
  });

  it("gets its disk back as the bootable one", () => {
    const record = vmRecord(debian, {
      VBDs: [
        { userdevice: "0", type: "Disk", bootable: false },
        { userdevice: "3", type: "CD", bootable: true },
      ],
    });
    expect(applyChanges(record, planFinish(record, null)).VBDs.map((vbd) => vbd.bootable)).toEqual([true, false]);
  });
});

describe("restarting an installation", () => {
  it("leaves an admin's PV_bootloader_args alone, and empties those that we wrote", () => {
    const admins = vmRecord(debian, { PV_bootloader: "pygrub", PV_bootloader_args: "--entry=2" });
    expect(applyChanges(admins, planReinstall(admins, null)).PV_bootloader_args).toBe("--entry=2");
    const template = vmRecord(debian);
    const to = "--kernel /boot/vmlinuz-xen --ramdisk /boot/initrd-xen";
    const ours = change(template, [{ kind: "field", field: "PV_bootloader_args", from: "", to }]);
    expect(applyChanges(ours, planReinstall(ours, null)).PV_bootloader_args).toBe("");
  });

  it("knows the family from the journal", () => {
    const template = vmRecord({ "install-distro": "sleslike", "install-repository": "http://m.example/sles" });
    const finished = change(template, planFinish(template, null));
    expect(applyChanges(finished, planReinstall(finished, null))).toEqual(template);
  });

  it("keeps a loader that installs too", () => {
    const record = vmRecord(debian, { PV_bootloader: "/usr/lib/xen/bin/guestboot" });
    expect(planReinstall(record, null)).toEqual([]);
  });

  it("makes the medium bootable again", () => {
    const record = vmRecord(
      { "install-repository": "cdrom" },
      {
        PV_bootloader: "pygrub",
        VBDs: [
          { userdevice: "0", type: "Disk", bootable: true },
          { userdevice: "3", type: "CD", bootable: false },
        ],
      },
    );
    expect(applyChanges(record, planReinstall(record, "rhlike")).VBDs.map((vbd) => vbd.bootable)).toEqual([
      false,
      true,
    ]);
  });
});

describe("the next start in words", () => {
  it("says that an image boots at each start, and what ends that", () => {
    expect(describeNextStart(used(vmRecord(debian), image))).toBe(
      `boots ${image.kernel} of the host, a pre-staged image, and so does every start after it (once the installer runs: guestboot vm finish ${UUID})`,
    );
  });

  it("does not call an admin's own kernel an image", () => {
    const words = describeNextStart(vmRecord({}, { PV_bootloader: "", PV_kernel: "/boot/guest/k" }));
    expect(words).toBe("boots /boot/guest/k of the host, without a boot loader");
  });

  it("foresees that eliloader refuses a second round's words", () => {
    const record = vmRecord(debian, { PV_bootloader_args: "--kernel /boot/vmlinuz" });
    expect(describeNextStart(record)).toMatch(/^fails: eliloader does not know "--kernel".*vm reinstall/);
  });
});
