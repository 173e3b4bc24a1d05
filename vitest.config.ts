import { defineConfig } from "vitest/config";
import type { InlineConfig } from "vitest/node";
import { RUNTIME_FLAGS } from "./src/cli/runtime-flags.js";

const shared = {
  testTimeout: 60_000,
  hookTimeout: 120_000,
  pool: "forks" as const,
  // The program runs with these: what the permission model refuses must fail here too. Addons are the test runner's.
  execArgv: [...RUNTIME_FLAGS, "--allow-addons"],
} satisfies InlineConfig;

/**
 * Three projects: `quick` is pure or near enough and serves daily work; `real` starts real servers, real image makers
 * and the built program; `xen`, after them, boots a whole Xen host, which needs both cores of a small machine.
 */
export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: "quick", include: ["test/**/*.test.ts"], exclude: ["test/**/*.{real,xen}.test.ts"] } },
      { test: { ...shared, name: "real", include: ["test/**/*.real.test.ts"], maxWorkers: 2 } },
      {
        test: {
          ...shared,
          name: "xen",
          include: ["test/**/*.xen.test.ts"],
          maxWorkers: 1,
          // The machine's own life is bounded, below this; how long its parts take is the processor's affair.
          testTimeout: 20 * 60_000,
          hookTimeout: 20 * 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
