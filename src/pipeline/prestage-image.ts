/**
 * A pre-staged image as it lies in the host's folder: opened for a VM to start from, and compared with its manifest.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { digestOfFile, isDigest } from "../store/digest.ts";
import { existingFolder } from "./prestage-folder.ts";
import { readManifest, type ImageFile, type Manifest } from "./prestage-manifest.ts";
import type { BootImage } from "./use-image.ts";

export interface BadImageFile {
  readonly path: string;
  readonly reason: string;
}

/** Reads the image's files and compares them with its manifest. */
export function verifyImage(folder: string, name: string): readonly BadImageFile[] {
  const current = existingFolder(folder, name);
  const { kernel, ramdisk } = readManifest(current);
  const files = ramdisk === null ? [kernel] : [kernel, ramdisk];
  return files.flatMap((file) => {
    const at = path.join(current, file.file);
    const reason = whatIsWrong(at, file, { deep: true });
    return reason === null ? [] : [{ path: at, reason }];
  });
}

export interface OpenImage extends BootImage {
  /** Where its files are: a path that a refresh does not change. */
  readonly folder: string;
  readonly manifest: Manifest;
}

/** For a VM to start from. Its files are there and have their sizes. @throws PRESTAGED_UNKNOWN, PRESTAGED_INVALID */
export function openImage(folder: string, name: string): OpenImage {
  const current = existingFolder(folder, name);
  const manifest = readManifest(current);
  const { kernel, ramdisk } = manifest;
  for (const file of ramdisk === null ? [kernel] : [kernel, ramdisk]) {
    const reason = whatIsWrong(path.join(current, file.file), file, { deep: false });
    if (reason === null) continue;
    throw new GuestbootError("PRESTAGED_INVALID", `${path.join(current, file.file)}: ${reason}`, {
      hint: `guestboot prestage refresh ${name}`,
    });
  }
  return imageIn(current, manifest);
}

/** The image that a record's PV_kernel is of; null where it is of none. */
export function imageWithKernel(kernel: string): BootImage | null {
  if (!path.isAbsolute(kernel)) return null;
  try {
    const file = fs.realpathSync(kernel);
    const image = imageIn(path.dirname(file), readManifest(path.dirname(file)));
    return image.kernel === file ? image : null;
  } catch {
    return null;
  }
}

function imageIn(folder: string, manifest: Manifest): OpenImage {
  const { kernel, ramdisk } = manifest;
  return {
    folder,
    manifest,
    kernel: path.join(folder, kernel.file),
    ramdisk: ramdisk === null ? null : path.join(folder, ramdisk.file),
    arguments: manifest.arguments,
  };
}

/** null: nothing. @param deep reads it whole */
export function whatIsWrong(
  at: string,
  { size, digest }: ImageFile,
  { deep }: { readonly deep: boolean },
): string | null {
  try {
    const found = fs.statSync(at);
    if (!found.isFile()) return "it is not a file";
    if (found.size !== size) return `it has ${found.size} bytes, its manifest says ${size}`;
    if (!deep || !isDigest(digest)) return null;
    const now = digestOfFile(at);
    return now === digest ? null : `it is ${now}, its manifest says ${digest}`;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return systemReason(error);
  }
}
