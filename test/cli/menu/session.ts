/**
 * A person at the menu without a terminal: keys in, rows out. The guest's files are in memory.
 */
import { memorySource } from "../../../src/base/byte-source.ts";
import { GuestbootError } from "../../../src/base/errors.ts";
import type { BootConfig, BootEntry } from "../../../src/bootconfig/boot-config.ts";
import type { GuestVolume } from "../../../src/bootconfig/guest-volume.ts";
import type { Key } from "../../../src/cli/menu/key.ts";
import type { MenuEvent, MenuState, MenuWorld, TerminalSize } from "../../../src/cli/menu/menu-state.ts";
import { firstState, nextState } from "../../../src/cli/menu/next-state.ts";
import { render, type Frame } from "../../../src/cli/menu/render.ts";
import type { FilesystemDriver, FilesystemNode, GuestFilesystem } from "../../../src/filesystem/filesystem.ts";
import { guestFilesystem } from "../../../src/filesystem/guest-filesystem.ts";

export function entry(title: string, more: Partial<BootEntry> = {}): BootEntry {
  return {
    title,
    id: null,
    kernel: { device: null, path: "/boot/vmlinuz" },
    ramdisks: [{ device: null, path: "/boot/initrd.img" }],
    arguments: "root=/dev/xvda1 ro",
    ...more,
  };
}

export function config(entries: readonly BootEntry[], more: Partial<BootConfig> = {}): BootConfig {
  return { syntax: "grub2", entries, default: 0, timeout: 5, notes: [], ...more };
}

/** Paths and contents; folders follow from the paths. */
export function filesystem(files: Readonly<Record<string, string>>, type = "ext4"): GuestFilesystem {
  const paths = Object.keys(files);
  const nodes: string[] = [""];
  const nodeAt = (path: string): FilesystemNode | null => {
    const isFile = files[path] !== undefined;
    if (!isFile && !paths.some((one) => one.startsWith(`${path}/`))) return null;
    nodes.push(path);
    return { id: nodes.length - 1, kind: isFile ? "file" : "directory", size: files[path]?.length ?? 4096 };
  };
  const pathOf = (node: FilesystemNode) => nodes[node.id] ?? "";
  const driver: FilesystemDriver = {
    type,
    uuid: null,
    label: null,
    notes: [],
    root: { id: 0, kind: "directory", size: 4096 },
    lookup: (directory, name) => nodeAt(`${pathOf(directory)}/${name}`),
    list(directory) {
      const start = `${pathOf(directory)}/`;
      const names = paths
        .filter((path) => path.startsWith(start))
        .map((path) => path.slice(start.length).split("/")[0]);
      return [...new Set(names)].flatMap((name = "") => {
        const node = nodeAt(start + name);
        return node === null ? [] : [{ name, node }];
      });
    },
    readLink: () => "",
    content: (file) => memorySource(Buffer.from(files[pathOf(file)] ?? "")),
  };
  return guestFilesystem(driver);
}

export function volume(number: number, opened: GuestFilesystem | null, table = "gpt"): GuestVolume {
  return {
    name: `partition ${number}`,
    number,
    table,
    partitionUuid: null,
    filesystem() {
      if (opened === null) throw new GuestbootError("NO_FILESYSTEM", "no known filesystem");
      return opened;
    },
  };
}

export const FILES = { "/boot/vmlinuz": "kernel", "/boot/initrd.img": "initrd", "/etc/fstab": "one\ntwo\n" };

export interface SessionOptions {
  readonly size?: TerminalSize;
  readonly countdown?: number | null;
  readonly volumes?: readonly GuestVolume[];
}

/** Keys by name: "down", "ctrl-x"; anything else is typed letter by letter. */
export interface Session {
  press(...keys: readonly string[]): void;
  happen(event: MenuEvent): void;
  /** The rows as a person reads them, blanks at their ends left off, empty rows at the end too. */
  rows(): string[];
  text(): string;
  frame(): Frame;
  /** The row in reverse. */
  selected(): string | null;
  readonly state: MenuState;
}

const NAMED: ReadonlySet<string> = new Set(
  "up down left right home end enter escape backspace delete tab f10".split(" ").concat("page up", "page down"),
);

export function session(shown: BootConfig, options: SessionOptions = {}): Session {
  const volumes = options.volumes ?? [volume(1, filesystem(FILES))];
  const own = volumes[0] ?? volume(1, null);
  const surroundings = { own, volumes };
  const chosen = shown.entries[shown.default];
  if (chosen === undefined) throw new Error("a config without an entry");
  const world: MenuWorld = {
    config: shown,
    files: { root: own, surroundings, syntax: shown.syntax },
    tools: {
      surroundings,
      default: chosen,
      check(wanted) {
        for (const file of [wanted.kernel, ...wanted.ramdisks]) (file.volume ?? own).filesystem().open(file.path);
      },
    },
  };
  let state = firstState(world, options.size ?? { columns: 80, rows: 24 }, options.countdown ?? null);
  const happen = (event: MenuEvent) => void (state = nextState(state, event, world));
  const frame = () => render(state, world);
  const rows = () => frame().rows.map((row) => row.text.trimEnd());
  return {
    happen,
    frame,
    press(...keys) {
      for (const key of keys.flatMap(keysOf)) happen({ kind: "key", key });
    },
    rows() {
      const all = rows();
      return all.slice(0, all.findLastIndex((row) => row !== "") + 1);
    },
    text: () => rows().join("\n"),
    selected: () =>
      frame()
        .rows.find((row) => row.isSelected)
        ?.text.trim() ?? null,
    get state() {
      return state;
    },
  };
}

function keysOf(key: string): Key[] {
  if (NAMED.has(key)) return [{ kind: "named", name: key } as Key];
  const letter = /^ctrl-([a-z])$/.exec(key)?.[1];
  if (letter !== undefined) return [{ kind: "control", letter }];
  return Array.from(key, (text) => ({ kind: "text", text }));
}
