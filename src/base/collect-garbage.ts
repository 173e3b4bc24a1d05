/**
 * Gives back the memory of what was used and dropped, before or while much passes through. The runtime sees few objects
 * and waits, though each holds a large piece of memory outside its heap; so it grows by what a few seconds of such
 * garbage take. A collection of the young alone takes about a millisecond.
 */

/** Bytes of buffers that may stay: dropped ones that have grown old are found by a collection of everything only. */
const MOST_DROPPED = 12 * 1024 * 1024;

/** Passes the chunks on, and collects each time so many bytes have passed. */
export async function* collectingGarbage(
  chunks: AsyncIterable<Uint8Array>,
  everyBytes: number,
): AsyncGenerator<Uint8Array, void> {
  const collect = collectorEvery(everyBytes);
  for await (const chunk of chunks) {
    yield chunk;
    collect(chunk.length);
  }
}

/** @returns to be told of bytes that have passed; it collects each time they are `everyBytes` */
export function collectorEvery(everyBytes: number): (bytes: number) => void {
  let collect: (() => void) | null = null;
  let passed = 0;
  return (bytes) => {
    passed += bytes;
    if (passed < everyBytes) return;
    passed = 0;
    collect ??= garbageCollector();
    collect();
  };
}

/**
 * Gives back all that was dropped so far, before something begins that needs memory for long. It takes some 30 ms: what
 * loading the packages that check signatures leaves behind is 15 MB, in the runtime's heap and in the C library's.
 */
export function giveMemoryBack(): void {
  const gc = collector();
  if (gc === null) return;
  Reflect.apply(gc, undefined, [{ type: "major" }]);
  try {
    const { dlopen } = process.getBuiltinModule("node:ffi");
    dlopen(null, { malloc_trim: { arguments: ["uint64"], return: "int32" } }).functions.malloc_trim(0n);
  } catch {
    // Another C library, or none that may be called: it keeps what it has.
  }
}

/** Does nothing where the runtime does not let itself be asked. */
function garbageCollector(): () => void {
  const gc = collector();
  if (gc === null) return () => undefined;
  return () => {
    Reflect.apply(gc, undefined, [{ type: "minor" }]);
    if (process.memoryUsage().arrayBuffers > MOST_DROPPED) Reflect.apply(gc, undefined, [{ type: "major" }]);
  };
}

type Collect = (...options: unknown[]) => unknown;

function collector(): Collect | null {
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  const { runInNewContext } = process.getBuiltinModule("node:vm");
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("typeof gc === 'function' ? gc : null");
  return typeof gc === "function" ? (gc as Collect) : null;
}
