/**
 * One `title` of a GRUB legacy config: its commands in order, and what they boot.
 * https://www.gnu.org/software/grub/manual/legacy/Command_002dline-and-menu-entry-commands.html
 *
 * Where GRUB would stop with an error and upstream pygrub boots (an initrd before its kernel, a path without its first
 * slash), we boot and say so. `map`, `hide`, `parttype` and their kind change what firmware or another system sees, and
 * `savedefault` writes: none of it matters to a kernel under Xen. Not read: files named by block list, Solaris'
 * `kernel$` and `module$`.
 */
import { GuestbootError } from "../base/errors.ts";
import type { BootEntry, FileReference, MenuPassword } from "./boot-config.ts";
import type { GuestVolume, Surroundings } from "./guest-volume.ts";
import { parseDevice, splitDevice, type NamedDevice } from "./grub-device.ts";
import { splitWord, type Command } from "./grub-legacy-line.ts";
import { quote } from "../base/printable.ts";

export interface Title {
  /** Counted from 0 over all titles, as `default` counts. */
  readonly number: number;
  readonly text: string;
  readonly commands: readonly Command[];
}

/** What a title comes to: an entry, or why it boots no kernel; and what an admin should know of it. */
export interface ReadTitle {
  readonly entry: BootEntry | null;
  readonly reason: string;
  readonly notes: readonly string[];
  /** The other config that it goes on in; null when in none. */
  readonly configFile: FileReference | null;
}

/** What `root`, `uuid` or `find --set-root` has set. */
type Root = NamedDevice | { readonly kind: "volume"; readonly volume: GuestVolume };

/** A file of the entry with its command line, or why it cannot be read. */
type LoadedFile =
  | { readonly kind: "file"; readonly file: FileReference; readonly arguments: string }
  | { readonly kind: "refused"; readonly reason: string };

/** @param surroundings where `uuid` and `find` look; null: nowhere */
export function readTitle(title: Title, surroundings: Surroundings | null = null): ReadTitle {
  const notes: string[] = [];
  let root: Root | null = null;
  let isLocked = false;
  let password: MenuPassword | null = null;
  let configFile: LoadedFile | null = null;
  let kernel: LoadedFile | null = null;
  let ramdisk: LoadedFile | null = null;
  let modules: LoadedFile[] = [];

  for (const { line, word, value } of title.commands) {
    switch (word) {
      case "root":
      case "rootnoverify":
        // Without a value it only shows the device that is set.
        if (value !== "") root = parseDevice(splitWord(value).word);
        break;
      case "uuid":
      case "find": {
        const found = word === "uuid" ? findUuid(value, surroundings) : findSetRoot(value, surroundings);
        if (found === "missing") notes.push(`line ${line}: ${word} finds no volume for ${quote(value)}`);
        else if (found !== null) root = found;
        break;
      }
      case "configfile":
        configFile = loadFile(value, root, line, notes);
        break;
      case "kernel":
        if (kernel === null && ramdisk !== null) notes.push(`line ${line}: the initrd stands before its kernel`);
        // "Any modules must be reloaded after using this command."
        if (kernel !== null) ramdisk = null;
        modules = [];
        kernel = loadFile(skipOptions(value), root, line, notes);
        break;
      case "initrd":
        ramdisk = loadFile(value, root, line, notes);
        if (ramdisk.kind === "file" && ramdisk.arguments !== "") {
          notes.push(`line ${line}: only the first word counts after initrd; passed over: ${quote(ramdisk.arguments)}`);
        }
        break;
      case "module":
      case "modulenounzip":
        modules.push(loadFile(value, root, line, notes));
        break;
      case "lock":
      case "password":
        isLocked = true;
        if (word === "password") password = readPassword(value);
        notes.push(`line ${line}: ${quote(title.text)} is protected by a password, which is not asked for`);
        break;
    }
  }

  if (kernel !== null && modules.length > 0) {
    if (isHypervisor(kernel)) {
      // The entry is for a host: it boots Xen, and Xen its first module. Inside a guest Xen runs already.
      const [first, second] = modules;
      kernel = first ?? kernel;
      ramdisk = second ?? ramdisk;
    } else {
      notes.push(`${quote(title.text)}: its modules are passed over, because its kernel is not a Xen hypervisor`);
    }
  }

  if (kernel === null) {
    const other = configFile?.kind === "file" ? configFile.file : null;
    const reason = configFile?.kind === "refused" ? configFile.reason : whyNoKernel(title.commands);
    return { entry: null, reason, notes, configFile: other };
  }
  if (kernel.kind === "refused") return { entry: null, reason: kernel.reason, notes, configFile: null };
  if (ramdisk?.kind === "refused") return { entry: null, reason: ramdisk.reason, notes, configFile: null };
  const entry: BootEntry = {
    title: title.text,
    id: null,
    kernel: kernel.file,
    ramdisks: ramdisk === null ? [] : [ramdisk.file],
    arguments: kernel.arguments,
    ...(isLocked ? { isLocked } : {}),
    ...(password === null ? {} : { passwords: [password] }),
  };
  return { entry, reason: "", notes, configFile: null };
}

