/**
 * When a copy in the cache needs no question to its server: what the host's settings and the command line say.
 */
import type { Settings } from "../base/settings.ts";
import type { Freshness } from "../pipeline/obtain.ts";

export function freshnessOf({ cache }: Settings, given: { readonly offline: boolean }): Freshness {
  // What another process has learnt since this one was started is news enough.
  const since = Date.now() - process.uptime() * 1000;
  return { freshFor: cache.freshFor, offline: given.offline || cache.offline, since };
}
