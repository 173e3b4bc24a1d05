/**
 * `guestboot cat`: a file of a guest's disk, byte for byte.
 */
import * as fs from "node:fs";
import type { ByteSource } from "../base/byte-source.ts";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { findInGuest } from "../pipeline/guest-path.ts";
import { openGuest } from "../pipeline/open-guest.ts";
import { applyReadLimits } from "./apply-limits.ts";
import { readArguments } from "./arguments.ts";
import { diskAndPath, GUEST_PATH_OPTIONS, offsetOf } from "./guest-operands.ts";
import { helpOf } from "./help.ts";
import { reporting } from "./report.ts";

const PIECE = 256 * 1024;
const STDOUT = 1;
/** A full pipe that does not block is asked again that soon. */
const RETRY_MS = 5;

export async function runCat(argv: readonly string[]): Promise<number> {
  return reporting("cat", { json: false }, async () => {
    const { values, positionals } = readArguments(argv, GUEST_PATH_OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("cat"));
      return;
    }
    const { disk, path } = diskAndPath(positionals, null);
    // A file may be as large as the disk, and whoever reads it as slow as they like.
    await applyReadLimits({ bytesRead: Infinity, seconds: Infinity });
    using guest = openGuest(disk, { offset: offsetOf(values.offset) });
    const found = findInGuest(guest.search, values.volume ?? null, path);
    print(found.filesystem.open(found.path));
  });
}

function print(content: ByteSource): void {
  const buffer = new Uint8Array(Math.min(PIECE, content.size));
  for (let at = 0; at < content.size; at += PIECE) {
    writeAll(content.read(at, Math.min(PIECE, content.size - at), buffer));
  }
}

function writeAll(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) {
    try {
      done += fs.writeSync(STDOUT, bytes, done);
    } catch (error) {
      if (!isSystemError(error, "EAGAIN")) {
        throw new GuestbootError("OUTPUT_FAILED", `standard output cannot be written: ${systemReason(error)}`, {
          cause: error,
        });
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}
