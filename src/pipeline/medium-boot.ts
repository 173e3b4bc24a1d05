/**
 * The story of an installation that takes its kernel from the medium's own boot config (`install-distro=pygrub` over
 * `cdrom`): isolinux's or GRUB's menu on the medium picks kernel and ramdisk, and its arguments are dropped, for they
 * are for a machine with that medium in its drive and a screen.
 *
 * Paths only: the files themselves come through the repository, as those of every other installation do.
 */
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import type { BootEntry, FileReference } from "../bootconfig/boot-config.ts";
import { chooseEntry } from "../bootconfig/choose.ts";
import type { GuestVolume } from "../bootconfig/guest-volume.ts";
import { CONFIG_PLACES, locateBootConfig } from "../bootconfig/locate.ts";
import { openDisk } from "../disk/open-disk.ts";
import type { NamedFiles } from "../distro/candidates.ts";
import type { GuestFilesystem } from "../filesystem/filesystem.ts";
import { guestFilesystem } from "../filesystem/guest-filesystem.ts";
import { openIso9660 } from "../filesystem/iso9660/iso-driver.ts";
import { hasIsoMagic } from "../filesystem/iso9660/volume-descriptor.ts";
import type { InstallerPlan } from "./plan.ts";

/** What a medium's config picks. Paths are below the medium, without a slash in front. */
interface MediumFiles {
  readonly kernel: string;
  readonly ramdisks: readonly string[];
  /** The config that picked them, and its entry. */
  readonly config: string;
  readonly title: string;
  readonly warnings: readonly string[];
}

/** Where media have their configs, besides the places of an installed guest. */
const MEDIUM_PLACES: typeof CONFIG_PLACES = [
  ...CONFIG_PLACES,
  ...[
    "/isolinux/isolinux.cfg",
    "/isolinux.cfg",
    "/boot/x86_64/loader/isolinux.cfg",
    "/boot/i386/loader/isolinux.cfg",
    "/boot/syslinux/syslinux.cfg",
    "/syslinux/syslinux.cfg",
    "/syslinux.cfg",
    "/boot/syslinux/isolinux.cfg",
  ].map((path) => ({ syntax: "syslinux", kind: "file", path }) as const),
  ...["/EFI/BOOT/grub.cfg", "/EFI/boot/grub.cfg", "/efi/boot/grub.cfg", "/boot/grub/loopback.cfg"].map(
    (path) => ({ syntax: "grub2", kind: "file", path }) as const,
  ),
];

/**
 * The plan with the medium's own choice of files, where it leaves them to the medium; else as it is.
 * @param say is told what was chosen, and by what
 * @throws as `chooseMediumFiles`
 */
export function fillFromMedium(plan: InstallerPlan, device: string, say: (line: string) => void): InstallerPlan {
  if (!plan.isChosenByMedium) return plan;
  const { files, notes } = chooseMediumFiles(device, plan.request.files);
  for (const note of notes) say(note);
  return { ...plan, request: { ...plan.request, files } };
}

/**
 * The files for a request whose family leaves the choice to the medium. Where its config boots nothing, the record's
 * own words count.
 *
 * @param device the guest's CD device, or an ISO image
 * @param named `install-kernel` and `install-ramdisk` of the record
 * @throws INVALID_SOURCE saying why nothing of the medium boots; DISK_UNREADABLE, FILESYSTEM_DAMAGED
 */
export function chooseMediumFiles(
  device: string,
  named: NamedFiles | null,
): { readonly files: NamedFiles; readonly notes: readonly string[] } {
  using disk = openDisk(device);
  let found: MediumFiles;
  try {
    found = readMediumFiles(disk.source);
  } catch (error) {
    if (named !== null && error instanceof GuestbootError && error.code === "INVALID_SOURCE") {
      return { files: named, notes: [`${error.message}: the record's install-kernel is taken`] };
    }
    throw error;
  }
  return {
    files: { kernel: found.kernel, ramdisks: found.ramdisks },
    notes: [`the medium's ${found.config} picks ${quote(found.title)}: ${found.kernel}`, ...found.warnings],
  };
}

/** @throws INVALID_SOURCE when it is no ISO 9660 medium, or nothing on it boots; FILESYSTEM_DAMAGED */
function readMediumFiles(medium: ByteSource): MediumFiles {
  if (!hasIsoMagic(medium)) throw nothingBoots("it holds no ISO 9660 filesystem");
  const filesystem = guestFilesystem(openIso9660(medium));
  // A hybrid image is read as the CD that it is: its partitions lead to the same files.
  const own: GuestVolume = { name: "medium", number: null, partitionUuid: null, filesystem: () => filesystem };
  try {
    const { path, config } = locateBootConfig({ own, volumes: [own] }, MEDIUM_PLACES);
    // An installer's default may be the next disk, or a rescue system without its files on the medium.
    const { entry } = chooseEntry(config, null);
    const isDefaultThere = isThere(filesystem, entry);
    const picked = isDefaultThere ? entry : config.entries.find((other) => isThere(filesystem, other));
    if (picked === undefined) throw nothingBoots(`${path} names ${entry.kernel.path}, which is not on it`);
    return {
      kernel: below(picked.kernel),
      ramdisks: picked.ramdisks.filter(isWhole).map(below),
      config: path,
      title: picked.title,
      warnings: [
        ...config.notes,
        ...picked.ramdisks
          .filter((file) => !isWhole(file))
          .map(({ path: name }) => `${name} is passed over: an installation starts without that file in its ramdisk`),
        ...(isDefaultThere
          ? []
          : [`${entry.kernel.path} of the default entry is not on the medium: the next is taken`]),
      ],
    };
  } catch (error) {
    if (!(error instanceof GuestbootError) || !NOTHING_THERE.has(error.code)) throw error;
    throw nothingBoots(error.message, error);
  }
}

const NOTHING_THERE: ReadonlySet<string> = new Set(["NO_BOOT_CONFIG", "NO_BOOT_ENTRY", "FILE_MISSING", "LINK_LOOP"]);

function isThere(filesystem: GuestFilesystem, { kernel, ramdisks }: BootEntry): boolean {
  return [kernel, ...ramdisks].every((file) => filesystem.find(file.path)?.kind === "file");
}

/** Not one that GRUB would put into a ramdisk under a name of its own. */
const isWhole = (file: FileReference): boolean => file.member === undefined;

const below = (file: FileReference): string => file.path.replace(/^\/+/, "");

function nothingBoots(why: string, cause?: GuestbootError): GuestbootError {
  return new GuestbootError("INVALID_SOURCE", `the installation medium boots nothing that a guest can: ${why}`, {
    hint: "insert the distribution's boot medium, or set other-config:install-repository to a network address",
    args: ["cdrom"],
    cause,
  });
}
