/** Reads a grub.cfg as a guest's: its own volume is partition 1, and others may stand beside it. */
import { expect } from "vitest";
import type { BootConfig, BootEntry } from "../../src/bootconfig/boot-config.ts";
import { parseGrub2, type NumberedBootConfig } from "../../src/bootconfig/grub2/grub2.ts";
import type { GuestVolume } from "../../src/bootconfig/guest-volume.ts";
import type { BlsReader } from "../../src/bootconfig/grub2/machine.ts";
import { folderFilesystem, type Content } from "./folder-filesystem.ts";

export type Files = Readonly<Record<string, Content>>;

export interface VolumeFacts {
  readonly uuid?: string;
  readonly label?: string;
  readonly partitionUuid?: string;
  readonly table?: string;
}

/** Partitions are counted from 1. */
export function volume(number: number | null, files: Files, facts: VolumeFacts = {}): GuestVolume {
  const filesystem = { ...folderFilesystem(files), uuid: facts.uuid ?? null, label: facts.label ?? null };
  return {
    name: number === null ? "whole disk" : `partition ${number}`,
    number,
    table: facts.table ?? "mbr",
    partitionUuid: facts.partitionUuid ?? null,
    filesystem: () => filesystem,
  };
}

export function readMenu(
  text: string,
  own: GuestVolume = volume(1, {}),
  others: readonly GuestVolume[] = [],
  readBls: BlsReader | null = null,
): NumberedBootConfig {
  const place = { path: "/boot/grub/grub.cfg", own, volumes: [own, ...others] };
  const config = parseGrub2(text, place, { readBls });
  // A start runs the bodies of what it boots alone, and that must not make a difference to it.
  const start = parseGrub2(text, place, { readBls, wanted: "default" });
  expect(bootedBy(start)).toBe(bootedBy(config));
  return config;
}

/** As JSON, since images that a config opens have functions of their own. */
const bootedBy = ({ entries, default: chosen, fallback = [] }: BootConfig): string =>
  JSON.stringify([chosen, ...fallback].map((index) => entries[index]));

/** The entry that boots by default. */
export function defaultOf(config: BootConfig): BootEntry {
  const entry = config.entries[config.default];
  if (entry === undefined) throw new Error("there is no such entry");
  return entry;
}

export const titles = (config: BootConfig): string[] => config.entries.map(({ title }) => title);
