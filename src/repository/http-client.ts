/**
 * What of HTTP needs undici, in one piece: loading it takes longer than all else in a start that finds its files in the
 * cache, so it is loaded at the first request.
 */
export { Connections } from "./http-connections.ts";
export { sendRequest } from "./http-request.ts";
