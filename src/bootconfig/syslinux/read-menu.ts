/**
 * The lines of a syslinux config, and of the files that it includes, as labels and settings.
 * https://wiki.syslinux.org/wiki/index.php?title=Config and ?title=Menu; doc/syslinux.txt, doc/menu.txt
 *
 * Keywords count in any case. Passed over: what only looks (`SAY`, `DISPLAY`, colours), and what the network loader
 * adds to the command line (`IPAPPEND`, `SYSAPPEND`).
 */
import { Budget } from "../../base/budget.ts";
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import { decodeText } from "../../base/text.ts";
import type { ConfigPlace } from "../boot-config.ts";
import { readCommands, splitWord } from "../grub-legacy-line.ts";

/** One `LABEL` as it is written. */
export interface Label {
  readonly name: string;
  /** The folder that its relative paths are below. */
  readonly folder: string;
  /** The titles of the menus around it, outermost first. */
  readonly submenu: readonly string[];
  menuLabel: string | null;
  /** Its image, and what the config says it is; `kernel` goes by the file's name. */
  image: { readonly kind: ImageKind; readonly file: string } | null;
  append: string | null;
  initrd: string | null;
  isMenuDefault: boolean;
  isLocked: boolean;
  /** `MENU PASSWD` with one of its own; null: only the menu's opens it. */
  password: string | null;
  /** It has another config in place of an image: that one's labels follow it. */
  opensConfig: boolean;
}

export type ImageKind = "kernel" | "linux" | "com32" | "localboot" | "other";

/** All that the files say. */
export interface SyslinuxMenu {
  readonly labels: Label[];
  /** `DEFAULT` and `ONTIMEOUT` are command lines: a label or an image, and arguments. */
  default: string | null;
  onTimeout: string | null;
  ui: string | null;
  /** For labels without an `APPEND` of their own. */
  append: string | null;
  /** Tenths of a second. */
  timeout: number | null;
  totalTimeout: number | null;
  title: string | null;
  masterPassword: string | null;
}

const MAX_CONFIG_SIZE = 1 << 20;
const MAX_FILES = 64;
const MAX_DEPTH = 16;
const MAX_LABELS = 1_000;

/** @throws BUDGET_EXCEEDED past 64 files, 1 MiB of them, or 1,000 labels */
export function readSyslinuxMenu(text: string, place: ConfigPlace, note: (line: string) => void): SyslinuxMenu {
  const menu: SyslinuxMenu = {
    labels: [],
    default: null,
    onTimeout: null,
    ui: null,
    append: null,
    timeout: null,
    totalTimeout: null,
    title: null,
    masterPassword: null,
  };
  const reading: Reading = {
    place,
    menu,
    note,
    characters: new Budget("characters of syslinux configs", MAX_CONFIG_SIZE),
    files: new Budget("files of one syslinux config", MAX_FILES),
    labels: new Budget("labels in the boot config", MAX_LABELS),
    isInclude: false,
  };
  const state = { label: null, submenu: [], begun: 0 };
  readText(text, { folder: folderOf(place.path), trail: [place.path] }, state, reading);
  return menu;
}

/** `path` below `folder`; one that is absolute, below the place's root. `.` and `..` resolved as text. */
function resolvePath({ root = "" }: ConfigPlace, folder: string, path: string): string {
  const forward = path.replaceAll("\\", "/");
  return forward.startsWith("/") ? normalised(`${root}${normalised(forward)}`) : normalised(`${folder}/${forward}`);
}

