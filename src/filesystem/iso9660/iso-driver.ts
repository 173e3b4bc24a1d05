/**
 * ISO 9660, read-only, as it is on installation media.
 *
 * Read: names of Rock Ridge, else of Joliet, else plain ones; folders below the eighth level; files above 4 GiB. A
 * hybrid image, which is a partitioned disk at the same time, is this filesystem from byte 0 on. Not read: files that
 * are interleaved, sparse or compressed (zisofs); earlier sessions; HFS+ and UDF, which may be there beside it.
 */
import type { ByteSource } from "../../base/byte-source.ts";
import { GuestbootError } from "../../base/errors.ts";
import { directoryBudget } from "../../base/limits.ts";
import { decodeText } from "../../base/text.ts";
import type { DirectoryEntry, FilesystemDriver, FilesystemNode, NodeKind } from "../filesystem.ts";
import { contentOf, sizeOf } from "./content.ts";
import { damaged, errorOf, obstacleIn, type Obstacle } from "./damage.ts";
import { filesIn, ownRecord, type NamedFile } from "./directory.ts";
import { readDirectoryRecord, type Extent } from "./directory-record.ts";
import { announcesRockRidge, readRockRidge, type RockRidge } from "./rock-ridge.ts";
import { findSharingProtocol } from "./system-use.ts";
import { readVolumeDescriptors, type VolumeDescriptor } from "./volume-descriptor.ts";
import { IsoVolume } from "./volume.ts";

/** What is known of a node when it is found; there is no inode to come back to. `id` is where its record lies. */
interface IsoNode extends FilesystemNode {
  readonly sections: readonly Extent[];
  /** null for the root. */
  readonly parent: IsoNode | null;
  /** Why the content cannot be read. */
  readonly obstacle: Obstacle | null;
  /** Of a symbolic link: where its target is written. */
  readonly linkArea: Uint8Array | null;
}

/** No path of Linux has more names. */
const MAX_DEPTH = 2048;
/** A path of the kernel, and so a link, has at most that many bytes. */
const MAX_LINK_SIZE = 4096;

const MODE_TYPE = 0xf000;
const MODE_REGULAR = 0x8000;
const MODE_LINK = 0xa000;

/** @throws FILESYSTEM_DAMAGED, BUDGET_EXCEEDED, OUT_OF_BOUNDS */
export function openIso9660(source: ByteSource): FilesystemDriver {
  const { volume, descriptor, label } = openVolume(source);
  const nodeOf = (parent: IsoNode, file: NamedFile) => makeNode(volume, parent, file);
  return {
    type: "iso9660",
    uuid: descriptor.uuid,
    label,
    notes: notesOf(descriptor, source),
    root: rootNode(descriptor),
    lookup(directory, name) {
      const parent = own(directory);
      const wanted = volume.names === "plain" ? lowerCase(name) : name;
      for (const file of filesIn(volume, extentOf(parent))) if (file.name === wanted) return nodeOf(parent, file);
      return null;
    },
    list(directory) {
      const parent = own(directory);
      const budget = directoryBudget();
      const entries: DirectoryEntry[] = [];
      for (const file of filesIn(volume, extentOf(parent))) {
        budget.spend();
        entries.push({ name: file.name, node: nodeOf(parent, file) });
      }
      return entries;
    },
    readLink(link) {
      const { linkArea } = own(link);
      if (linkArea === null) throw damaged("a symbolic link without a target");
      return targetOf(readRockRidge(volume, linkArea));
    },
    content(file) {
      const { sections, obstacle, id } = own(file);
      if (obstacle !== null) throw errorOf(obstacle);
      return contentOf(volume, sections, `the file at ${id}`);
    },
  };
}

interface OpenVolume {
  readonly volume: IsoVolume;
  readonly descriptor: VolumeDescriptor;
  readonly label: string | null;
}

/** Rock Ridge says most, then Joliet; both are there to be used where they are. */
function openVolume(source: ByteSource): OpenVolume {
  const { primary, joliet } = readVolumeDescriptors(source);
  const { label } = primary;
  const plain = new IsoVolume(source, primary.blockSize, "plain", 0);
  const rootArea = ownRecord(plain, rootExtent(primary).start).systemUse;
  const sharing = findSharingProtocol(rootArea);
  if (sharing !== null && announcesRockRidge(plain, rootArea.subarray(sharing.start))) {
    const volume = new IsoVolume(source, primary.blockSize, "rock-ridge", sharing.skip);
    return { volume, descriptor: primary, label };
  }
  if (joliet === null) return { volume: plain, descriptor: primary, label };
  const volume = new IsoVolume(source, joliet.blockSize, "joliet", 0);
  return { volume, descriptor: { ...joliet, uuid: primary.uuid }, label: joliet.label ?? label };
}

