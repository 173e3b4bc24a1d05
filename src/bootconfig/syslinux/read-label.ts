/**
 * What a label of a syslinux config boots.
 * https://wiki.syslinux.org/wiki/index.php?title=Config, ?title=Mboot.c32, ?title=Linux.c32
 *
 * A Xen host's label (`mboot.c32 xen.gz --- vmlinuz … --- initrd`) boots its kernel and initrd: inside a guest Xen
 * runs already. What is no Linux kernel (`LOCALBOOT`, boot sectors, disk images, other programs) is named.
 */
import { quote } from "../../base/printable.ts";
import type { BootEntry, ConfigPlace, FileReference, MenuPassword } from "../boot-config.ts";
import { splitWord } from "../grub-legacy-line.ts";
import { findFile, titleOf, type Label } from "./read-menu.ts";

/** A command line before its files are looked for. */
interface CommandLine {
  readonly kernel: string;
  readonly arguments: string;
  readonly initrds: readonly string[];
}

const MAX_RAMDISKS = 64;

/** @returns the entry, or why it boots no kernel */
export function readLabel(
  label: Label,
  place: ConfigPlace,
  globalAppend: string | null,
  extraArguments = "",
): BootEntry | string {
  const line = commandLineOf(label, globalAppend, extraArguments);
  if (typeof line === "string") return line;
  if (line.initrds.length > MAX_RAMDISKS) return `it names more than ${MAX_RAMDISKS} ramdisks`;
  const reference = (path: string): FileReference => ({ device: null, path: findFile(place, label.folder, path) });
  return {
    title: titleOf(label),
    id: label.name,
    submenu: label.submenu,
    isLocked: label.isLocked,
    passwords: label.password === null ? [] : [passwordOf(label.password)],
    kernel: reference(line.kernel),
    ramdisks: line.initrds.map(reference),
    arguments: line.arguments,
  };
}

/** A password of `MENU PASSWD` or `MENU MASTER PASSWD`: its first letters tell how it is kept. */
export function passwordOf(value: string): MenuPassword {
  const forms = { $1$: "md5-crypt", $4$: "sha1-base64", $5$: "sha256-crypt", $6$: "sha512-crypt" } as const;
  const known = Object.entries(forms).find(([prefix]) => value.startsWith(prefix));
  return { user: null, form: known?.[1] ?? "plain", value };
}

/** Types by name, as `KERNEL` tells them apart; everything else is a Linux kernel. */
const OTHER_IMAGES = /\.(?:0|bin|bs|bss|com|cbt|c32|img|efi)$/i;

function commandLineOf(label: Label, globalAppend: string | null, extraArguments: string): CommandLine | string {
  const { image } = label;
  if (image === null) return label.opensConfig ? "it opens another config" : "it names no kernel";
  if (image.kind === "localboot") return "it boots the next disk of the machine (LOCALBOOT)";
  const own = label.append ?? globalAppend ?? "";
  const append = [own === "-" ? "" : own, extraArguments].filter((text) => text !== "").join(" ");
  const program = image.file.slice(image.file.lastIndexOf("/") + 1).toLowerCase();
  if (image.kind !== "linux") {
    if (program === "mboot.c32") return multibootOf(append);
    if (program === "linux.c32") return linuxOf(splitWord(append).word, splitWord(append).rest, label.initrd);
    if (label.opensConfig) return "it opens another config";
    if (image.kind !== "kernel" || OTHER_IMAGES.test(program)) {
      return `it starts ${quote(image.file)}, which is no Linux kernel`;
    }
  }
  return linuxOf(image.file, append, label.initrd);
}

/** `INITRD` is an `initrd=` before the others; the last one counts. */
function linuxOf(kernel: string, append: string, initrd: string | null): CommandLine | string {
  if (kernel === "") return "it names no kernel";
  const { rest, files } = takeInitrds(append);
  const chosen = files ?? initrd ?? "";
  return {
    kernel,
    arguments: rest,
    initrds: chosen
      .split(",")
      .filter((name) => name.trim() !== "")
      .map(trim),
  };
}

/** Modules after `---`; the first program is the hypervisor. */
function multibootOf(append: string): CommandLine | string {
  const [hypervisor = "", kernel = "", ...modules] = append.split(/(?:^|[ \t])---(?=[ \t]|$)/).map(trim);
  const program = splitWord(hypervisor).word;
  if (!program.slice(program.lastIndexOf("/") + 1).startsWith("xen")) {
    return `mboot.c32 starts ${quote(program)}, which is no Xen hypervisor`;
  }
  if (kernel === "") return "it starts a Xen hypervisor without a kernel";
  const { word, rest } = splitWord(kernel);
  // A module's own arguments are nothing to an initrd.
  const initrds = modules.map((module) => splitWord(module).word).filter((name) => name !== "");
  return { kernel: word, arguments: rest, initrds };
}

/** The words but for `initrd=…`, and the last of those. Blanks between the others stay as they are. */
function takeInitrds(append: string): { readonly rest: string; readonly files: string | null } {
  let files: string | null = null;
  const kept: string[] = [];
  for (const piece of append.split(/(?<=[ \t])(?=[^ \t])/)) {
    const word = trim(piece);
    if (/^initrd=/i.test(word)) files = word.slice("initrd=".length);
    else kept.push(piece);
  }
  return { rest: kept.join("").trim(), files };
}

function trim(text: string): string {
  return text.trim();
}
