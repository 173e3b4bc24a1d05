/**
 * Commands that load what an entry boots: kernels, ramdisks, hypervisors with their modules, other boot loaders.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#linux, #initrd, #multiboot, #module, #chainloader
 *
 * Nothing is read here: whether the files are there shows when they are opened.
 */
import { withOneMore } from "../../../base/short-list.ts";
import { failed, FAILURE, type Call, type Command, type Loaded } from "../machine.ts";
import type { FileReference } from "../../boot-config.ts";
import type { GuestFiles } from "../guest-files.ts";

/** `linux FILE [ARGUMENT…]`, under all its names. */
export const linux: Command = (call) => {
  const { loaded, run } = call.machine;
  const kernel = kernelOf(run.files, rootOf(call), call.words);
  if (kernel === null) return notLoaded(call, "names no kernel");
  forget(loaded);
  loaded.kernel = kernel;
  return 0;
};

/** What `linux` with those words loads; null when they name no file. @param root what `$root` holds */
export function kernelOf(files: GuestFiles, root: string, words: readonly string[]): Loaded["kernel"] {
  const name = words[0];
  if (name === undefined) return null;
  return { file: files.reference(files.split(name, root)), arguments: commandLine(words.slice(1)) };
}

/** `initrd FILE…`: in place of those that an earlier one has loaded. */
export const initrd: Command = (call) => {
  const { loaded, run } = call.machine;
  const ramdisks = ramdisksOf(run.files, rootOf(call), call.words);
  if (ramdisks === null) return notLoaded(call, "names no file");
  loaded.ramdisks = ramdisks;
  return 0;
};

/** What `initrd` with those words loads; null when they name no file, or one of them only half. */
export function ramdisksOf(files: GuestFiles, root: string, words: readonly string[]): readonly FileReference[] | null {
  let ramdisks: FileReference[] | null = null;
  // By their numbers: an iterator is an object, and so is each of its steps, for each entry of a config.
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word.startsWith("-")) continue;
    if (word.startsWith(MEMBER)) {
      const end = word.indexOf(":", MEMBER.length);
      if (end < 0) return null;
      const member = word.slice(MEMBER.length, end);
      ramdisks = withOneMore(ramdisks, { ...files.reference(files.split(word.slice(end + 1), root)), member });
    } else {
      ramdisks = withOneMore(ramdisks, files.reference(files.split(word, root)));
    }
  }
  return ramdisks;
}

/** `newc:NAME:FILE`: the file is put into an archive, under that name. */
const MEMBER = "newc:";

/** A multiboot kernel; its arguments are the hypervisor's, which runs already where a guest boots. */
export const multiboot: Command = (call) => {
  const { loaded } = call.machine;
  const [name] = withoutOptions(call.words);
  if (name === undefined) return notLoaded(call, "names no kernel");
  forget(loaded);
  loaded.multiboot = reference(call, name);
  return 0;
};

export const module: Command = (call) => {
  const { loaded } = call.machine;
  const [name, ...rest] = withoutOptions(call.words);
  if (name === undefined) return notLoaded(call, "names no file");
  if (loaded.multiboot === null) return notLoaded(call, "loads a module before its kernel");
  // The first word stood for the file's name, which GRUB legacy handed on.
  loaded.modules.push({
    file: reference(call, name),
    arguments: commandLine(rest[0] === "placeholder" ? rest.slice(1) : rest),
  });
  return 0;
};

/** What boots something that is no kernel for Xen. */
export const refuse =
  (what: string): Command =>
  ({ machine }) => {
    forget(machine.loaded);
    machine.loaded.refused = what;
    return 0;
  };

/** What an entry has loaded before its first command. */
export function empty(): Loaded {
  return { kernel: null, multiboot: null, modules: [], ramdisks: [], refused: null };
}

function forget(loaded: Loaded): void {
  loaded.kernel = null;
  loaded.multiboot = null;
  loaded.modules = [];
  loaded.ramdisks = [];
  loaded.refused = null;
}

function notLoaded(call: Call, why: string): number {
  call.machine.loaded.refused ??= `${call.name} ${why}`;
  return failed(call, FAILURE.badArgument, why);
}

function reference(call: Call, name: string): FileReference {
  const { files } = call.machine.run;
  return files.reference(files.split(name, rootOf(call)));
}

function rootOf({ machine }: Call): string {
  return machine.environment.get("root") ?? "";
}

function withoutOptions(words: readonly string[]): readonly string[] {
  const start = words.findIndex((word) => !word.startsWith("--"));
  return start < 0 ? [] : words.slice(start);
}

/**
 * Arguments as one line, as GRUB hands them to a kernel: those with blanks between quotation marks, and a backslash
 * before each backslash and quotation mark, but for what is a byte's number already (`\x20`).
 */
function commandLine(words: readonly string[]): string {
  const line = words.join(" ");
  // Most have neither quotation marks nor backslashes, and no blanks but those between the words.
  const isPlain = !line.includes('"') && !line.includes("'") && !line.includes("\\") && !words.join("").includes(" ");
  return isPlain ? line : words.map(escaped).join(" ");
}

function escaped(word: string): string {
  const plain = word.replace(/\\x[0-9a-fA-F]{2}|["'\\]/g, (found) => (found.length > 1 ? found : `\\${found}`));
  return word.includes(" ") ? `"${plain}"` : plain;
}
