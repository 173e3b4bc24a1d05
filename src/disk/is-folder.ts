/**
 * Is what was named as a guest's disk a folder, which stands for the root of its filesystem?
 */
import * as fs from "node:fs";
import { isSystemError } from "../base/errors.ts";

/** False also where it cannot be looked at: opening it as a disk says why. */
export function isFolder(path: string): boolean {
  try {
    return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  } catch (error) {
    if (isSystemError(error)) return false;
    throw error;
  }
}
