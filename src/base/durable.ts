/**
 * Bytes that a power failure cannot take back.
 *
 * The runtime's permission model, which we run under, refuses fsync(2) and its kin altogether. A small file is written
 * with O_SYNC instead; for a large one the system's own sync(1) is asked, which is one process for all its bytes,
 * where O_SYNC would wait for the disk at each piece.
 */
import { GuestbootError } from "./errors.ts";

/** How long a disk may take to write what it has been given. */
const TIMEOUT_MS = 300_000;

/** Waits until the file is on the disk. @throws OUTPUT_FAILED */
export async function syncFile(path: string): Promise<void> {
  const { execFile } = process.getBuiltinModule("node:child_process");
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  const env = { PATH: "/usr/bin:/bin", LC_ALL: "C" };
  const child = execFile("sync", ["--", path], { env, timeout: TIMEOUT_MS }, (error, _stdout, stderr) => {
    if (error === null) resolve(undefined);
    else {
      const reason = stderr.trim() === "" ? startReason(error) : stderr.trim();
      reject(
        new GuestbootError("OUTPUT_FAILED", `${path} could not be brought to the disk: ${reason}`, { cause: error }),
      );
    }
  });
  // Its words may be lost; whether it has done its work is told by its end.
  for (const stream of [child.stdout, child.stderr]) stream?.on("error", () => undefined);
  await promise;
}

/** "spawn sync EMFILE" is how the runtime says that the program could not be started. */
function startReason(error: Error): string {
  if (!("errno" in error) || typeof error.errno !== "number") return error.message;
  return `sync could not be started: ${process.getBuiltinModule("node:util").getSystemErrorMessage(error.errno)}`;
}
