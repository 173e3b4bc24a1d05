/**
 * A boot config in the shape that other programs read (`guestboot entries --json`, and the library).
 */
import type { BootConfig } from "../bootconfig/boot-config.ts";

export interface BootEntriesJson {
  readonly config: {
    readonly path: string;
    readonly syntax: BootConfig["syntax"];
    /** "partition 1", "whole disk", "folder". */
    readonly volume: string;
    /** "ext4"; null for a config file by itself. */
    readonly filesystem: string | null;
  };
  /** The index of the entry that boots where nobody chooses. */
  readonly default: number;
  /** Seconds; null: there is none. */
  readonly timeout: number | null;
  readonly entries: readonly BootEntryJson[];
}

export interface BootEntryJson {
  readonly title: string;
  readonly id: string | null;
  readonly kernel: string;
  readonly ramdisks: readonly string[];
  readonly arguments: string;
}

/** A boot config and where it stands. */
export interface ShownConfig {
  readonly path: string;
  readonly config: BootConfig;
  /** "partition 1", "whole disk", "folder", "file". */
  readonly volume: string;
  /** "ext4"; null for a config file by itself. */
  readonly filesystem: string | null;
}

export function describeBootEntries({ path, config, volume, filesystem }: ShownConfig): BootEntriesJson {
  return {
    config: { path, syntax: config.syntax, volume, filesystem },
    default: config.default,
    timeout: config.timeout,
    entries: config.entries.map((entry) => ({
      title: entry.title.toWellFormed(),
      id: entry.id?.toWellFormed() ?? null,
      kernel: entry.kernel.path.toWellFormed(),
      ramdisks: entry.ramdisks.map((ramdisk) => ramdisk.path.toWellFormed()),
      arguments: entry.arguments.toWellFormed(),
    })),
  };
}
