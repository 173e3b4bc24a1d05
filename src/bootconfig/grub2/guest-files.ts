/**
 * The guest's volumes and files under the names that GRUB 2 gives them: `(hd0,gpt2)/boot/vmlinuz`, `/boot/vmlinuz` on
 * the device that `$root` names, `(loop)/vmlinuz` inside an image.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#Device-syntax, #File-name-syntax
 *
 * A start sees one disk, and guests move: a device that is not there stands for the config's own volume.
 */
import { Budget } from "../../base/budget.ts";
import { decodeText } from "../../base/text.ts";
import { GuestbootError } from "../../base/errors.ts";
import type { ByteSource } from "../../base/byte-source.ts";
import { openFilesystem } from "../../filesystem/detect.ts";
import type { FilesystemNode } from "../../filesystem/filesystem.ts";
import type { FileReference } from "../boot-config.ts";
import { splitDevice } from "../grub-device.ts";
import type { GuestVolume, Surroundings } from "../guest-volume.ts";

/** Files and volumes that a config may ask about. */
const MAX_LOOKS = 5_000;
const MAX_LOOPBACKS = 32;

/** A file name of a script, taken apart. */
export interface NamedFile {
  /** The device's name without its parentheses. */
  readonly device: string;
  /** Absolute, without empty components: `//kernels//x` is `/kernels/x`. */
  readonly path: string;
}

export class GuestFiles {
  readonly #surroundings: Surroundings;
  readonly #looks: Budget;
  /** Those that there are now; never changed, but another map in its place. */
  loopbacks: ReadonlyMap<string, GuestVolume>;
  /** What `volumeNamed` has found before: a config names few devices, and often. */
  readonly #named: Map<string, GuestVolume | null>;
  /** The volumes in the order of a search: the config's own first, so that no other can pass for it (CVE-2023-4001). */
  readonly volumes: readonly GuestVolume[];

  /** @param like shares what it knows, and how much may still be looked at */
  constructor(surroundings: Surroundings, like: GuestFiles | null = null) {
    const { own, volumes } = surroundings;
    this.#surroundings = surroundings;
    this.#looks = like === null ? new Budget("files that the boot config asks about", MAX_LOOKS) : like.#looks;
    this.loopbacks = like === null ? new Map() : like.loopbacks;
    this.#named = like === null ? new Map<string, GuestVolume | null>() : like.#named;
    this.volumes = like === null ? [own, ...volumes.filter((volume) => volume !== own)] : like.volumes;
  }

  /** Goes on with the loopback devices that there are now. */
  copy(): GuestFiles {
    return new GuestFiles(this.#surroundings, this);
  }

  /** The name that GRUB would use for a volume. */
  nameOf(volume: GuestVolume): string {
    for (const [name, made] of this.loopbacks) if (made === volume) return name;
    if (volume.number !== null) return `hd0,${volume.table === "gpt" ? "gpt" : "msdos"}${volume.number}`;
    const logical = volume.name.startsWith("lvm ") ? /^lvm (.+)\/(.+)$/.exec(volume.name) : null;
    if (logical === null) return "hd0";
    const [group = "", name = ""] = logical.slice(1);
    return `lvm/${group.replaceAll("-", "--")}-${name.replaceAll("-", "--")}`;
  }

  /** The volume of exactly that name, or null. */
  volumeNamed(device: string): GuestVolume | null {
    const loopback = this.loopbacks.get(device);
    if (loopback !== undefined) return loopback;
    let named = this.#named.get(device);
    if (named === undefined) {
      named = this.#findNamed(device);
      this.#named.set(device, named);
    }
    return named;
  }

  #findNamed(device: string): GuestVolume | null {
    const { device: parsed } = splitDevice(`(${device})`, "grub2");
    if (parsed?.kind === "disk" && parsed.device.disk === 0 && parsed.device.partition !== null) {
      // Whether it is "msdos2" or "gpt2" does not matter: a disk has one table.
      const { partition } = parsed.device;
      return this.volumes.find((volume) => volume.number === partition) ?? null;
    }
    return this.volumes.find((volume) => this.nameOf(volume) === device) ?? null;
  }

  /** As `volumeNamed`; the config's own where there is none of that name. */
  volumeOf(device: string): GuestVolume {
    return this.volumeNamed(device) ?? this.#surroundings.own;
  }

  /** @param root what `$root` holds */
  split(name: string, root: string): NamedFile {
    if (name.startsWith("(")) {
      const end = name.indexOf(")");
      if (end > 0) return { device: name.slice(1, end), path: normalised(name.slice(end + 1)) };
    }
    return { device: root, path: normalised(name) };
  }

  /** The file as an entry names it. */
  reference(file: NamedFile): FileReference {
    const { own } = this.#surroundings;
    const volume = this.volumeNamed(file.device);
    if (volume === own) return { device: null, path: file.path };
    if (volume !== null) return { device: null, volume, path: file.path };
    const { device } = splitDevice(`(${file.device})`, "grub2");
    return { device: device?.kind === "disk" ? device.device : null, path: file.path };
  }

  /** The node at a file's path, or null when it is not there or cannot be reached. @throws BUDGET_EXCEEDED */
  find(file: NamedFile): FilesystemNode | null {
    return this.findOn(this.volumeOf(file.device), file.path);
  }

  findOn(volume: GuestVolume, path: string): FilesystemNode | null {
    this.#looks.spend();
    return readable(() => volume.filesystem().find(path));
  }

  /** Names in a folder; none when it cannot be read. @throws BUDGET_EXCEEDED */
  list(file: NamedFile): readonly string[] {
    const volume = this.volumeOf(file.device);
    this.#looks.spend();
    const listed = readable(() => volume.filesystem().list(file.path));
    return listed?.map((entry) => entry.name) ?? [];
  }

  /** @throws FILE_MISSING, FILE_TOO_LARGE and what reading throws */
  readText(file: NamedFile, limit: number): string {
    this.#looks.spend();
    const content = this.#open(file);
    if (content.size > limit) {
      throw new GuestbootError(
        "FILE_TOO_LARGE",
        `${file.path} has ${content.size} bytes, more than the ${limit} that are read`,
      );
    }
    // GRUB drops carriage returns wherever it reads lines.
    return decodeText(content.read(0, content.size)).replaceAll("\r", "");
  }

  /** Makes the image in a file a device of its own. @throws what opening it throws */
  addLoopback(name: string, file: NamedFile): void {
    if (this.loopbacks.size >= MAX_LOOPBACKS) {
      throw new GuestbootError("BUDGET_EXCEEDED", `more than ${MAX_LOOPBACKS} loopback devices in the boot config`);
    }
    const content = this.#open(file);
    let opened: ReturnType<typeof openFilesystem> | null = null;
    this.loopbacks = new Map(this.loopbacks).set(name, {
      name: `${file.path} on ${this.volumeOf(file.device).name}`,
      number: null,
      partitionUuid: null,
      filesystem: () => (opened ??= openFilesystem(content)),
    });
  }

  removeLoopback(name: string): boolean {
    const left = new Map(this.loopbacks);
    const wasThere = left.delete(name);
    this.loopbacks = left;
    return wasThere;
  }

  #open(file: NamedFile): ByteSource {
    return this.volumeOf(file.device).filesystem().open(file.path);
  }
}

/** Null where our own kind of error says that it cannot be read. */
function readable<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof GuestbootError) return null;
    throw error;
  }
}

function normalised(path: string): string {
  if (path.startsWith("/") && !path.includes("//")) return path;
  return `/${path}`.replace(/\/{2,}/g, "/");
}