function notesOf(descriptor: VolumeDescriptor, source: ByteSource): string[] {
  if (descriptor.size <= source.size) return [];
  return [`the image is cut off: it has ${source.size} bytes, and ${descriptor.size} were written`];
}

function rootExtent({ root, blockSize }: VolumeDescriptor): Extent {
  return readDirectoryRecord(root, 0, blockSize).extent;
}

function rootNode(descriptor: VolumeDescriptor): IsoNode {
  const extent = rootExtent(descriptor);
  return {
    id: extent.start,
    kind: "directory",
    size: extent.size,
    sections: [extent],
    parent: null,
    obstacle: null,
    linkArea: null,
  };
}

function makeNode(volume: IsoVolume, parent: IsoNode, file: NamedFile): IsoNode {
  const { first, rock } = file;
  const kind = kindOf(file);
  let sections = file.sections;
  let obstacle = obstacleOf(file);
  if (kind === "directory") {
    obstacle ??= obstacleIn(() => {
      const extent = placeOf(volume, file);
      refuseCircle(extent, parent);
      sections = [extent];
    });
  }
  return {
    id: first.at,
    kind,
    size: kind === "symlink" ? (rock?.link?.bytes.length ?? 0) : sizeOf(sections),
    sections,
    parent,
    obstacle,
    // A copy: the rest of the window that it is a part of can go.
    linkArea: kind === "symlink" ? first.systemUse.slice(volume.skip) : null,
  };
}

function kindOf({ first, rock }: NamedFile): NodeKind {
  if (rock === null) return first.isDirectory ? "directory" : "file";
  if (first.isDirectory || rock.child !== null) return "directory";
  if (rock.mode === null) return rock.link === null ? "file" : "symlink";
  const type = rock.mode & MODE_TYPE;
  if (type === MODE_LINK) return "symlink";
  return type === MODE_REGULAR ? "file" : "other";
}

function obstacleOf({ first, rock }: NamedFile): Obstacle | null {
  if (rock !== null && rock.damage !== null) return rock.damage;
  const reason = first.isInterleaved ? "it is interleaved with another" : (rock?.encoding ?? null);
  if (reason === null) return null;
  return { code: "FEATURE_UNSUPPORTED", message: `the file cannot be read: ${reason}`, hint: undefined };
}

function targetOf({ link, damage }: RockRidge): string {
  if (damage !== null) throw errorOf(damage);
  if (link === null || link.bytes.length > MAX_LINK_SIZE) {
    throw damaged(`a symbolic link of ${link?.bytes.length ?? 0} bytes`);
  }
  if (link.namesHost) throw new GuestbootError("FEATURE_UNSUPPORTED", "a symbolic link that leads to a host by name");
  return decodeText(link.bytes);
}

/** Where a folder's records are. */
function placeOf(volume: IsoVolume, { first, sections, rock }: NamedFile): Extent {
  if (rock !== null && rock.child !== null) {
    // It was moved: its own record says how long it is.
    const start = rock.child * volume.blockSize;
    return { start, size: ownRecord(volume, start).extent.size };
  }
  if (sections.length > 1) throw damaged(`the folder at ${first.at} is in several pieces`);
  return first.extent;
}

/** A folder inside itself would have no end for those who walk down. */
function refuseCircle(extent: Extent, parent: IsoNode): void {
  let depth = 0;
  for (let above: IsoNode | null = parent; above !== null; above = above.parent) {
    if (above.sections[0]?.start === extent.start) throw damaged(`the folder at ${extent.start} is inside itself`);
    if (++depth > MAX_DEPTH) throw damaged(`folders are nested more than ${MAX_DEPTH} deep`);
  }
}

/** @throws what keeps the folder from being read */
function extentOf({ sections, obstacle, id }: IsoNode): Extent {
  if (obstacle !== null) throw errorOf(obstacle);
  const [extent] = sections;
  if (extent === undefined) throw damaged(`the folder at ${id} is nowhere`);
  return extent;
}

function own(node: FilesystemNode): IsoNode {
  if (!isIsoNode(node)) throw new GuestbootError("INTERNAL", "a node of another filesystem");
  return node;
}

function isIsoNode(node: FilesystemNode): node is IsoNode {
  return "sections" in node && "linkArea" in node;
}

function lowerCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
