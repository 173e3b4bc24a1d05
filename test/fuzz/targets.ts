/**
 * Every parser of outside bytes.
 */
import type { FuzzTarget } from "./target.ts";

export const TARGETS: readonly FuzzTarget[] = [];
