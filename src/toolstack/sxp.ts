/**
 * A guest of xend as `xm list -l NAME` prints it and `xm new -F FILE` takes it: one s-expression `(domain (name …)
 * (bootloader …) (image (linux (kernel …) …)) …)`. Read, and changed in place: what else stands there stays.
 *
 * Atoms are bare words, or text in single or double quotes with backslashes. Not read: an export of several guests,
 * which `xm new` does not take either.
 */
import { Budget } from "../base/budget.ts";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { loaderBeside, loaderName, userdeviceOf, withFirstBootable, type BootText } from "./boot-text.ts";
import type { BootField, VirtualBlockDevice } from "./vm-record.ts";

/** An atom or a list, and where it stands in the text, in characters. */
export type Sxp = SxpAtom | SxpList;

export interface SxpAtom {
  readonly kind: "atom";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

export interface SxpList {
  readonly kind: "list";
  readonly items: readonly Sxp[];
  readonly start: number;
  /** Behind the closing parenthesis. */
  readonly end: number;
}

const MOST_ITEMS = 100_000;
const DEEPEST = 64;
/** xend starts nothing that has no folder. */
const LOADERS = "/usr/bin/";

/** Every expression of the text. @throws VM_INVALID for a parenthesis or a quotation mark without its partner */
export function readSxp(text: string): readonly Sxp[] {
  const budget = new Budget("items in an s-expression", MOST_ITEMS);
  const open: { readonly start: number; readonly items: Sxp[] }[] = [];
  const whole: Sxp[] = [];
  const token = /\s*(?:([()])|'((?:[^\\']|\\[^])*)'|"((?:[^\\"]|\\[^])*)"|([^\s()'"]+)|$)/y;
  let at = 0;
  while (at < text.length) {
    budget.spend();
    token.lastIndex = at;
    const match = token.exec(text);
    if (match === null) throw wrong(`a quotation mark at position ${at} has no partner`);
    at = token.lastIndex;
    const [all, parenthesis, single, double, bare] = match;
    const into = open.at(-1)?.items ?? whole;
    if (parenthesis === "(") {
      open.push({ start: at - 1, items: [] });
      if (open.length > DEEPEST) throw wrong(`its lists stand more than ${DEEPEST} deep`);
    } else if (parenthesis === ")") {
      const list = open.pop();
      if (list === undefined) throw wrong(`the parenthesis at position ${at - 1} has no partner`);
      (open.at(-1)?.items ?? whole).push({ kind: "list", items: list.items, start: list.start, end: at });
    } else {
      const quoted = single ?? double;
      const words = quoted === undefined ? bare : unescapeAtom(quoted);
      if (words === undefined) continue;
      into.push({ kind: "atom", text: words, start: at - all.trimStart().length, end: at });
    }
  }
  if (open.length > 0) throw wrong(`the parenthesis at position ${open[0]?.start ?? 0} has no partner`);
  return whole;
}

/** Where each field stands in `(domain …)`; the kernel's are in `(image (linux …))`. */
const PLACES: Readonly<Record<BootField, { readonly key: string; readonly ofImage: boolean }>> = {
  PV_bootloader: { key: "bootloader", ofImage: false },
  PV_bootloader_args: { key: "bootloader_args", ofImage: false },
  PV_args: { key: "args", ofImage: true },
  PV_kernel: { key: "kernel", ofImage: true },
  PV_ramdisk: { key: "ramdisk", ofImage: true },
};

/** @throws VM_INVALID when it is not the export of one guest */
export function parseSxpGuest(text: string): BootText {
  const domains = readSxp(text).filter((each) => each.kind === "list" && headOf(each) === "domain");
  const [domain, ...others] = domains;
  if (domain?.kind !== "list") throw wrong("it holds no (domain …)");
  if (others.length > 0) {
    throw new GuestbootError("VM_INVALID", `the export holds ${domains.length} guests`, {
      hint: "export one: xm list -l NAME",
    });
  }
  const image = childOf(domain, "image")?.items.find((each) => each.kind === "list") ?? null;
  const listOf = (field: BootField) => {
    const { key, ofImage } = PLACES[field];
    const parent = ofImage ? image : domain;
    return parent === null ? null : childOf(parent, key);
  };
  const valueOf = (field: BootField) => textOf(listOf(field));
  return {
    form: "export of xend",
    record: {
      uuid: textOf(childOf(domain, "uuid")),
      name_label: textOf(childOf(domain, "name")),
      PV_bootloader: loaderName(valueOf("PV_bootloader")),
      PV_bootloader_args: valueOf("PV_bootloader_args"),
      PV_args: valueOf("PV_args"),
      PV_kernel: valueOf("PV_kernel"),
      PV_ramdisk: valueOf("PV_ramdisk"),
      other_config: {},
      VBDs: withFirstBootable(disksOf(domain)),
    },
    with(field, value) {
      const { key, ofImage } = PLACES[field];
      const old = listOf(field);
      const wanted = field === "PV_bootloader" ? loaderBeside(textOf(old), value, LOADERS) : value;
      const written = `(${key} ${writeAtom(wanted)})`;
      if (old !== null) return text.slice(0, old.start) + written + text.slice(old.end);
      const parent = ofImage ? image : domain;
      if (parent === null) throw wrong("it has no (image (linux …)) to stand in");
      const behind = parent.items[0]?.end ?? parent.start + 1;
      return `${text.slice(0, behind)} ${written}${text.slice(behind)}`;
    },
  };
}

/** `(device (vbd (dev xvda:disk) (mode w) …))` */
function disksOf(domain: SxpList): VirtualBlockDevice[] {
  const devices = domain.items.filter((each): each is SxpList => each.kind === "list" && headOf(each) === "device");
  return devices
    .flatMap((device) => device.items.filter((each): each is SxpList => each.kind === "list"))
    .filter((each) => headOf(each) === "vbd" || headOf(each) === "tap")
    .map((vbd, place) => {
      const [device = "", type = "disk"] = textOf(childOf(vbd, "dev")).split(":");
      const isCd = type === "cdrom";
      const mode = textOf(childOf(vbd, "mode")).startsWith("w") ? "RW" : "RO";
      return { userdevice: userdeviceOf(device, place), type: isCd ? "CD" : "Disk", bootable: false, mode };
    });
}

function headOf(list: SxpList): string {
  const [head] = list.items;
  return head?.kind === "atom" ? head.text : "";
}

function childOf(list: SxpList, key: string): SxpList | null {
  return list.items.find((each): each is SxpList => each.kind === "list" && headOf(each) === key) ?? null;
}

/** The value of `(key value)`; "" for `(key )` and for what is not there. */
function textOf(list: SxpList | null): string {
  const [, value] = list?.items ?? [];
  return value?.kind === "atom" ? value.text : "";
}

/** As xend prints them: nothing for an empty value, quotation marks only where they are needed. */
function writeAtom(text: string): string {
  if (/[\0-\x1f\x7f]/.test(text)) {
    throw new GuestbootError(
      "VM_UNWRITABLE",
      `${quote(text)} cannot stand in an export of xend: it has a control character`,
    );
  }
  if (text === "" || /^[^\s()'"\\]+$/.test(text)) return text;
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

function unescapeAtom(body: string): string {
  return body.replace(/\\([^])/g, (_all, character: string) => ({ n: "\n", t: "\t", r: "\r" })[character] ?? character);
}

function wrong(reason: string): GuestbootError {
  return new GuestbootError("VM_INVALID", `this is not what xm list -l prints: ${reason}`);
}
