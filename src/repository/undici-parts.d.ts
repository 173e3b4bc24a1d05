/**
 * Types for the parts of undici that are loaded by their own paths. All of undici (fetch, WebSocket, caches, mocks)
 * takes 30 ms to load where the agent and the request take 17 (the proxy agent 2 more), and a loader that runs at every
 * installation start feels that. The paths are undici's own layout and not its promised interface: a test loads them
 * and makes a request.
 */
declare module "undici/lib/dispatcher/agent.js" {
  import type { Agent } from "undici";
  const agent: typeof Agent;
  export default agent;
}

declare module "undici/lib/api/api-request.js" {
  import type { Dispatcher } from "undici";
  /** What `Dispatcher.prototype.request` is once all of undici is loaded. */
  export default function request(
    this: Dispatcher,
    options: Dispatcher.RequestOptions & { readonly origin: string },
  ): Promise<Dispatcher.ResponseData>;
}

declare module "undici/lib/dispatcher/proxy-agent.js" {
  import type { ProxyAgent } from "undici";
  const proxyAgent: typeof ProxyAgent;
  export default proxyAgent;
}

declare module "undici/lib/dispatcher/pool.js" {
  import type { Pool } from "undici";
  const pool: typeof Pool;
  export default pool;
}

declare module "undici/lib/api/api-connect.js" {
  import type { Pool } from "undici";
  /** What `Dispatcher.prototype.connect` is once all of undici is loaded. */
  const connect: Pool["connect"];
  export default connect;
}
