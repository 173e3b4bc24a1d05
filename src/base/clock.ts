/**
 * A clock that only goes forward. Not `performance.now()`, whose module is one more that a start from disk would load.
 */

/** Milliseconds since some moment, with fractions. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
