/**
 * GRUB legacy's config in its guest: with the saved default beside it, the volumes that `uuid` and `find` look
 * through, and the configs that `configfile` goes on in.
 */
import { GuestbootError } from "../base/errors.ts";
import { decodeText } from "../base/text.ts";
import type { BootConfig, ConfigPlace, ConfigReader, FileReference } from "./boot-config.ts";
import { MAX_CONFIG_SIZE, parseGrubLegacy, type NumberedBootConfig } from "./grub-legacy.ts";
import type { GuestVolume } from "./guest-volume.ts";

/** Configs inside configs. */
const MAX_DEPTH = 8;
/** Configs in all that one menu may lead to. */
const MAX_CONFIGS = 32;
const SAVED_DEFAULT_SIZE = 512;

/** @throws as `parseGrubLegacy` */
export const readGrubLegacy = ((text, place) =>
  readBelow(text, place, [keyOf(place.own, place.path)], { left: MAX_CONFIGS })) satisfies ConfigReader;

function readBelow(
  text: string,
  place: ConfigPlace,
  trail: readonly string[],
  configs: { left: number },
): NumberedBootConfig {
  return parseGrubLegacy(text, {
    surroundings: place,
    savedDefault: () => readBeside(place),
    readConfig(file) {
      const volume = volumeOf(file, place);
      const key = keyOf(volume, file.path);
      if (trail.includes(key)) return "the configs lead to each other in a circle";
      if (trail.length >= MAX_DEPTH || configs.left === 0) return "too many configs lead to each other";
      configs.left -= 1;
      try {
        const inside = { own: volume, volumes: place.volumes, path: file.path };
        return onVolume(readBelow(readText(volume, file.path), inside, [...trail, key], configs), volume, place.own);
      } catch (error) {
        if (error instanceof GuestbootError) return error.message;
        throw error;
      }
    },
  });
}

/** Files without a device are on the volume of their own config. */
export function onVolume<T extends BootConfig>(config: T, volume: GuestVolume, outer: GuestVolume): T {
  if (volume === outer) return config;
  const there = (file: FileReference): FileReference =>
    file.device === null && file.volume === undefined ? { ...file, volume } : file;
  return {
    ...config,
    entries: config.entries.map((entry) => ({
      ...entry,
      kernel: there(entry.kernel),
      ramdisks: entry.ramdisks.map(there),
    })),
  };
}

/** A start sees one disk: what names another one, or a partition that is not there, is taken from beside the config. */
function volumeOf(file: FileReference, { own, volumes }: ConfigPlace): GuestVolume {
  if (file.volume !== undefined) return file.volume;
  const partition = file.device?.disk === 0 ? file.device.partition : null;
  return volumes.find((volume) => partition !== null && volume.number === partition) ?? own;
}

function readText(volume: GuestVolume, path: string): string {
  const content = volume.filesystem().open(path);
  if (content.size > MAX_CONFIG_SIZE) {
    throw new GuestbootError(
      "FILE_TOO_LARGE",
      `it has ${content.size} bytes, more than the ${MAX_CONFIG_SIZE} that are read`,
    );
  }
  return decodeText(content.read(0, content.size));
}

/** The start of the file `default` beside the config; null when there is none. */
function readBeside({ own, path }: ConfigPlace): string | null {
  const filesystem = own.filesystem();
  const beside = `${path.slice(0, path.lastIndexOf("/") + 1)}default`;
  try {
    if (filesystem.find(beside)?.kind !== "file") return null;
  } catch (error) {
    if (error instanceof GuestbootError && error.code === "LINK_LOOP") return null;
    throw error;
  }
  const content = filesystem.open(beside);
  return decodeText(content.read(0, Math.min(content.size, SAVED_DEFAULT_SIZE)));
}

const keyOf = (volume: GuestVolume, path: string): string => `${volume.name}:${path.replace(/\/{2,}/g, "/")}`;
