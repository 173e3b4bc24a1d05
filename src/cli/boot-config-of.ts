/**
 * The boot config of whatever a person points at: a disk, a folder that stands for one, or a config file.
 */
import { GuestbootError } from "../base/errors.ts";
import { decodeText } from "../base/text.ts";
import { parseConfigFile } from "../bootconfig/locate.ts";
import { isFolder } from "../disk/is-folder.ts";
import { openDisk } from "../disk/open-disk.ts";
import { readVolumes } from "../disk/volumes.ts";
import { openFolder } from "../filesystem/folder.ts";
import type { ShownConfig } from "../pipeline/boot-entries.ts";
import { confine } from "../pipeline/confine.ts";
import { findConfig, folderPlace, placesOf } from "../pipeline/find-boot.ts";

export interface ConfigSource {
  readonly path: string;
  readonly offset: number | null;
  /** The path is a config file, not a disk. */
  readonly isConfig: boolean;
  readonly uid: number | null;
}

const MAX_CONFIG_SIZE = 1024 * 1024;

/** Gives up all rights on the way: nothing can be opened after it. */
export function bootConfigOf(source: ConfigSource): ShownConfig {
  if (source.isConfig) return configFile(source);
  if (isFolder(source.path)) {
    const filesystem = openFolder(source.path);
    confine({ uid: source.uid, keep: "fs.read" });
    const places = [folderPlace(filesystem)];
    return shown(findConfig({ disk: source.path, vm: null, places, notes: [] }));
  }
  using disk = openDisk(source.path);
  confine({ uid: source.uid });
  const { offset } = source;
  const table = readVolumes(disk.source, { sectorSize: disk.sectorSize, ...(offset === null ? {} : { offset }) });
  return shown(findConfig({ disk: source.path, vm: null, places: placesOf(table), notes: table.notes }));
}

function configFile(source: ConfigSource): ShownConfig {
  using file = openDisk(source.path);
  confine({ uid: source.uid });
  const size = file.source.size;
  if (size > MAX_CONFIG_SIZE) {
    throw new GuestbootError("FILE_TOO_LARGE", `${source.path} has ${size} bytes: no boot config is that large`);
  }
  const config = parseConfigFile(source.path, decodeText(file.source.read(0, size)));
  return { path: source.path, config, volume: "file", filesystem: null };
}

function shown(found: ReturnType<typeof findConfig>): ShownConfig {
  const { path, config, place, filesystem } = found;
  return { path, config, volume: place.name, filesystem: filesystem.type };
}
