/**
 * Commands that read other files of the guest: configs and the environment block.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#source, #configfile, #load_005fenv
 */
import { GuestbootError } from "../../../base/errors.ts";
import type { NamedFile } from "../guest-files.ts";
import { MAX_GRUBENV_SIZE, readGrubenv } from "../grubenv.ts";
import { failed, FAILURE, NEXT, shown, type Call, type Command, type Menu } from "../machine.ts";
import { optionKinds, readOptions } from "./options.ts";

/** Longer configs are refused: 1 MiB. */
export const MAX_CONFIG_SIZE = 1 << 20;

/** Runs a file as if its lines stood here. */
export const source: Command = (call) => {
  const read = readConfig(call);
  if (read === null) return 0;
  const { machine } = call;
  return within(call, read.file, () => machine.executeText(machine, read.text));
};

/** Runs a file as a config of its own, with what was exported; where it has entries, its menu takes the place of ours. */
export const configfile: Command = (call) => {
  const read = readConfig(call);
  return read === null ? 0 : asOwnMenu(call, read.file, () => call.machine.executeText(call.machine, read.text));
};

/** @param fill makes the menu of the file, which is the machine's meanwhile. @returns what `fill` does */
export function asOwnMenu(call: Call, file: NamedFile, fill: () => number): number {
  const { machine } = call;
  const { environment, menu } = machine;
  const own: Menu = { items: [], environment: environment.inherited() };
  const path = `(${file.device})${file.path}`;
  own.environment.set("config_file", path);
  own.environment.set("config_directory", path.slice(0, path.lastIndexOf("/")));
  machine.environment = own.environment;
  machine.menu = own;
  try {
    const status = within(call, file, fill);
    if (machine.flow.kind === "menu") return status;
    if (own.items.length === 0) {
      machine.flow = NEXT;
    } else {
      machine.flow = { kind: "menu", menu: own, path: file.path };
      machine.run.trail.push(`the menu is that of ${path}`);
    }
    return status;
  } finally {
    machine.environment = environment;
    machine.menu = menu;
  }
}

/** `load_env [--file FILE] [NAME…]`: with names, these alone are taken. */
export const loadEnv: Command = (call) => {
  const { environment, run } = call.machine;
  const { file, names } = environmentBlock(call);
  if (run.files.find(file) === null) return failed(call, FAILURE.fileNotFound, `there is no ${shown(file.path)}`);
  for (const [name, value] of readGrubenv(run.files.readText(file, MAX_GRUBENV_SIZE))) {
    run.steps.spend();
    if (names.length === 0 || names.includes(name)) environment.set(name, value);
  }
  return 0;
};

/** GRUB would write to the guest's disk here. We never do, and say what is not written. */
export const saveEnv: Command = (call) => {
  const { environment, notes } = call.machine;
  for (const name of environmentBlock(call).names) {
    const value = environment.get(name) ?? "";
    if (name === "next_entry" && value === "") {
      const wanted = environment.get("default") ?? "";
      notes.add(
        `grub-reboot asked for ${shown(wanted)} for one start: nothing is written to a guest's disk, so that it will be taken again at the next`,
      );
    } else {
      notes.add(`save_env would write ${shown(`${name}=${value}`)}; nothing is written to a guest's disk`);
    }
  }
  return 0;
};

const BLOCK_OPTIONS = optionKinds([
  { name: "file", letter: "f", value: "needed" },
  { name: "skip-sig", letter: "s" },
]);

/** `list_env` only prints. */
function environmentBlock(call: Call): { readonly file: NamedFile; readonly names: readonly string[] } {
  const { environment, run } = call.machine;
  const options = readOptions(call.words, BLOCK_OPTIONS);
  const name = options.value("file") ?? `${environment.get("prefix") ?? ""}/grubenv`;
  return { file: run.files.split(name, environment.get("root") ?? ""), names: options.operands };
}

interface ReadConfig {
  readonly file: NamedFile;
  readonly text: string;
}

/** Null when there is no such file: GRUB goes on as if it were empty. */
export function readConfig(call: Call, name = call.words[0]): ReadConfig | null {
  const { environment, run } = call.machine;
  if (name === undefined) {
    failed(call, FAILURE.badArgument, "names no file");
    return null;
  }
  const file = run.files.split(name, environment.get("root") ?? "");
  if (run.files.find(file)?.kind !== "file") {
    failed(call, FAILURE.fileNotFound, `there is no file ${shown(name)}`);
    return null;
  }
  return { file, text: run.files.readText(file, MAX_CONFIG_SIZE) };
}

/** @throws BUDGET_EXCEEDED when files read each other in a circle or too deep */
export function within<T>({ machine }: Call, file: NamedFile, work: () => T): T {
  const key = `(${file.device})${file.path}`;
  if (machine.reading.length >= MAX_FILES_DEEP) {
    throw new GuestbootError(
      "BUDGET_EXCEEDED",
      `configs read each other more than ${MAX_FILES_DEEP} deep, ${shown(key)} last`,
    );
  }
  machine.reading.push(key);
  machine.run.trail.push(`the config reads ${key}`);
  try {
    return work();
  } finally {
    machine.reading.pop();
  }
}

/** A circle ends here too: the same file may well read itself once, under another condition. */
const MAX_FILES_DEEP = 16;
