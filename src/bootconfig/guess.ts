/**
 * What a guest without a boot config most likely boots: SLES 9 and 10's kernels, by the names that domUloader took
 * them by, else the newest `vmlinuz` of `/boot` or `/` with the initrd of its version (Alpine, containers).
 *
 * A guess, made only where somebody has allowed it. What it cannot know is the kernel's arguments: there are none.
 */
import type { GuestFilesystem } from "../filesystem/filesystem.ts";
import type { BootConfig, BootEntry } from "./boot-config.ts";
import { compareVersions } from "./version-order.ts";

export interface GuessedConfig {
  /** The folder that the kernels are in. */
  readonly path: string;
  readonly config: BootConfig;
}

/** `/boot` of a root filesystem, the root of a `/boot` of its own. */
const FOLDERS = ["/boot", "/"] as const;

/** The links and files that SLES makes on Xen; they name what its own tools want booted. */
const NAMED_PAIRS = [
  { kernel: "vmlinuz-xen", ramdisk: "initrd-xen" },
  { kernel: "vmlinuz-xenpae", ramdisk: "initrd-xenpae" },
] as const;

const MAX_NAMES = 10_000;
const MAX_ENTRIES = 100;

/** @returns null where no kernel is found. @throws the errors of the filesystem's driver */
export function guessBootConfig(filesystem: GuestFilesystem): GuessedConfig | null {
  for (const folder of FOLDERS) {
    const entries = entriesIn(filesystem, folder);
    const [first] = entries;
    if (first === undefined) continue;
    const ramdisk = first.ramdisks[0]?.path ?? "no ramdisk";
    return {
      path: folder,
      config: {
        // No config has a syntax; the entries are as if a tool had written one for each kernel.
        syntax: "bls",
        entries,
        default: 0,
        timeout: null,
        notes: [
          `no boot config: guessed ${first.kernel.path} with ${ramdisk}, by names alone`,
          "a guess knows no kernel arguments: give root=… with --args, or in the VM's own arguments",
        ],
      },
    };
  }
  return null;
}

/** Kernels with what is after the program's name: "vmlinuz-6.1.0-13-amd64" has the version "6.1.0-13-amd64". */
interface FoundKernel {
  readonly name: string;
  readonly version: string;
}

function entriesIn(filesystem: GuestFilesystem, folder: string): BootEntry[] {
  if (filesystem.find(folder)?.kind !== "directory") return [];
  const names = new Set(
    filesystem
      .list(folder)
      .slice(0, MAX_NAMES)
      .map(({ name }) => name),
  );
  const below = folder === "/" ? "/" : `${folder}/`;
  const isFile = (name: string): boolean => names.has(name) && filesystem.find(below + name)?.kind === "file";
  const entry = (kernel: string, ramdisk: string | null): BootEntry => ({
    title: kernel,
    id: null,
    kernel: { device: null, path: below + kernel },
    ramdisks: ramdisk === null ? [] : [{ device: null, path: below + ramdisk }],
    arguments: "",
  });
  const named = NAMED_PAIRS.filter(({ kernel, ramdisk }) => isFile(kernel) && isFile(ramdisk));
  const kernels = [...names]
    .flatMap(readKernelName)
    .filter(({ name }) => !named.some(({ kernel }) => kernel === name))
    .toSorted(newestFirst)
    .slice(0, MAX_ENTRIES)
    .filter(({ name }) => isFile(name));
  return [
    ...named.map(({ kernel, ramdisk }) => entry(kernel, ramdisk)),
    ...kernels.map((kernel) => entry(kernel.name, initrdNames(kernel.version).find(isFile) ?? null)),
  ];
}

/** None for what is no kernel: rescue images, backups, checksums. */
function readKernelName(name: string): FoundKernel[] {
  const match = /^(?:vmlinuz|vmlinux|kernel|bzImage)(?:-(.{1,200}))?$/.exec(name);
  if (match === null || /(?:rescue|\.(?:old|bak|hmac|sig|gz\.old|efi\.signed))/.test(name)) return [];
  return [{ name, version: match[1] ?? "" }];
}

/** A name without a version, a link or the one kernel there is, is older than any that says what it is. */
function newestFirst(a: FoundKernel, b: FoundKernel): number {
  return (
    Number(a.version === "") - Number(b.version === "") ||
    compareVersions(b.version, a.version) ||
    (a.name < b.name ? -1 : 1)
  );
}

/** As Debian, SUSE, Red Hat, Alpine and Arch, and Gentoo name the initrd of a kernel. */
function initrdNames(version: string): string[] {
  if (version === "") return ["initrd.img", "initrd", "initramfs", "initramfs.img"];
  return [
    `initrd.img-${version}`,
    `initrd-${version}`,
    `initrd-${version}.img`,
    `initramfs-${version}.img`,
    `initramfs-${version}`,
    `initramfs-${version}.gz`,
  ];
}
