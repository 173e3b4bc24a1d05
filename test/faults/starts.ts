/**
 * The two starts that faults are put into, whole: an installation from a mirror with nothing in the cache and a preseed
 * file to add, and a guest's own disk. Each lane (runs beside each other) has its own folder.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { MIRROR_PATHS } from "../../fixtures/debian-installer.ts";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { makeSmallGuestFolder } from "../acceptance/guest-disk.ts";
import { installRecord, VM, writeRecord, type RawRecord } from "../acceptance/vm-records.ts";
import { parseSimple, start } from "../program.ts";
import { journalOf, journalSince, withoutJournal } from "../vm-journal.ts";

export interface WholeStart {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
  /** The lane's folder; everything that a start makes is below it. */
  readonly folder: string;
  readonly bootFolder: string;
  /** The file that the program's own code opens first; before that the runtime starts. */
  readonly firstOwn: string;
  /** Makes all as it is before a first start. */
  reset(): void;
  /** Makes all as it is before another start, the cache and what else stayed left as they are. */
  again(): void;
  /** Are these two files what the guest is to get? */
  isRight(kernel: string, ramdisk: string | null): boolean;
  record(): "before" | "after" | "none" | null;
  /** What is wrong with the cache; null when nothing. */
  cacheFault(): Promise<string | null>;
  /** Files besides the boot directory's that no start may leave once the next one is through. */
  leftOver(): string[];
}

const FIRST_OWN = "/etc/guestboot.conf";

const namesIn = (folder: string) => (fs.existsSync(folder) ? fs.readdirSync(folder) : []);

/**
 * @param programs the folder of the built program
 * @param mirror the folder that the server at `url` shows; see `makeDebianMirror`
 */
export function installation(
  programs: string,
  folder: string,
  { url, mirror }: { url: string; mirror: string },
): WholeStart {
  const at = (name: string) => path.join(folder, name);
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(at("preseed.cfg"), "d-i debian-installer/locale string en_GB\n");
  const [kernel, initrd] = [MIRROR_PATHS.kernel, MIRROR_PATHS.initrd].map((name) =>
    fs.readFileSync(path.join(mirror, name)),
  );
  if (kernel === undefined || initrd === undefined) throw new Error("a mirror has both files");
  makeFixup(at("guest-installer"), initrd);
  const before = installRecord(url);
  before.other_config["install-preseed"] = at("preseed.cfg");
  /** Kept from the start without a fault: the initrd with the fixup and the answer file. */
  let patched: Buffer | null = null;
  const set = {
    GUESTBOOT_STATE_DIR: at("state"),
    GUESTBOOT_CACHE_DIR: at("cache"),
    GUESTBOOT_BOOT_DIR: at("boot"),
    GUESTBOOT_GUEST_INSTALLER_DIR: at("guest-installer"),
  };
  const again = () => {
    fs.rmSync(at("boot"), { recursive: true, force: true });
    writeRecord(at("state"), before);
  };
  return {
    name: "installation",
    argv: [path.join(programs, "eliloader"), "-q", "--vm", VM, "/dev/null"],
    environment: set,
    folder,
    bootFolder: at("boot"),
    firstOwn: FIRST_OWN,
    reset() {
      for (const name of ["cache", "state"]) fs.rmSync(at(name), { recursive: true, force: true });
      again();
    },
    again,
    isRight(kernelFile, ramdiskFile) {
      if (ramdiskFile === null || !fs.readFileSync(kernelFile).equals(kernel)) return false;
      const ramdisk = fs.readFileSync(ramdiskFile);
      patched ??= ramdisk;
      // An overlay is appended: the mirror's own initrd comes first.
      return (
        ramdisk.length > initrd.length && ramdisk.subarray(0, initrd.length).equals(initrd) && ramdisk.equals(patched)
      );
    },
    record: () => recordOf(at(`state/vms/${VM}.json`), before),
    async cacheFault() {
      const { status, stdout, stderr } = await start(path.join(programs, "guestboot"), ["cache", "verify"], set);
      return status === 0 && stdout === "" ? null : `${stdout}${stderr}`.trim();
    },
    leftOver() {
      const own = [`.${VM}.lock`, `${VM}.json`];
      return [
        ...["tmp", "partial", "boots"].flatMap((name) => namesIn(at(`cache/${name}`)).map((file) => `${name}/${file}`)),
        ...namesIn(at("state/vms")).filter((name) => !own.includes(name)),
      ];
    },
  };
}

/** A map of fixups that names this initrd, and its overlay: what a control domain holds for it. */
function makeFixup(folder: string, initrd: Buffer): void {
  fs.mkdirSync(path.join(folder, "root"), { recursive: true });
  fs.writeFileSync(path.join(folder, "root/fixed"), "by the control domain\n");
  const md5 = createHash("md5").update(initrd).digest("hex");
  fs.writeFileSync(path.join(folder, "debian.map"), `${md5} cpio debian.cpio made-up\n`);
  execFileSync("sh", ["-c", "cd root && find . | cpio --quiet -o -H newc > ../debian.cpio"], { cwd: folder });
}

/** Only these differ after an installation's one round, and its journal says so. */
function recordOf(file: string, before: RawRecord): "before" | "after" | null {
  const record = parsedOrNull(fs.readFileSync(file, "utf8"));
  const rounds = ["install-distro", "install-round"];
  const kept = Object.entries(before.other_config).filter(([name]) => !rounds.includes(name));
  const after = { ...before, PV_bootloader: "pygrub", other_config: Object.fromEntries(kept) };
  // By content: a field that was removed and put back comes last in the file, and a record's maps have no order.
  if (isDeepStrictEqual(record, before)) return "before";
  if (record === null || !isDeepStrictEqual(withoutJournal(record), after)) return null;
  return isDeepStrictEqual(journalOf(record), journalSince(before, after)) ? "after" : null;
}

/** A file that was half written is no record. */
function parsedOrNull(text: string): RawRecord | null {
  try {
    return JSON.parse(text) as RawRecord;
  } catch {
    return null;
  }
}

/** As xenopsd starts a guest that boots from its disk. */
export function diskBoot(programs: string, folder: string): WholeStart {
  const at = (name: string) => path.join(folder, name);
  fs.mkdirSync(at("boot"), { recursive: true });
  const guest = makeSmallGuestFolder(at("guest"));
  makeFilesystemImage({ path: at("guest.img"), type: "ext4", sizeMiB: 8, folder: guest });
  const again = () => {
    fs.rmSync(at("boot"), { recursive: true, force: true });
    fs.mkdirSync(at("boot"));
  };
  const same = (one: string, other: string) => fs.readFileSync(one).equals(fs.readFileSync(other));
  return {
    name: "disk",
    argv: [
      ...[path.join(programs, "pygrub"), "--output-format=simple", "-q", "--runas=65534"],
      ...[`--output-directory=${at("boot")}`, at("guest.img")],
    ] as [string, ...string[]],
    environment: {},
    folder,
    bootFolder: at("boot"),
    firstOwn: FIRST_OWN,
    reset: again,
    again,
    isRight: (kernel, ramdisk) =>
      ramdisk !== null && same(kernel, at("guest/boot/vmlinuz")) && same(ramdisk, at("guest/boot/initrd.img")),
    record: () => "none",
    cacheFault: () => Promise.resolve(null),
    leftOver: () => [],
  };
}

/** The answer's files, or null when there is no answer in the right form. */
export function answerOf(stdout: string): { kernel: string; ramdisk: string | null } | null {
  try {
    return parseSimple(stdout);
  } catch {
    return null;
  }
}
