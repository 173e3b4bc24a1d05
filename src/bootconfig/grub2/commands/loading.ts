/**
 * Commands that load what an entry boots: kernels, ramdisks, hypervisors with their modules, other boot loaders.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#linux, #initrd, #multiboot, #module, #chainloader
 *
 * Nothing is read here: whether the files are there shows when they are opened.
 */
import { failed, FAILURE, shown, type Call, type Command, type Loaded } from "../machine.ts";
import type { FileReference } from "../../boot-config.ts";

/** `linux FILE [ARGUMENT…]`, under all its names. */
export const linux: Command = (call) => {
  const { machine, words } = call;
  const name = words[0];
  if (name === undefined) return notLoaded(call, "names no kernel");
  forget(machine.loaded);
  machine.loaded.kernel = { file: reference(call, name), arguments: commandLine(words.slice(1)) };
  return 0;
};

/** `initrd FILE…`: in place of those that an earlier one has loaded. */
export const initrd: Command = (call) => {
  const { machine, name, words } = call;
  let isNamed = false;
  const ramdisks: FileReference[] = [];
  for (const word of words) {
    if (word.startsWith("-")) continue;
    isNamed = true;
    // A file that is put into a ramdisk under a name of its own: newc:NAME:FILE.
    if (word.startsWith("newc:")) {
      machine.notes.add(`${name}: ${shown(word)} is passed over: the guest starts without that file in its ramdisk`);
    } else {
      ramdisks.push(reference(call, word));
    }
  }
  if (!isNamed) return notLoaded(call, "names no file");
  machine.loaded.ramdisks = ramdisks;
  return 0;
};

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

function reference({ machine }: Call, name: string): FileReference {
  const { files } = machine.run;
  return files.reference(files.split(name, machine.environment.get("root") ?? ""));
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
  const isPlain =
    !line.includes('"') && !line.includes("'") && !line.includes("\\") && line.split(" ").length <= words.length;
  return isPlain ? line : words.map(escaped).join(" ");
}

function escaped(word: string): string {
  const plain = word.replace(/\\x[0-9a-fA-F]{2}|["'\\]/g, (found) => (found.length > 1 ? found : `\\${found}`));
  return word.includes(" ") ? `"${plain}"` : plain;
}
