/**
 * Targets with a planted defect each, one for every way in which a parser may fail: what shows that the fuzzer finds
 * them. `npm run fuzz` does not run them.
 */
import * as fs from "node:fs";
import { GuestbootError } from "../../src/base/errors.ts";
import { bytesOf, type FuzzTarget } from "./target.ts";

/** Only behind three bytes in turn: without coverage one of 2^24 random inputs gets there. */
function guarded(input: Uint8Array, defect: () => unknown): unknown {
  if (input[0] === 0x58) {
    if (input[1] === 0x45) {
      if (input[2] === 0x4e) return defect();
    }
  }
  throw new GuestbootError("DATA_DAMAGED", "not what was asked for");
}

const planted = (name: string, defect: () => unknown): FuzzTarget => ({
  name: `planted ${name}`,
  seeds: () => [bytesOf("....")],
  largest: 16,
  run: (input) => guarded(input, defect),
});

export const PLANTED: readonly FuzzTarget[] = [
  planted("nothing", () => null),
  planted("foreign error", () => {
    throw new RangeError("offset is out of bounds");
  }),
  planted("file", () => fs.readFileSync("/etc/hostname")),
  planted("rejection", () => void Promise.reject(new Error("nobody waits for this"))),
  planted("memory", () => new Uint8Array(300 << 20).fill(1)),
  planted("slow", () => {
    // The thread's own time, as the limit is: a busy machine gives it less than the clock says.
    const before = process.threadCpuUsage();
    while (process.threadCpuUsage(before).user < 1_100_000);
  }),
  planted("endless", () => {
    for (;;);
  }),
];
