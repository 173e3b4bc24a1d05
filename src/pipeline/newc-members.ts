/**
 * GRUB's `initrd newc:NAME:FILE`: files that its ramdisks consist of, in an archive that GRUB makes on the way. Members
 * that follow each other are one archive, with the folders around them before the first that needs them; what else is a
 * ramdisk ends it.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#initrd
 *
 * Loaded by a start that has such a file. Nothing is copied: what is joined is read through.
 */
import { memorySource, type ByteSource } from "../base/byte-source.ts";
import { encodeText } from "../base/text.ts";
import type { FileReference } from "../bootconfig/boot-config.ts";
import { TYPE } from "../initrd/cpio-header.ts";
import { PLAIN_HEADER, recordHead, trailer } from "../initrd/write-cpio.ts";

/** Everybody's, as GRUB gives them. */
const PERMISSIONS = 0o777;

/**
 * What is joined to the guest's ramdisk, each at a multiple of 4 bytes.
 * @param sources the files' contents in the same order
 * @throws OVERLAY_INVALID for a name that Linux does not take
 */
export function joinedMembers(files: readonly FileReference[], sources: readonly ByteSource[]): ByteSource[] {
  const joined: ByteSource[] = [];
  /** Of the archive that has begun, the folders that it has; null where none has. */
  let folders: Set<string> | null = null;
  const end = (): void => {
    if (folders !== null) joined.push(memorySource(trailer(), "an archive's end"));
    folders = null;
  };
  for (const [index, source] of sources.entries()) {
    const name = files[index]?.member;
    if (name === undefined) {
      end();
      joined.push(source);
      continue;
    }
    folders ??= new Set();
    const path = name.split("/").filter((part) => part !== "");
    for (let depth = 1; depth < path.length; depth++) {
      const folder = path.slice(0, depth).join("/");
      if (folders.has(folder)) continue;
      folders.add(folder);
      joined.push(head(TYPE.directory, folder, 0));
    }
    joined.push(head(TYPE.file, path.join("/"), source.size), source);
  }
  end();
  return joined;
}

function head(type: number, name: string, size: number): ByteSource {
  return memorySource(
    recordHead({ ...PLAIN_HEADER, links: 1, mode: type | PERMISSIONS, size }, encodeText(name)),
    name,
  );
}