function normalised(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/**
 * Where a file is: below the config's folder, which is the loader's own, or at the root, where older versions of the
 * loader looked. The first when it is at neither.
 */
export function findFile(place: ConfigPlace, folder: string, path: string): string {
  const beside = resolvePath(place, folder, path);
  const above = resolvePath(place, folder, `/${path}`);
  if (beside === above || exists(place, beside)) return beside;
  return exists(place, above) ? above : beside;
}

interface Reading {
  readonly place: ConfigPlace;
  readonly menu: SyslinuxMenu;
  readonly note: (line: string) => void;
  readonly characters: Budget;
  readonly files: Budget;
  readonly labels: Budget;
  /** The menu's own settings are those of the first config, not those of one that a label opens. */
  readonly isInclude: boolean;
}

/** Where lines are read. */
interface Where {
  /** What relative paths are below. */
  readonly folder: string;
  /** The files that are being read, for circles. */
  readonly trail: readonly string[];
}

/** What the next line belongs to. An included file's lines stand in place of the line that includes it. */
interface State {
  label: Label | null;
  /** The titles of the menus around it, outermost first. */
  submenu: readonly string[];
  /** How many of them `MENU BEGIN` has opened in this config. */
  begun: number;
}

function readText(text: string, where: Where, state: State, reading: Reading): void {
  reading.files.spend();
  reading.characters.spend(text.length);
  let isHelp = false;
  for (const { word: written, value } of readCommands(text)) {
    const word = written.toLowerCase();
    // TEXT HELP … ENDTEXT is prose.
    if (isHelp) isHelp = word !== "endtext";
    else if (word === "text") isHelp = value.toLowerCase().startsWith("help");
    else if (word === "label") {
      reading.labels.spend();
      state.label = newLabel(value, where.folder, state.submenu);
      reading.menu.labels.push(state.label);
    } else if (word === "menu") readMenuCommand(value, where, state, reading);
    else if (word === "include") readFile(splitWord(value).word, where, state, reading);
    else if (state.label !== null) readLabelCommand(word, value, state.label, where, reading);
    else if (word === "config") readConfig(value, where, state.submenu, reading);
    else if (!reading.isInclude) readSetting(word, value, reading.menu);
  }
}

export function newLabel(name: string, folder: string, submenu: readonly string[]): Label {
  return {
    name,
    folder,
    submenu,
    menuLabel: null,
    image: null,
    append: null,
    initrd: null,
    isMenuDefault: false,
    isLocked: false,
    password: null,
    opensConfig: false,
  };
}

/** What stands before the first label, and what is not a label's own wherever it stands. */
function readSetting(word: string, value: string, menu: SyslinuxMenu): void {
  switch (word) {
    case "default":
      menu.default = value;
      break;
    case "ontimeout":
      menu.onTimeout = value;
      break;
    case "ui":
      menu.ui = value;
      break;
    case "append":
      menu.append = value;
      break;
    case "timeout":
      menu.timeout = tenths(value);
      break;
    case "totaltimeout":
      menu.totalTimeout = tenths(value);
      break;
  }
}

function readLabelCommand(word: string, value: string, label: Label, where: Where, reading: Reading): void {
  switch (word) {
    case "kernel":
    case "linux":
    case "com32":
      label.image = { kind: word, file: splitWord(value).word };
      if (word !== "linux" && isMenuProgram(value)) followMenuProgram(value, label, where, reading);
      break;
    case "localboot":
      label.image = { kind: "localboot", file: value };
      break;
    case "boot":
    case "bss":
    case "pxe":
    case "fdimage":
    case "comboot":
      label.image = { kind: "other", file: splitWord(value).word };
      break;
    case "config":
      label.opensConfig = true;
      readConfig(value, where, [...label.submenu, titleOf(label)], reading);
      break;
    case "append":
      label.append = value;
      // `COM32 menu.c32` takes the name of its config from here.
      if (label.opensConfig) readConfig(value, where, [...label.submenu, titleOf(label)], reading);
      break;
    case "initrd":
      label.initrd = value;
      break;
    default:
      if (!reading.isInclude) readSetting(word, value, reading.menu);
  }
}

function readMenuCommand(value: string, where: Where, state: State, reading: Reading): void {
  const { word, rest } = splitWord(value);
  const { label } = state;
  switch (word.toLowerCase()) {
    case "label":
      if (label !== null) label.menuLabel = rest;
      break;
    case "default":
      if (label !== null) label.isMenuDefault = true;
      break;
    case "passwd":
      if (label !== null) {
        label.isLocked = true;
        label.password = rest === "" ? null : rest;
      }
      break;
    case "master":
      if (splitWord(rest).word.toLowerCase() === "passwd") reading.menu.masterPassword = splitWord(rest).rest;
      break;
    case "title":
      if (state.begun > 0) state.submenu = [...state.submenu.slice(0, -1), withoutHotkey(rest)];
      else if (!reading.isInclude) reading.menu.title ??= rest;
      break;
    case "begin":
      if (state.submenu.length >= MAX_DEPTH) {
        throw new GuestbootError("BUDGET_EXCEEDED", `menus inside menus deeper than ${MAX_DEPTH}: gave up`);
      }
      state.label = null;
      state.submenu = [...state.submenu, withoutHotkey(rest)];
      state.begun += 1;
      break;
    case "end":
      state.label = null;
      if (state.begun > 0) {
        state.submenu = state.submenu.slice(0, -1);
        state.begun -= 1;
      }
      break;
    case "include":
      readFile(splitWord(rest).word, where, state, reading);
      break;
  }
}

/** `CONFIG FILE [FOLDER]`: another config, which begins anew. */
function readConfig(value: string, where: Where, submenu: readonly string[], reading: Reading): void {
  const { word, rest } = splitWord(value);
  const folder = rest === "" ? where.folder : resolvePath(reading.place, where.folder, splitWord(rest).word);
  const isInclude = reading.menu.labels.length > 0;
  if (submenu.length > MAX_DEPTH) {
    throw new GuestbootError("BUDGET_EXCEEDED", `menus inside menus deeper than ${MAX_DEPTH}: gave up`);
  }
  // The file's own name is below the folder of the config that names it.
  const file = findFile(reading.place, where.folder, word);
  if (word === "") return;
  readAt(file, file, { ...where, folder }, { label: null, submenu, begun: 0 }, { ...reading, isInclude });
}

function readFile(name: string, where: Where, state: State, reading: Reading): void {
  if (name !== "") readAt(findFile(reading.place, where.folder, name), name, where, state, reading);
}

/** @param name as the config has it */
function readAt(path: string, name: string, where: Where, state: State, reading: Reading): void {
  const { place, note } = reading;
  if (where.trail.includes(path) || where.trail.length > MAX_DEPTH) {
    note(`${quote(name)} is not read again: the files include each other in a circle`);
    return;
  }
  let text: string;
  try {
    const content = place.own.filesystem().open(path);
    if (content.size > MAX_CONFIG_SIZE) throw new GuestbootError("FILE_TOO_LARGE", `it has ${content.size} bytes`);
    text = decodeText(content.read(0, content.size));
  } catch (error) {
    if (!(error instanceof GuestbootError)) throw error;
    note(`${quote(name)}, which the config includes, is passed over: ${error.message}`);
    return;
  }
  readText(text, { ...where, trail: [...where.trail, path] }, state, reading);
}

const isMenuProgram = (value: string): boolean => /(?:^|\/)(?:vesa)?menu\.c32$/i.test(splitWord(value).word);

function followMenuProgram(value: string, label: Label, where: Where, reading: Reading): void {
  label.opensConfig = true;
  const { rest } = splitWord(value);
  const config = rest === "" ? (label.append ?? "") : rest;
  if (config !== "") readConfig(config, where, [...label.submenu, titleOf(label)], reading);
}

/** What the menu shows for it. */
export function titleOf(label: Label): string {
  return label.menuLabel === null ? label.name : withoutHotkey(label.menuLabel);
}

/** `^Install`: the letter after the mark is a key. */
function withoutHotkey(text: string): string {
  return text.replace("^", "");
}

function tenths(value: string): number | null {
  const { word } = splitWord(value);
  return /^\d{1,7}$/.test(word) ? Number(word) : null;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

function exists(place: ConfigPlace, path: string): boolean {
  try {
    return place.own.filesystem().find(path) !== null;
  } catch (error) {
    if (error instanceof GuestbootError) return false;
    throw error;
  }
}
