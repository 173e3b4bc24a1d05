/**
 * An ordinary installation by the real loader, of several families, and `guestboot vm reinstall` after it: nobody names
 * the family again, and the record is the one from before, to the letter. On records in files and in a (simulated) xapi.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MIRROR_PATHS } from "../../fixtures/debian-installer.ts";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { programPath, start, temporaryFolder, type Ended } from "../program.ts";
import { checkedJournal, JOURNAL, type KeptRecord } from "../vm-journal.ts";
import { addVm, vbdsOf } from "../xapi/simulated-database.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";
import { startXapiHost, type XapiHost } from "./xe-on-xapi.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const inFiles = {
  GUESTBOOT_STATE_DIR: at("state"),
  GUESTBOOT_CACHE_DIR: at("cache"),
  GUESTBOOT_BOOT_DIR: at("boot"),
  GUESTBOOT_STORE: "file",
  GUESTBOOT_LOG: "none",
};
let xapi: XapiHost;

interface Family {
  readonly files: Readonly<Record<string, string>>;
  readonly keys: Readonly<Record<string, string>>;
  readonly rounds: number;
  /** The file that boots the installer. */
  readonly kernel: string;
}

const TREEINFO = `[general]
family = CentOS
version = 7.9
arch = x86_64

[images-x86_64]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img
`;
const FAMILIES: Readonly<Record<string, Family>> = {
  debian: {
    files: { [MIRROR_PATHS.kernel]: "a kernel", [MIRROR_PATHS.initrd]: "a ramdisk" },
    keys: {
      "install-distro": "debianlike",
      "debian-release": "bookworm",
      "install-arch": "amd64",
      "install-round": "1",
    },
    rounds: 1,
    kernel: "a kernel",
  },
  rhel7: {
    files: { ".treeinfo": TREEINFO, "images/pxeboot/vmlinuz": "el7", "images/pxeboot/initrd.img": "a ramdisk" },
    keys: { "install-distro": "rhlike", "install-arch": "x86_64", "install-methods": "cdrom,nfs,http,ftp" },
    rounds: 1,
    kernel: "el7",
  },
  "default-family": {
    files: { ".treeinfo": TREEINFO, "images/pxeboot/vmlinuz": "el7", "images/pxeboot/initrd.img": "a ramdisk" },
    keys: { "install-arch": "x86_64" },
    rounds: 1,
    kernel: "el7",
  },
  sles: {
    files: { "boot/x86_64/vmlinuz-xen": "sles", "boot/x86_64/initrd-xen": "a ramdisk" },
    keys: { "install-distro": "sleslike", "install-arch": "x86_64" },
    rounds: 2,
    kernel: "sles",
  },
};

beforeAll(async () => {
  xapi = await startXapiHost(fs.mkdtempSync(at("xapi-")));
  for (const [name, { files }] of Object.entries(FAMILIES)) {
    for (const [file, text] of Object.entries(files)) write(path.join("trees", name, file), text);
  }
  // What SLES 10 leaves on Xen: no boot config, and its kernel by its own names.
  for (const file of ["boot/vmlinuz-xen", "boot/initrd-xen"]) write(path.join("installed", file), file);
  makeFilesystemImage({ path: at("disk.img"), type: "ext3", sizeMiB: 8, folder: at("installed") });
});
afterAll(async () => {
  await xapi[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});
beforeEach(() => fs.rmSync(at("boot"), { recursive: true, force: true }));

function write(name: string, text: string): void {
  fs.mkdirSync(path.dirname(at(name)), { recursive: true });
  fs.writeFileSync(at(name), text);
}

/** A VM to be installed, wherever its record is. */
interface Guest {
  readonly uuid: string;
  readonly settings: Readonly<Record<string, string>>;
  record(): KeptRecord;
}

const STORES: Readonly<Record<string, (config: Readonly<Record<string, string>>) => Guest>> = {
  "a file": (config) => {
    writeRecord(at("state"), { ...installRecord(""), other_config: config });
    return { uuid: VM, settings: inFiles, record: () => readRecord(at("state")) };
  },
  xapi: (config) => {
    const vm = addVm(xapi.xapi.database, {
      fields: { PV_bootloader: "eliloader", PV_args: "console=hvc0" },
      other_config: config,
      VBDs: [{ userdevice: "0", bootable: true }],
    });
    const VBDs = () => vbdsOf(xapi.xapi.database, vm).map(({ userdevice, bootable }) => ({ userdevice, bootable }));
    const record = () => ({ ...vm.fields, other_config: Object.fromEntries(vm.other_config), VBDs: VBDs() });
    return { uuid: vm.uuid, settings: xapi.settings, record };
  },
};

describe.each(Object.keys(STORES))("a VM whose record is in %s", (store) => {
  it.each(Object.entries(FAMILIES))(
    "installed with %s, is as it was after vm reinstall, however often",
    async (name, { keys, rounds, kernel }) => {
      const guest = STORES[store]?.({ ...keys, "install-repository": path.join(at("trees"), name) });
      if (guest === undefined) throw new Error(store);
      const eliloader = (): Promise<Ended> =>
        start(programPath("eliloader"), ["-q", "--vm", guest.uuid, at("disk.img")], guest.settings);
      const vm = (...argv: string[]) => start(programPath("guestboot"), ["vm", ...argv, guest.uuid], guest.settings);
      const before = guest.record();
      const journals = new Set<string | undefined>();
      for (let times = 0; times < 2; times += 1) {
        const first = await eliloader();
        expect(first).toMatchObject({ status: 0, stderr: "" });
        expect(fs.readFileSync(/^kernel (.*)$/m.exec(first.stdout)?.[1] ?? "", "utf8")).toBe(kernel);
        checkedJournal(guest.record(), before);
        if (rounds === 2) expect(await eliloader()).toMatchObject({ status: 0, stderr: "" });
        const after = guest.record();
        expect(after["PV_bootloader"]).toBe("pygrub");
        const config = Object.entries(before.other_config).filter(([key]) => !/^install-(?:distro|round)$/.test(key));
        expect(checkedJournal(after, before).other_config).toEqual(Object.fromEntries(config));
        journals.add(after.other_config[JOURNAL]);

        const shown = await vm("show");
        expect(shown.stdout).toMatch(/^next start +boots from its own disk$/m);
        expect(shown.stdout).toMatch(/^before guestboot +.*PV_bootloader eliloader/m);
        expect(await vm("reinstall", "--dry-run")).toMatchObject({ status: 0, stderr: "" });
        expect(guest.record()).toEqual(after);
        expect(await vm("reinstall")).toMatchObject({ status: 0, stderr: "" });
        expect(guest.record()).toEqual(before);
      }
      expect(journals.size).toBe(1);
    },
    120_000,
  );
});
