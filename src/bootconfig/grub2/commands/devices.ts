/**
 * Commands that find volumes and ask about them: `search`, `probe`, `loopback`.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#search, #probe, #loopback
 *
 * Where several volumes claim the same UUID, label or file, the config's own wins, before any hint: a disk that was
 * attached must not lead a guest away from its own (CVE-2023-4001).
 */
import { GuestbootError } from "../../../base/errors.ts";
import type { GuestFilesystem } from "../../../filesystem/filesystem.ts";
import type { GuestVolume } from "../../guest-volume.ts";
import type { GuestFiles } from "../guest-files.ts";
import { failed, FAILURE, shown, type Call, type Command, type SearchEnd } from "../machine.ts";
import { optionKinds, readOptions, type Options } from "./options.ts";

type Wanted = "file" | "label" | "fs-uuid" | "part-uuid";

const HINTS = ["hint", "hint-ieee1275", "hint-bios", "hint-baremetal", "hint-efi", "hint-arc"];

const SEARCH_OPTIONS = optionKinds([
  { name: "file", letter: "f" },
  { name: "label", letter: "l" },
  { name: "fs-uuid", letter: "u" },
  { name: "part-uuid" },
  { name: "set", letter: "s", value: "optional" },
  { name: "no-floppy", letter: "n" },
  { name: "hint", letter: "h", value: "needed" },
  ...HINTS.slice(1).map((name) => ({ name, value: "needed" as const })),
]);
const ALIAS_OPTIONS = optionKinds([
  { name: "no-floppy" },
  ...HINTS.map((name) => ({ name, value: "needed" as const })),
]);
const PROBE_OPTIONS = optionKinds([
  { name: "set", letter: "s", value: "needed" },
  { name: "driver", letter: "d" },
  { name: "partmap", letter: "p" },
  { name: "fs", letter: "f" },
  { name: "fs-uuid", letter: "u" },
  { name: "label", letter: "l" },
  { name: "part-uuid" },
]);
const LOOPBACK_OPTIONS = optionKinds([{ name: "delete", letter: "d" }]);

/** What `search` is to look for, and the variable that it is to set. */
interface Search {
  readonly kind: Wanted;
  readonly id: string | undefined;
  readonly variable: string | null;
  readonly options: Options;
}

export const search: Command = (call) => {
  const { kind, id, variable, options } = readSearch(call.words);
  return find(call, kind, id, variable, options);
};

/**
 * How `search` with those words ends, where that is the same for all entries of a config: they look for their volume in
 * the same words. Null where it takes running it. Devices that the script makes (`loopback`) are not looked at.
 */
export function endOfSearch(files: GuestFiles, words: readonly string[]): SearchEnd | null {
  const { kind, id = "", variable } = readSearch(words);
  const own = files.volumes[0];
  if (kind === "file" || id === "" || variable !== "root" || own === undefined) return null;
  if (isVolumeNamed(own, kind, id)) return { found: own };
  // Another volume's hint may win over its place.
  if (files.volumes.some((volume) => isVolumeNamed(volume, kind, id))) return null;
  return { found: null, note: `search: ${notFound(kind, id)}` };
}

function readSearch(words: readonly string[]): Search {
  const options = readOptions(words, SEARCH_OPTIONS);
  const kind = (["file", "label", "fs-uuid", "part-uuid"] as const).find((each) => options.has(each)) ?? "file";
  const [first, second] = options.operands;
  // `search --set root --fs-uuid ID` names the variable in a word of its own.
  const variable = options.has("set")
    ? (options.value("set") ?? (second === undefined ? "root" : (first ?? "")))
    : null;
  const id = options.value("set") === null && second !== undefined && variable !== null ? second : first;
  return { kind, id, variable, options };
}

/** `search.file`, `search.fs_uuid`, `search.fs_label`, `search.part_uuid`: the ID, then the variable, then hints. */
export const searchFor =
  (kind: Wanted): Command =>
  (call) => {
    const options = readOptions(call.words, ALIAS_OPTIONS);
    const [id, variable] = options.operands;
    return find(call, kind, id, variable ?? "root", options);
  };

