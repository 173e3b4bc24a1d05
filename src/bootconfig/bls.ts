/**
 * The entries of the Boot Loader Specification on a volume: type 1, the files of `loader/entries`, and type 2, the
 * unified kernel images of `EFI/Linux`; in GRUB's order or in systemd-boot's.
 * https://uapi-group.org/specifications/specs/boot_loader_specification/
 *
 * Not taken: entries for another architecture, and those that start something else than a Linux kernel. The folders
 * are the guest's, so names, counts and sizes are bounded.
 */
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { decodeText } from "../base/text.ts";
import type { GuestFilesystem } from "../filesystem/filesystem.ts";
import { parseBlsFile, readCountedName, type BlsFile, type CountedName } from "./bls-file.ts";
import { byFileName, bySpecification, type Sortable } from "./bls-order.ts";
import type { BootEntry, FileReference } from "./boot-config.ts";
import type { GuestVolume } from "./guest-volume.ts";
import { readUki, type UnifiedKernelImage } from "./uki.ts";

export interface BlsLookUp {
  /** GRUB's, for values that name them: from grubenv and from grub.cfg. */
  readonly variables: ReadonlyMap<string, string>;
  /** The folder of type 1 entries; null: where they usually are. */
  readonly folder: string | null;
  /** GRUB's `blscfg` (the default) sorts by file names alone, and reads no type 2. */
  readonly order?: "grub" | "systemd-boot" | undefined;
  /** What an admin should know about what was passed over. */
  note?(line: string): void;
}

/** An entry with what it is sorted and chosen by. */
export interface BlsEntry extends Sortable {
  readonly entry: BootEntry;
  /** The file's name without its counter, `.conf` or `.efi` kept: what `default` of loader.conf is matched with. */
  readonly identifier: string;
}

/** Folders of type 1 entries, most wanted first. */
export const ENTRY_FOLDERS: readonly string[] = [
  "/boot/loader/entries",
  "/loader/entries",
  "/efi/loader/entries",
  "/boot/efi/loader/entries",
];

/** Folders of unified kernel images. */
const UKI_FOLDERS: readonly string[] = ["/EFI/Linux", "/boot/EFI/Linux", "/efi/EFI/Linux", "/boot/efi/EFI/Linux"];

const MAX_FILES = 500;
const MAX_RAMDISKS = 64;
const MAX_FILE_SIZE = 64 * 1024;

/**
 * In the order of a menu. A folder that is not there has none.
 * @throws NO_FILESYSTEM and what reading the volume throws
 */
export function readBlsEntries(volume: GuestVolume, lookUp: BlsLookUp): readonly BootEntry[] {
  return sortBlsEntries(readUnsorted(volume, lookUp), lookUp.order ?? "grub").map(({ entry }) => entry);
}

/** As `readBlsEntries`, for callers that read several volumes. */
export function readUnsorted(volume: GuestVolume, lookUp: BlsLookUp): BlsEntry[] {
  const filesystem = volume.filesystem();
  const isFolder = (path: string): boolean => filesystem.find(path)?.kind === "directory";
  const folder = lookUp.folder ?? ENTRY_FOLDERS.find(isFolder) ?? null;
  const typeOne = folder === null || !isFolder(folder) ? [] : readFolder(filesystem, folder, ".conf", lookUp);
  const images = lookUp.order === "systemd-boot" ? (UKI_FOLDERS.find(isFolder) ?? null) : null;
  const typeTwo = images === null ? [] : readFolder(filesystem, images, ".efi", lookUp);
  return [
    ...typeOne.flatMap((name) => passingOver(name, lookUp, () => readTypeOne(volume, folder ?? "/", name, lookUp))),
    ...typeTwo.flatMap((name) => passingOver(name, lookUp, () => readTypeTwo(volume, images ?? "/", name, lookUp))),
  ];
}

export function sortBlsEntries(entries: readonly BlsEntry[], order: "grub" | "systemd-boot"): BlsEntry[] {
  return entries.toSorted(order === "grub" ? byFileName : bySpecification);
}

/** The names in a folder that end so, in any case: they are on a FAT filesystem more often than not. */
function readFolder(filesystem: GuestFilesystem, folder: string, extension: string, lookUp: BlsLookUp): string[] {
  const names = filesystem
    .list(folder)
    .map((found) => found.name)
    .filter((name) => name.toLowerCase().endsWith(extension) && !name.startsWith("."))
    .toSorted();
  if (names.length > MAX_FILES) {
    lookUp.note?.(`${folder} has ${names.length} files: only the last ${MAX_FILES} by name are read`);
  }
  return names.slice(-MAX_FILES);
}

/** A file that cannot be used is noted, and the others are read. */
function passingOver(name: string, lookUp: BlsLookUp, read: () => BlsEntry | string): BlsEntry[] {
  try {
    const found = read();
    if (typeof found !== "string") return [found];
    lookUp.note?.(`${quote(name)} is passed over: ${found}`);
  } catch (error) {
    if (!(error instanceof GuestbootError)) throw error;
    lookUp.note?.(`${quote(name)} is passed over: ${error.message}`);
  }
  return [];
}

