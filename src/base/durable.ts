/**
 * Bytes that a power failure cannot take back.
 *
 * The runtime's permission model, which we run under, refuses fsync(2) and its kin altogether. A small file is written
 * with O_SYNC instead; for a large one, where O_SYNC would wait for the disk at each piece, the C library's
 * aio_fsync(3) is asked: it waits in a thread of its own, and needs no program, which an installation behind its walls
 * could not start.
 */
import { openSync } from "node:fs";
import { giveBack } from "./give-back.ts";
import { GuestbootError, systemReason } from "./errors.ts";

/** How long a disk may take to write what it has been given. */
const TIMEOUT_MS = 300_000;
const POLL_MS = 5;

/** Waits until the file is on the disk. @throws OUTPUT_FAILED */
export async function syncFile(path: string): Promise<void> {
  try {
    // Not there without the permission model, whatever its type says.
    const permission = process.permission as NodeJS.ProcessPermission | undefined;
    if (permission === undefined) await syncByRuntime(path);
    else await syncByLibrary(path);
  } catch (error) {
    const reason = systemReason(error);
    throw new GuestbootError("OUTPUT_FAILED", `${path} could not be brought to the disk: ${reason}`, { cause: error });
  }
}

/** For programs that use us as a library, without the permission model. */
async function syncByRuntime(path: string): Promise<void> {
  await using file = await process.getBuiltinModule("node:fs/promises").open(path, "r");
  await file.sync();
}

/** fcntl.h, signal.h, errno.h of Linux. */
const O_SYNC = 0o4010000;
const SIGEV_NONE = 1;
const EINPROGRESS = 115;
/** On a good descriptor aio_fsync(3) itself fails for one reason: no thread can be had. */
const EAGAIN = 11;
/** More than glibc's struct aiocb has (168 bytes on 64-bit machines); where its fields are. */
const CONTROL_BLOCK_SIZE = 256;
const AT_DESCRIPTOR = 0;
const AT_NOTIFICATION = 44;

const SIGNATURES = {
  aio_fsync: { arguments: ["int32", "pointer"], return: "int32" },
  aio_error: { arguments: ["pointer"], return: "int32" },
} as const;

/** What the C library has been given and not given back. */
const inUse = new Set<Buffer>();

async function syncByLibrary(path: string): Promise<void> {
  const ffi = process.getBuiltinModule("node:ffi");
  const { aio_fsync: begin, aio_error: stateOf } = openLibrary().functions;
  const descriptor = openSync(path, "r");
  const block = Buffer.alloc(CONTROL_BLOCK_SIZE);
  block.writeInt32LE(descriptor, AT_DESCRIPTOR);
  block.writeInt32LE(SIGEV_NONE, AT_NOTIFICATION);
  const address = ffi.getRawPointer(block);
  const deadline = process.hrtime.bigint() + BigInt(TIMEOUT_MS) * 1_000_000n;
  inUse.add(block);
  let state: number = begin(O_SYNC, address) === 0 ? stateOf(address) : EAGAIN;
  while (state === EINPROGRESS) {
    if (process.hrtime.bigint() > deadline) throw new Error(`the disk has not written it in ${TIMEOUT_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    state = stateOf(address);
  }
  inUse.delete(block);
  giveBack(descriptor);
  if (state !== 0) throw new Error(process.getBuiltinModule("node:util").getSystemErrorMessage(-state));
}

/** Before glibc 2.34 these functions are in a library of their own. */
function openLibrary() {
  const ffi = process.getBuiltinModule("node:ffi");
  try {
    return ffi.dlopen(null, SIGNATURES);
  } catch {
    return ffi.dlopen("librt.so.1", SIGNATURES);
  }
}
