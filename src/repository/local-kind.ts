/**
 * What a local path is: a folder, a zip of one, or an installation medium. The first bytes decide; the name helps only
 * where they say nothing.
 */
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";

export type LocalKind = "folder" | "zip" | "iso";

/** The first header of a file in a zip, or the end of an empty one (APPNOTE, sections 4.3.7 and 4.3.16). */
const ZIP_MAGIC = ["PK\x03\x04", "PK\x05\x06"];
/** ECMA-119, section 8.1: the first volume descriptor stands in sector 16, its identifier in its second byte. */
const ISO_MAGIC = { at: 16 * 2048 + 1, text: "CD001" };

/**
 * @param path absolute
 * @param address how the repository is shown
 * @throws REPOSITORY_UNREACHABLE, REPOSITORY_REFUSED where nothing can be read; INVALID_SOURCE for another kind of file
 */
export async function kindOf(path: string, address: string): Promise<LocalKind> {
  try {
    const status = await stat(path);
    if (status.isDirectory()) return "folder";
    if (status.isBlockDevice()) return "iso";
    if (status.isFile()) return (await magicOf(path)) ?? kindByName(path, address);
    throw notARepository(address, "it is neither a folder nor a file");
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    const code = isSystemError(error, "EACCES", "EPERM") ? "REPOSITORY_REFUSED" : "REPOSITORY_UNREACHABLE";
    throw new GuestbootError(code, `${address}: ${systemReason(error)}`, { hint: `ls -ld ${path}`, cause: error });
  }
}

async function magicOf(path: string): Promise<LocalKind | null> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const read = async (at: number, length: number) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
    return buffer.toString("latin1", 0, bytesRead);
  };
  if (ZIP_MAGIC.includes(await read(0, 4))) return "zip";
  return (await read(ISO_MAGIC.at, ISO_MAGIC.text.length)) === ISO_MAGIC.text ? "iso" : null;
}

function kindByName(path: string, address: string): LocalKind {
  if (/\.zip$/i.test(path)) return "zip";
  if (/\.iso$/i.test(path)) return "iso";
  throw notARepository(address, "it is a file, but neither a zip nor an ISO image");
}

function notARepository(address: string, why: string): GuestbootError {
  return new GuestbootError("INVALID_SOURCE", `${address}: ${why}`, {
    hint: "a repository on this host is a folder, a zip of one, or an ISO image",
  });
}
