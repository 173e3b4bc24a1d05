/**
 * Gives back the memory of buffers that were used and dropped while much passes through. The runtime sees few objects
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

/** Does nothing where the runtime does not let itself be asked. */
function garbageCollector(): () => void {
  const { setFlagsFromString } = process.getBuiltinModule("node:v8");
  const { runInNewContext } = process.getBuiltinModule("node:vm");
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("typeof gc === 'function' ? gc : null");
  if (typeof gc !== "function") return () => undefined;
  return () => {
    Reflect.apply(gc, undefined, [{ type: "minor" }]);
    if (process.memoryUsage().arrayBuffers > MOST_DROPPED) Reflect.apply(gc, undefined, [{ type: "major" }]);
  };
}
