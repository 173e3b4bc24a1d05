/**
 * A real Xen host with the built program in it: a repository on its loopback, guests' files, disks and records.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { DEBIAN_INSTALLER, makeDebianMirror } from "../../fixtures/debian-installer.ts";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { startDom0, type Dom0 } from "../../fixtures/xen-host/dom0.ts";
import { hostImage } from "../../fixtures/xen-host/host-image.ts";
import { programPath, temporaryFolder } from "../program.ts";
import { makeInstalledGuest } from "./installed-guest.ts";

/** Of the machine's life. Its parts have no limits of their own: they wait for events, on however slow a host. */
const MOST_MS = 18 * 60_000;

/** Whole disks that hold an installed guest, by their filesystem. */
export const DISKS = { ext4: "/dev/vdc", xfs: "/dev/vdd" } as const;

/** A disk with a filesystem, and nothing to boot on it. */
export const BARE_DISK = "/payload/bare.img";

/** The disk of each guest's file is a link in this folder. */
export const GUEST_DISKS = "/guests";

const PAYLOAD_MIB = 400;

export interface RealHost extends AsyncDisposable {
  readonly dom0: Dom0;
}

/** What the installer's first command does: shows what it runs on, waits until the language is behind it, ends. */
const FIRST_COMMAND = [
  'echo "our preseed file was read: $(cat /sys/hypervisor/type) $(cat /sys/hypervisor/guest_type)"',
  "cat /etc/lsb-release",
  // In the log is this command, too: its brackets keep it from finding itself.
  'until [ "$(grep -c "INFO: Menu it[e]m" /var/log/syslog)" -ge 2 ]; do sleep 1; done',
  'grep "INFO: Menu it[e]m" /var/log/syslog',
  "sleep 1",
  "poweroff -f",
].join("; ");

const PRESEED = `d-i debian-installer/locale string en_US.UTF-8
d-i keyboard-configuration/xkb-keymap select us
d-i preseed/early_command string ( ${FIRST_COMMAND} ) >/dev/hvc0 2>&1 </dev/null 3>&- &
`;

/** A VM's record in the file store, to be installed from a repository. */
function installRecord(uuid: string, name: string, repository: string) {
  const sha256 = (file: string) => createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  return {
    uuid,
    name_label: name,
    PV_bootloader: "eliloader",
    PV_args: "console=hvc0 DEBIAN_FRONTEND=text",
    other_config: {
      "install-distro": "debianlike",
      "install-repository": repository,
      "debian-release": "bookworm",
      "install-arch": "amd64",
      "install-preseed": "http://127.0.0.1/preseed.cfg",
      "install-kernel-sha256": sha256(DEBIAN_INSTALLER.kernel),
      "install-ramdisk-sha256": sha256(DEBIAN_INSTALLER.initrd),
    },
    VBDs: [{ userdevice: "0", type: "Disk", bootable: true }],
  };
}

/** As an admin writes one for xl(5). Neither name nor number of the VM is told to the loader. */
const guestFile = (name: string) => `name = "${name}"
type = "pv"
memory = 1280
disk = [ "format=raw,vdev=xvda,access=rw,target=${GUEST_DISKS}/${name}" ]
bootloader = "guestboot"
on_poweroff = "destroy"
on_reboot = "destroy"
on_crash = "destroy"
`;

/** Records of VMs: the repository of the second answers no more. */
export const RECORDS = {
  debian: { uuid: "6f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", repository: "http://127.0.0.1/debian" },
  deserted: { uuid: "0a1b2c3d-1111-2222-3333-444455556666", repository: "http://127.0.0.1:81/debian" },
} as const;

export async function startRealHost(): Promise<RealHost> {
  const folder = temporaryFolder();
  try {
    const at = (name: string) => path.join(folder.path, name);
    const image = hostImage();
    makePayload(at("payload"));
    makeFilesystemImage({ path: at("payload.img"), type: "ext4", sizeMiB: PAYLOAD_MIB, folder: at("payload") });
    fs.rmSync(at("payload"), { recursive: true });
    makeInstalledGuest(image, { path: at("ext4.img"), type: "ext4", timeout: 30 });
    makeInstalledGuest(image, { path: at("xfs.img"), type: "xfs", timeout: 0 });
    const dom0 = await startDom0({
      image,
      payload: at("payload.img"),
      disks: [at("ext4.img"), at("xfs.img")],
      folder: folder.path,
      mostMs: MOST_MS,
    });
    await dom0.run("cp -r /payload/state /var/lib/guestboot; busybox httpd -p 127.0.0.1:80 -h /payload/www");
    const dispose = async () => {
      await dom0[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    };
    return { dom0, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
}

function makePayload(folder: string): void {
  const write = (name: string, content: string) => {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), content);
  };
  makeDebianMirror(path.join(folder, "mirror"));
  fs.cpSync(path.join(folder, "mirror"), path.join(folder, "www/debian"), { recursive: true, dereference: true });
  fs.rmSync(path.join(folder, "mirror"), { recursive: true });
  write("www/preseed.cfg", PRESEED);
  for (const [name, { uuid, repository }] of Object.entries(RECORDS)) {
    write(`state/vms/${uuid}.json`, JSON.stringify(installRecord(uuid, name, repository)));
  }
  for (const name of [...Object.keys(RECORDS), "bare"]) write(`${name}.cfg`, guestFile(name));
  write("bare/etc/hostname", "bare\n");
  const bare = path.join(folder, path.basename(BARE_DISK));
  makeFilesystemImage({ path: bare, type: "ext4", sizeMiB: 4, folder: path.join(folder, "bare") });
  // libxl starts a loader by execvp(3), from a folder that its users can reach.
  fs.copyFileSync(programPath("guestboot"), path.join(folder, "guestboot"));
  fs.chmodSync(path.join(folder, "guestboot"), 0o755);
  fs.chmodSync(folder, 0o755);
}
