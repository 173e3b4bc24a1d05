/**
 * Commands that build the menu: `menuentry`, `submenu`, `blscfg`, and the passwords that guard it.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#menuentry, #submenu, #password_005fpbkdf2
 */
import { failed, FAILURE, type Call, type Command } from "../machine.ts";
import { optionKinds, readOptions } from "./options.ts";

const MAX_TITLE = 4096;

const ENTRY_OPTIONS = optionKinds([
  { name: "class", value: "needed" },
  { name: "users", value: "needed" },
  { name: "hotkey", value: "needed" },
  { name: "source", value: "needed" },
  { name: "id", value: "needed" },
  { name: "unrestricted" },
]);

export const menuentry: Command = (call) => addItem(call, "entry");
export const submenu: Command = (call) => addItem(call, "submenu");

function addItem(call: Call, kind: "entry" | "submenu"): number {
  const { machine, words, block } = call;
  const options = readOptions(words, ENTRY_OPTIONS);
  const title = options.operands[0];
  if (title === undefined || block === null) return failed(call, FAILURE.badArgument, "has no title or no body");
  machine.run.entries.spend();
  machine.menu.items.push({
    kind,
    title: title.length > MAX_TITLE ? title.slice(0, MAX_TITLE) : title,
    id: options.value("id"),
    isUnrestricted: options.has("unrestricted"),
    users: options.value("users"),
    hotkey: options.value("hotkey"),
    arguments: options.operands,
    block,
  });
  return 0;
}

/** `blscfg [FOLDER]`: the entries of the Boot Loader Specification, from the volume that `$boot` or `$root` names. */
export const blscfg: Command = (call) => {
  const { environment, menu, notes, run } = call.machine;
  if (run.readBls === null)
    return failed(call, FAILURE.notImplemented, "entries of the Boot Loader Specification are not read");
  const root = environment.get("boot") ?? environment.get("root") ?? "";
  const named = call.words[0] ?? environment.get("blsdir");
  const folder = named === undefined ? null : run.files.split(named, root);
  const volume = run.files.volumeOf(folder?.device ?? root.replace(/^\(|\)$/g, ""));
  const entries = run.readBls(volume, {
    variables: environment.entries(),
    folder: folder?.path ?? null,
    note: (line) => {
      notes.add(line);
    },
  });
  run.trail.push(`${call.name}: ${entries.length} entries of the Boot Loader Specification on ${volume.name}`);
  if (entries.length === 0) return failed(call, FAILURE.fileNotFound, `${volume.name} has no such entries`);
  for (const entry of entries) {
    run.entries.spend();
    menu.items.push({ kind: "read", entry });
  }
  return 0;
};

/** `password USER WORD`, `password_pbkdf2 USER HASH` */
export const password: Command = (call) => {
  const [user, value] = call.words;
  if (user === undefined || value === undefined)
    return failed(call, FAILURE.badArgument, "wants a user and a password");
  const { passwords } = call.machine.run;
  call.machine.run.entries.spend();
  const form = call.name === "password" ? "plain" : "pbkdf2";
  const known = passwords.findIndex((each) => each.user === user);
  if (known >= 0) passwords.splice(known, 1);
  passwords.push({ user, form, value });
  return 0;
};