function find(call: Call, kind: Wanted, id: string | undefined, variable: string | null, options: Options): number {
  const { files, steps } = call.machine.run;
  if (id === undefined || id === "") return failed(call, FAILURE.badArgument, "does not say what to look for");
  const isFound = (volume: GuestVolume): boolean => {
    steps.spend();
    if (!isWanted(call, volume, kind, id)) return false;
    if (variable !== null) call.machine.environment.set(variable, files.nameOf(volume));
    return true;
  };
  const own = files.volumes[0];
  if (own !== undefined && isFound(own)) return 0;
  // Asked only now: most often it is the config's own volume.
  const hints = HINTS.flatMap((name) => options.all(name)).filter((hint) => hint !== null);
  const hinted = hints.map((hint) => files.volumeNamed(hint.replace(/,$/, ""))).filter((volume) => volume !== null);
  const others = new Set([...hinted, ...files.volumes]);
  if (own !== undefined) others.delete(own);
  for (const volume of others) if (isFound(volume)) return 0;
  return failed(call, FAILURE.unknownDevice, notFound(kind, id));
}

const notFound = (kind: Wanted, id: string) => `no volume has the ${WORDS[kind]} ${shown(id)}`;

const WORDS: Readonly<Record<Wanted, string>> = {
  file: "file",
  label: "label",
  "fs-uuid": "filesystem UUID",
  "part-uuid": "partition UUID",
};

function isWanted(call: Call, volume: GuestVolume, kind: Wanted, id: string): boolean {
  if (kind === "file") return call.machine.run.files.findOn(volume, id)?.kind === "file";
  return isVolumeNamed(volume, kind, id);
}

function isVolumeNamed(volume: GuestVolume, kind: Exclude<Wanted, "file">, id: string): boolean {
  if (kind === "part-uuid") return volume.partitionUuid?.toLowerCase() === id.toLowerCase();
  const filesystem = filesystemOf(volume);
  if (kind === "label") return filesystem?.label === id;
  return filesystem?.uuid?.toLowerCase() === id.toLowerCase();
}

function filesystemOf(volume: GuestVolume): GuestFilesystem | null {
  try {
    return volume.filesystem();
  } catch (error) {
    if (error instanceof GuestbootError) return null;
    throw error;
  }
}

export const probe: Command = (call) => {
  const { environment, run } = call.machine;
  const options = readOptions(call.words, PROBE_OPTIONS);
  const [device] = options.operands;
  if (device === undefined) return failed(call, FAILURE.badArgument, "names no device");
  const name = device.replace(/^\(|\)$/g, "");
  const volume = run.files.volumeNamed(name);
  if (volume === null) return failed(call, FAILURE.unknownDevice, `there is no device ${shown(name)}`);
  const filesystem = filesystemOf(volume);
  const answer = options.has("driver")
    ? "biosdisk"
    : options.has("partmap")
      ? volume.number === null
        ? "none"
        : volume.table === "gpt"
          ? "gpt"
          : "msdos"
      : options.has("fs")
        ? filesystem && grubName(filesystem.type)
        : options.has("fs-uuid")
          ? filesystem?.uuid
          : options.has("label")
            ? filesystem?.label
            : options.has("part-uuid")
              ? volume.partitionUuid
              : undefined;
  if (answer === undefined || answer === null) {
    return failed(call, FAILURE.notImplemented, `what it asks of ${shown(name)} is not known`);
  }
  const variable = options.value("set");
  if (variable !== null) environment.set(variable, answer);
  return 0;
};

/** GRUB has one driver for ext2 to ext4, and its own word for ISO 9660. */
function grubName(type: string): string {
  if (/^ext[234]$/.test(type)) return "ext2";
  return /^iso/.test(type) ? "iso9660" : type;
}

/** `loopback [-d] NAME [FILE]` */
export const loopback: Command = (call) => {
  const { environment, run } = call.machine;
  const options = readOptions(call.words, LOOPBACK_OPTIONS);
  const [name, file] = options.operands;
  if (name === undefined) return failed(call, FAILURE.badArgument, "names no device");
  if (options.has("delete")) return run.files.removeLoopback(name) ? 0 : FAILURE.badArgument;
  if (file === undefined) return failed(call, FAILURE.badArgument, "names no file");
  run.files.addLoopback(name, run.files.split(file, environment.get("root") ?? ""));
  return 0;
};
