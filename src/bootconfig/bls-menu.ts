/**
 * systemd-boot's menu: the entries of the Boot Loader Specification on the config's volume and on the guest's EFI
 * partition, with `loader.conf`.
 * https://www.freedesktop.org/software/systemd/man/latest/loader.conf.html
 *
 * Not known here is what systemd-boot keeps in EFI variables: the entry of the last boot (`@saved`) and one that was
 * chosen for a single boot.
 */
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { decodeText } from "../base/text.ts";
import { parseBlsFile } from "./bls-file.ts";
import { ENTRY_FOLDERS, readUnsorted, sortBlsEntries, typeOneEntry, type BlsEntry } from "./bls.ts";
import type { BootConfig, BootEntry, ConfigPlace, ConfigReader } from "./boot-config.ts";
import { matchesGlob } from "./glob.ts";
import { splitWord } from "./grub-legacy-line.ts";
import type { GuestVolume } from "./guest-volume.ts";

const MAX_LOADER_CONF = 64 * 1024;
const MAX_NOTES = 50;

/**
 * @param text a single `*.conf` file's where the place names one, else nothing: the folder is read
 * @throws NO_BOOT_ENTRY when no entry boots a kernel; what reading the volume throws
 */
export const readBlsMenu: ConfigReader = (text, place) => {
  const notes: string[] = [];
  const note = (line: string): void => {
    if (notes.length < MAX_NOTES && !notes.includes(line)) notes.push(line);
  };
  const entries = isEntryFile(place.path) ? readAlone(text, place, note) : readAll(place, note);
  if (entries.length === 0) {
    const reasons = notes.length === 0 ? "" : `: ${notes.slice(0, 8).join("; ")}`;
    throw new GuestbootError("NO_BOOT_ENTRY", `no boot loader entry boots a kernel${reasons}`, {
      hint: "name the files inside the guest, --kernel=PATH --ramdisk=PATH, or repair the entries in the guest",
    });
  }
  const sorted = sortBlsEntries(entries, "systemd-boot");
  const conf = readLoaderConf(place);
  const chosen = chooseDefault(sorted, conf, note);
  return {
    syntax: "bls",
    entries: toldApart(sorted),
    default: chosen,
    fallback: sorted.flatMap(({ triesLeft }, index) => (triesLeft === 0 || index === chosen ? [] : [index])),
    timeout: conf.size === 0 ? null : readTimeout(conf.get("timeout") ?? null),
    notes,
  } satisfies BootConfig;
};

/** Titles that several entries have get their versions, as in systemd-boot's menu. */
function toldApart(entries: readonly BlsEntry[]): BootEntry[] {
  const count = new Map<string, number>();
  for (const { entry } of entries) count.set(entry.title, (count.get(entry.title) ?? 0) + 1);
  return entries.map(({ entry, version, name }) => {
    const isAlone = count.get(entry.title) === 1;
    return isAlone ? entry : { ...entry, title: `${entry.title} (${version ?? name})` };
  });
}

const isEntryFile = (path: string): boolean => path.endsWith(".conf") && !path.endsWith("/loader.conf");

function readAlone(text: string, place: ConfigPlace, note: (line: string) => void): BlsEntry[] {
  const cut = place.path.lastIndexOf("/");
  const [folder, fileName] = [place.path.slice(0, cut), place.path.slice(cut + 1)];
  const found = typeOneEntry(place.own, { folder, fileName, file: parseBlsFile(text, new Map()) }, new Map());
  if (typeof found !== "string") return [found];
  note(`${quote(fileName)} is passed over: ${found}`);
  return [];
}

/** An entry that two volumes have is the config's own. */
function readAll(place: ConfigPlace, note: (line: string) => void): BlsEntry[] {
  const folder = place.path.endsWith("/entries") ? place.path : null;
  const lookUp = { variables: new Map<string, string>(), order: "systemd-boot", note } as const;
  const found = new Map<string, BlsEntry>();
  const volumes = [place.own, ...efiPartitions(place)];
  for (const volume of volumes) {
    const entries = readUnsorted(volume, { ...lookUp, folder: volume === place.own ? folder : null });
    for (const entry of entries) if (!found.has(entry.identifier)) found.set(entry.identifier, entry);
  }
  return [...found.values()];
}

/** The other volumes that firmware could read. */
function efiPartitions({ own, volumes }: ConfigPlace): GuestVolume[] {
  return volumes.filter((volume) => {
    if (volume === own) return false;
    try {
      return /^v?fat/.test(volume.filesystem().type);
    } catch (error) {
      if (error instanceof GuestbootError) return false;
      throw error;
    }
  });
}

/** The first `loader.conf` there is, beside the entries or on the EFI partition. The last line of a key counts. */
function readLoaderConf(place: ConfigPlace): ReadonlyMap<string, string> {
  const beside = ENTRY_FOLDERS.map((folder) => folder.replace(/entries$/, "loader.conf"));
  const own = place.path.endsWith("/entries") ? place.path.replace(/entries$/, "loader.conf") : place.path;
  for (const volume of [place.own, ...efiPartitions(place)]) {
    const filesystem = volume.filesystem();
    for (const path of volume === place.own ? [own, ...beside] : beside) {
      if (!path.endsWith("loader.conf") || filesystem.find(path)?.kind !== "file") continue;
      const content = filesystem.open(path);
      return parseLoaderConf(decodeText(content.read(0, Math.min(content.size, MAX_LOADER_CONF))));
    }
  }
  return new Map();
}

function parseLoaderConf(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split("\n", 1_000)) {
    const { word, rest } = splitWord(line.trim());
    if (word !== "" && !word.startsWith("#") && rest !== "") values.set(word, rest);
  }
  return values;
}

/** As systemd-boot: the first that matches `preferred` and has not failed too often, that `default` matches, or any. */
function chooseDefault(
  entries: readonly BlsEntry[],
  conf: ReadonlyMap<string, string>,
  note: (line: string) => void,
): number {
  for (const key of ["preferred", "default"]) {
    const pattern = conf.get(key);
    if (pattern === undefined) continue;
    if (pattern === "@saved") {
      note("loader.conf asks for the entry of the last boot, which is in an EFI variable: the first is taken");
      continue;
    }
    const index = entries.findIndex(
      ({ identifier, name, triesLeft }) =>
        [identifier, name].some((id) => matchesGlob(pattern.toLowerCase(), id.toLowerCase())) &&
        (key === "default" || triesLeft !== 0),
    );
    if (index >= 0) return index;
    note(`loader.conf: no entry matches ${key} ${quote(pattern)}`);
  }
  return 0;
}

/** Seconds; without a number no menu waits, or it waits for ever (`menu-force`). */
function readTimeout(value: string | null): number | null {
  if (value === null || value === "menu-hidden" || value === "menu-disabled") return 0;
  return /^\d{1,9}$/.test(value) ? Number(value) : null;
}