function readTypeOne(volume: GuestVolume, folder: string, fileName: string, lookUp: BlsLookUp): BlsEntry | string {
  const content = volume.filesystem().open(`${folder}/${fileName}`);
  if (content.size > MAX_FILE_SIZE) return `it has ${content.size} bytes, more than the ${MAX_FILE_SIZE} that are read`;
  const file = parseBlsFile(decodeText(content.read(0, content.size)), lookUp.variables);
  return typeOneEntry(volume, { folder, fileName, file }, lookUp.variables);
}

/** @param found.folder where the file lies, to find what it names */
export function typeOneEntry(
  volume: GuestVolume,
  found: { readonly folder: string; readonly fileName: string; readonly file: BlsFile },
  variables: ReadonlyMap<string, string>,
): BlsEntry | string {
  const { folder, fileName, file } = found;
  if (file.architecture !== null && !ARCHITECTURES.has(file.architecture.toLowerCase())) {
    return `it is for the architecture ${quote(file.architecture)}`;
  }
  const counted = readCountedName(fileName, ".conf");
  const options = file.options ?? variables.get("default_kernelopts") ?? "";
  const title = file.title ?? (file.version === null ? counted.name : `Linux ${file.version}`);
  const shared = {
    title,
    id: counted.name,
    isLocked: file.users !== null && file.users !== "",
    users: file.users === null ? [] : file.users.split(/[ ,;|&]+/).filter((user) => user !== ""),
    hotkey: file.hotkey,
  };
  const sortable = sortableOf(fileName, counted, file);
  const reference = (path: string): FileReference => ({ device: null, volume, path: placeOf(volume, folder, path) });
  if (file.linux !== null) {
    const initrds = [...earlyInitrds(variables), ...file.initrds];
    if (initrds.length > MAX_RAMDISKS) return `it names more than ${MAX_RAMDISKS} ramdisks`;
    const ramdisks = initrds.map(reference);
    return { ...sortable, entry: { ...shared, kernel: reference(file.linux), ramdisks, arguments: options } };
  }
  if (file.efi === null) return "it names no kernel";
  const program = reference(file.efi);
  const image = readUki(volume.filesystem().open(program.path));
  if (image === null) return `it starts another EFI program, ${quote(file.efi)}`;
  return {
    ...sortable,
    // The stub takes the entry's own options in place of the image's.
    entry: { ...shared, ...filesOf(image, program), arguments: options === "" ? image.arguments : options },
  };
}

function readTypeTwo(volume: GuestVolume, folder: string, fileName: string, lookUp: BlsLookUp): BlsEntry | string {
  const program: FileReference = { device: null, volume, path: `${folder}/${fileName}` };
  const image = readUki(volume.filesystem().open(program.path));
  if (image === null) return "it is no unified kernel image";
  if (image.hasMoreProfiles) lookUp.note?.(`${quote(fileName)} has several profiles: only its first is an entry`);
  const field = (...names: readonly string[]): string | null =>
    names.map((name) => image.osRelease.get(name)).find((value) => value !== undefined && value !== "") ?? null;
  const counted = readCountedName(fileName, ".efi");
  const title = field("PRETTY_NAME", "IMAGE_ID", "NAME", "ID") ?? counted.name;
  return {
    ...sortableOf(fileName, counted, {
      sortKey: field("IMAGE_ID", "ID"),
      machineId: null,
      version: field("IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID") ?? image.kernelVersion,
    }),
    entry: { title, id: counted.name, ...filesOf(image, program), arguments: image.arguments },
  };
}

function filesOf(image: UnifiedKernelImage, program: FileReference): Pick<BootEntry, "kernel" | "ramdisks"> {
  return {
    kernel: { ...program, section: image.kernel },
    ramdisks: image.ramdisks.map((section) => ({ ...program, section })),
  };
}

function sortableOf(
  fileName: string,
  counted: CountedName,
  file: Pick<BlsFile, "sortKey" | "machineId" | "version">,
): Sortable & { readonly identifier: string } {
  return {
    name: counted.name,
    identifier: counted.name + fileName.slice(fileName.lastIndexOf(".")),
    triesLeft: counted.triesLeft,
    triesDone: counted.triesDone,
    sortKey: file.sortKey,
    machineId: file.machineId,
    version: file.version,
  };
}

/** Fedora's GRUB puts these before an entry's own (microcode). */
function earlyInitrds(variables: ReadonlyMap<string, string>): string[] {
  return (variables.get("early_initrd") ?? "").split(/[ \t]/).filter((name) => name !== "");
}

/**
 * Paths are below the root of the volume that holds the entries. Where `/boot` is no volume of its own, programs that
 * took it for one have written them below `/boot`: what is not at the one place is looked for at the other.
 */
function placeOf(volume: GuestVolume, folder: string, written: string): string {
  const path = `/${written}`.replace(/\/{2,}/g, "/").replaceAll("\\", "/");
  const base = folder.replace(/\/loader\/entries$/, "");
  if (base === "" || base === folder || path.startsWith(`${base}/`)) return path;
  const filesystem = volume.filesystem();
  return filesystem.find(path) === null && filesystem.find(base + path) !== null ? base + path : path;
}

/** In the specification's words (EFI's), those of the guests that this host can start. */
const ARCHITECTURES: ReadonlySet<string> = new Set(process.arch === "arm64" ? ["aa64", "arm"] : ["x64", "ia32"]);
