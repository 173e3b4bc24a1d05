/**
 * The files of `xl` and `xm` guests (xl.cfg(5)): lines of `key = value`, where a value is a string, a number or a list.
 * `xm` ran them as Python; what is more than plain assignments of plain values is passed over, and refused only when
 * it stands where something is to be changed.
 *
 * Comments, order and everything else of the text stay as they are. Later assignments count, as in both programs.
 */
import { Budget } from "../base/budget.ts";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { loaderBeside, loaderName, userdeviceOf, withFirstBootable, type BootText } from "./boot-text.ts";
import type { BootField, VirtualBlockDevice } from "./vm-record.ts";

export type GuestValue = string | readonly GuestValue[];

export interface Assignment {
  readonly key: string;
  /** Numbers as they are written; null for what is more than a plain value. */
  readonly value: GuestValue | null;
  /** Where the assignment begins, and where its value does and ends, in characters. */
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

const MOST_ASSIGNMENTS = 10_000;
const DEEPEST_LIST = 8;

/** Every assignment that begins a statement, in the text's order. */
export function readAssignments(text: string): readonly Assignment[] {
  const found: Assignment[] = [];
  const budget = new Budget("statements in a guest's file", MOST_ASSIGNMENTS);
  let at = 0;
  while (at < text.length) {
    budget.spend();
    const head = matchAt(/[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*=(?!=)[ \t]*/y, text, at);
    if (head === null) {
      at = endOfLine(text, at);
      continue;
    }
    const valueStart = at + head[0].length;
    const read = readValue(text, valueStart, 0);
    const isWhole = read !== null && matchAt(/[ \t]*(?:[;#\r\n]|$)/y, text, read.end) !== null;
    const end = isWhole ? read.end : endOfStatement(text, valueStart);
    found.push({ key: head[1] ?? "", value: isWhole ? read.value : null, start: at, valueStart, end });
    const more = matchAt(/[ \t]*;/y, text, end);
    at = more === null ? endOfLine(text, end) : end + more[0].length;
  }
  return found;
}

const KEYS: Readonly<Record<BootField, readonly string[]>> = {
  PV_bootloader: ["bootloader"],
  PV_bootloader_args: ["bootloader_args", "bootargs"],
  PV_args: ["cmdline", "extra"],
  PV_kernel: ["kernel"],
  PV_ramdisk: ["ramdisk"],
};

/** @throws VM_INVALID when one of the keys that we need is more than a plain value */
export function parseGuestFile(text: string): BootText {
  const assignments = readAssignments(text);
  const find = (key: string) => assignments.findLast((each) => each.key === key);
  const field = (name: BootField) => {
    const key = KEYS[name].find((each) => find(each) !== undefined);
    return key === undefined ? undefined : find(key);
  };
  const loader = wordsOf(field("PV_bootloader"));
  return {
    form: "xl guest file",
    record: {
      uuid: wordsOf(find("uuid")),
      name_label: wordsOf(find("name")),
      PV_bootloader: loaderName(loader),
      PV_bootloader_args: wordsOf(field("PV_bootloader_args")),
      PV_args: wordsOf(field("PV_args")),
      PV_kernel: wordsOf(field("PV_kernel")),
      PV_ramdisk: wordsOf(field("PV_ramdisk")),
      other_config: {},
      VBDs: withFirstBootable(disksOf(find("disk"))),
    },
    with(name, value) {
      const old = field(name);
      const wanted = name === "PV_bootloader" ? loaderBeside(loader, value, "") : value;
      if (old !== undefined) return value === "" ? without(text, old) : replaced(text, old, wanted);
      return value === "" ? text : added(text, assignments, KEYS[name].at(-1) ?? "", name, wanted);
    },
  };
}

/** A list of arguments counts as its words, as the toolstacks' own records keep them. */
function wordsOf(assignment: Assignment | undefined): string {
  if (assignment === undefined) return "";
  const { key, value } = assignment;
  if (typeof value === "string") return value;
  if (value?.every((each) => typeof each === "string") === true) return value.join(" ");
  throw new GuestbootError("VM_INVALID", `the guest's file sets ${quote(key)} to more than a plain value`, {
    hint: `write ${key} = '…' with the value itself`,
  });
}

function replaced(text: string, { value, valueStart, end }: Assignment, wanted: string): string {
  const isList = value !== null && typeof value !== "string";
  const written = isList ? `[${wanted.split(" ").filter(Boolean).map(writeText).join(", ")}]` : writeText(wanted);
  return text.slice(0, valueStart) + written + text.slice(end);
}

/** The assignment goes; its line goes too when nothing else stands in it. */
function without(text: string, { start, end }: Assignment): string {
  const semicolon = matchAt(/[ \t]*;[ \t]*/y, text, end)?.[0].length ?? 0;
  const lineEnd = matchAt(/[ \t]*(?:\r?\n|$)/y, text, end + semicolon);
  const isAlone = (start === 0 || text[start - 1] === "\n") && lineEnd !== null;
  const from = isAlone ? start : start + (/^[ \t]*/.exec(text.slice(start))?.[0].length ?? 0);
  return text.slice(0, from) + text.slice(end + semicolon + (isAlone ? lineEnd[0].length : 0));
}

/** A new line, behind that of the loader where there is one. */
function added(text: string, assignments: readonly Assignment[], key: string, name: BootField, value: string): string {
  const beside = name === "PV_bootloader" ? undefined : assignments.findLast((each) => each.key === "bootloader");
  const at = beside === undefined ? text.length : endOfLine(text, beside.end);
  const before = text.slice(0, at);
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  const gap = before === "" || before.endsWith("\n") ? "" : newline;
  return `${before}${gap}${key} = ${writeText(value)}${newline}${text.slice(at)}`;
}

/** @throws VM_UNWRITABLE: a control character would end the line */
function writeText(value: string): string {
  if (/[\0-\x1f\x7f]/.test(value)) {
    throw new GuestbootError(
      "VM_UNWRITABLE",
      `${quote(value)} cannot stand in a guest's file: it has a control character`,
    );
  }
  return `'${value.replace(/[\\']/g, "\\$&")}'`;
}

interface ReadValue {
  readonly value: GuestValue;
  readonly end: number;
}

/** null for what is no string, number or list. */
function readValue(text: string, at: number, depth: number): ReadValue | null {
  const number = matchAt(/[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?)/y, text, at);
  if (number !== null) return { value: number[0], end: at + number[0].length };
  if (text[at] === "[" && depth < DEEPEST_LIST) return readList(text, at, depth);
  // The body in small steps that cannot be cut in two ways: no text makes the pattern slow.
  const long = matchAt(/'''((?:[^\\']|\\[^]|'(?!''))*)'''|"""((?:[^\\"]|\\[^]|"(?!""))*)"""/y, text, at);
  const string = long ?? matchAt(/'((?:[^\\'\n]|\\[^])*)'|"((?:[^\\"\n]|\\[^])*)"/y, text, at);
  if (string === null) return null;
  return { value: unescapeText(string[1] ?? string[2] ?? ""), end: at + string[0].length };
}

function readList(text: string, start: number, depth: number): ReadValue | null {
  const values: GuestValue[] = [];
  const gap = /(?:[ \t\r\n]|#[^\n]*)*/y;
  let at = start + 1;
  for (;;) {
    at += matchAt(gap, text, at)?.[0].length ?? 0;
    if (text[at] === "]") return { value: values, end: at + 1 };
    const item = readValue(text, at, depth + 1);
    if (item === null) return null;
    values.push(item.value);
    at = item.end + (matchAt(gap, text, item.end)?.[0].length ?? 0);
    if (text[at] === ",") at += 1;
    else if (text[at] !== "]") return null;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\n": "",
};

/** The escapes that C, Python and xl share; of what is none of them the backslash stays, as in Python. */
function unescapeText(body: string): string {
  return body.replace(/\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|([^]))/g, (...match: string[]) => {
    const [all = "", hex, octal, other] = match;
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
    if (other === "\\" || other === "'" || other === '"') return other;
    return ESCAPES[other ?? ""] ?? all;
  });
}

/** After a value that is not plain: at a bracket's end, so that a list of expressions is not read as statements. */
function endOfStatement(text: string, at: number): number {
  let depth = 0;
  let place = at;
  while (place < text.length) {
    const string = /['"]/.test(text[place] ?? "") ? readValue(text, place, 0) : null;
    if (string !== null) {
      place = string.end;
      continue;
    }
    const character = text[place] ?? "";
    if (character === "#") place = endOfLine(text, place) - 1;
    else if ("[({".includes(character)) depth += 1;
    else if ("])}".includes(character)) depth -= 1;
    if (depth <= 0 && (text[place] === "\n" || text[place] === ";")) return place;
    place += 1;
  }
  return text.length;
}

/** Behind the newline of the line that `at` is in. */
function endOfLine(text: string, at: number): number {
  const newline = text.indexOf("\n", at);
  return newline < 0 ? text.length : newline + 1;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** xl-disk-configuration(5): `target, format, vdev, access` or `key=value`; xm's own `phy:TARGET,vdev,access`. */
function disksOf(assignment: Assignment | undefined): VirtualBlockDevice[] {
  const { value = null } = assignment ?? {};
  if (value === null || typeof value === "string") return [];
  return value.flatMap((entry, place) => (typeof entry === "string" ? [diskOf(entry, place)] : []));
}

function diskOf(entry: string, place: number): VirtualBlockDevice {
  const words = entry.split(",").map((word) => word.trim());
  const named = new Map(
    words.flatMap((word): [string, string][] => {
      const match = /^(vdev|access|devtype)=(.*)$/.exec(word);
      return match === null ? [] : [[match[1] ?? "", match[2] ?? ""]];
    }),
  );
  const positional = words.filter((word) => !/^[a-z-]+=/.test(word));
  const device =
    named.get("vdev") ??
    positional.slice(1).find((word) => /^(?:\/dev\/)?(?:ioemu:)?(?:xvd|sd|hd)[a-z]/.test(word)) ??
    "";
  const isCd = named.get("devtype") === "cdrom" || words.includes("cdrom") || device.endsWith(":cdrom");
  const access = named.get("access") ?? positional.at(-1) ?? "";
  return {
    userdevice: userdeviceOf(device.replace(/:cdrom$/, ""), place),
    type: isCd ? "CD" : "Disk",
    bootable: false,
    mode: isCd || /^(?:r|ro)$/.test(access) ? "RO" : "RW",
  };
}