/** `uuid UUID`, of Debian's and Ubuntu's GRUB: the volume whose filesystem has it becomes the root. */
function findUuid(value: string, surroundings: Surroundings | null): Root | "missing" | null {
  const wanted = splitWord(value).word.toLowerCase();
  if (wanted === "" || surroundings === null) return null;
  return volumeThat((volume) => volume.filesystem().uuid?.toLowerCase() === wanted, surroundings);
}

/** `find --set-root [--ignore-floppies] PATH`: the volume that has the file. Without the option it only prints. */
function findSetRoot(value: string, surroundings: Surroundings | null): Root | "missing" | null {
  let isRoot = false;
  let rest = value;
  for (; rest.startsWith("--"); rest = splitWord(rest).rest) isRoot ||= splitWord(rest).word === "--set-root";
  const path = splitWord(rest).word;
  if (!isRoot || surroundings === null || !path.startsWith("/")) return null;
  return volumeThat((volume) => volume.filesystem().find(path) !== null, surroundings);
}

/** The config's own volume first: another one must not pass for it. */
function volumeThat(is: (volume: GuestVolume) => boolean, { own, volumes }: Surroundings): Root | "missing" {
  for (const volume of [own, ...volumes.filter((other) => other !== own)]) {
    try {
      if (is(volume)) return { kind: "volume", volume };
    } catch (error) {
      // A volume that cannot be read is not the one that is looked for.
      if (!(error instanceof GuestbootError)) throw error;
    }
  }
  return "missing";
}

/** `[--md5|--encrypted] PASSWORD`, of a menu or a title; null where it names none. */
export function readPassword(text: string): MenuPassword | null {
  const first = splitWord(text);
  const value = first.word.startsWith("--") ? splitWord(first.rest).word : first.word;
  if (value === "") return null;
  if (!first.word.startsWith("--")) return { user: null, form: "plain", value };
  const form = value.startsWith("$5$") ? "sha256-crypt" : value.startsWith("$6$") ? "sha512-crypt" : "md5-crypt";
  return { user: null, form, value };
}

/** `--type=linux` and `--no-mem-option` come before the file. */
function skipOptions(value: string): string {
  let rest = value;
  while (rest.startsWith("--")) rest = splitWord(rest).rest;
  return rest;
}

function loadFile(value: string, root: Root | null, line: number, notes: string[]): LoadedFile {
  const { word, rest } = splitWord(value);
  const name = splitDevice(word);
  const device = name.device ?? root;
  const path = name.path;
  if (device?.kind === "other") {
    return { kind: "refused", reason: `line ${line} reads from ${quote(device.name)}, which is no disk of the guest` };
  }
  if (path === "") return { kind: "refused", reason: `line ${line} names no file` };
  if (/^\d*\+\d/.test(path)) return { kind: "refused", reason: `line ${line} names blocks of a disk, not a file` };
  if (!path.startsWith("/")) notes.push(`line ${line}: ${quote(path)} is read as if it began with a slash`);
  const file = {
    device: device?.kind === "disk" ? device.device : null,
    ...(device?.kind === "volume" ? { volume: device.volume } : {}),
    path: path.startsWith("/") ? path : `/${path}`,
  };
  return { kind: "file", file, arguments: rest };
}

/** `xen.gz`, `xen-4.1-amd64.gz`, `xen.gz-2.6.18-194.el5`; but not `vmlinuz-2.6.18-194.el5xen`, a guest's kernel. */
function isHypervisor(kernel: LoadedFile): boolean {
  if (kernel.kind === "refused") return false;
  const path = kernel.file.path;
  return path.startsWith("xen", path.lastIndexOf("/") + 1);
}

function whyNoKernel(commands: readonly Command[]): string {
  if (commands.length === 0) return "it is a heading without commands";
  for (const { word, value } of commands) {
    if (word === "chainloader") return "it starts another boot loader (chainloader)";
    if (word === "configfile") return `it goes on in another config, ${quote(value)}`;
  }
  const words = [...new Set(commands.map((command) => command.word))];
  const shown = words.slice(0, 6).map(quote).join(", ");
  return `it has no kernel line, only ${shown}${words.length > 6 ? " and more" : ""}`;
}
