import { defineConfig } from "vitest/config";

const shared = { testTimeout: 60_000, hookTimeout: 120_000 } as const;

/**
 * Two projects: `quick` is pure or near enough and serves daily work; `real` starts real servers,
 * real image makers and the built program.
 */
export default defineConfig({
  test: {
    projects: [
      { test: { ...shared, name: "quick", include: ["test/**/*.test.ts"], exclude: ["test/**/*.real.test.ts"] } },
      { test: { ...shared, name: "real", include: ["test/**/*.real.test.ts"], maxWorkers: 2 } },
    ],
  },
});
