/**
 * One file asked of a web server: redirects followed, what is safe to ask again asked again.
 */
import { setTimeout as wait } from "node:timers/promises";
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import { refused, unreachable } from "./http-errors.ts";
import type { HttpRequest, HttpResponse, RequestLimits, Way } from "./http-message.ts";
import { isTransient } from "./network-errors.ts";

/**
 * Sends the request and follows redirects.
 * @param wayTo the connections for a URL; a redirect may lead where another proxy serves, or none
 * @throws REPOSITORY_UNREACHABLE, REDIRECT_REFUSED; REPOSITORY_REFUSED when the server wants to be left alone
 */
export async function sendRequest(
  wayTo: (url: URL) => Promise<Way>,
  asked: HttpRequest,
  limits: RequestLimits,
  progress: Progress,
): Promise<HttpResponse> {
  let url = asked.url;
  for (let redirects = 0; ; redirects += 1) {
    const response = await sendWithRetries(await wayTo(url), { ...asked, url }, asked.url.origin, limits, progress);
    if (![301, 302, 303, 307, 308].includes(response.status)) return response;
    await response.body.discard();
    if (redirects === limits.maxRedirects) {
      throw new GuestbootError("REDIRECT_REFUSED", `${asked.url.href}: more than ${limits.maxRedirects} redirects`, {
        hint: `the last one was to ${url.href}; the server probably sends the request in a circle`,
      });
    }
    url = redirectTarget(url, response.header("location"));
  }
}

function redirectTarget(from: URL, location: string | null): URL {
  const target = location === null ? null : URL.parse(location, from);
  if (target === null || (target.protocol !== "http:" && target.protocol !== "https:")) {
    throw new GuestbootError("REDIRECT_REFUSED", `${from.href}: redirected to something that is no http address`);
  }
  // Nobody may put words into our mouth, and a password must not reach a message.
  target.username = "";
  target.password = "";
  target.hash = "";
  if (from.protocol === "https:" && target.protocol === "http:") {
    throw new GuestbootError(
      "REDIRECT_REFUSED",
      `${from.href}: redirected to ${target.href}, which would give up the protection of https`,
      { hint: "use another mirror or, if this one is trusted without https, its http:// address" },
    );
  }
  return target;
}

async function sendWithRetries(
  way: Way,
  asked: HttpRequest,
  home: string,
  limits: RequestLimits,
  progress: Progress,
): Promise<HttpResponse> {
  for (let tries = 1; ; tries += 1) {
    let pause = limits.retryWaits[tries - 1];
    let trouble: string;
    try {
      const response = await send(way, asked, home, limits);
      if (pause === undefined || ![429, 500, 502, 503, 504].includes(response.status)) return response;
      pause = Math.max(pause, retryAfter(response));
      trouble = `the server answered ${response.status}`;
      await response.body.discard();
      if (pause > limits.maxRetryAfter) throw leftAlone(asked.url, response, pause);
    } catch (error) {
      asked.signal?.throwIfAborted();
      if (error instanceof GuestbootError) throw error;
      const failure = unreachable(asked.url.href, error, tries, limits, way.proxy);
      if (pause === undefined || !isTransient(error)) throw failure;
      trouble = failure.message.slice(asked.url.href.length + 2);
    }
    progress.say(`${asked.url.href}: ${trouble}; trying again`);
    await wait(pause, undefined, asked.signal === undefined ? {} : { signal: asked.signal }).catch(() => undefined);
    asked.signal?.throwIfAborted();
  }
}

async function send(way: Way, asked: HttpRequest, home: string, limits: RequestLimits): Promise<HttpResponse> {
  const { url, method, signal } = asked;
  const authorization = url.origin === home ? asked.authorization : null;
  const headers = { ...asked.headers, ...(authorization === null ? {} : { authorization }) };
  const answer = await way.send({ url, method, headers, signal }, limits);
  return { ...answer, url: url.href, credentialsSent: authorization !== null, proxy: way.proxy };
}

/** Milliseconds that the server asks us to wait (RFC 9110, section 10.2.3: seconds or a date), 0 when it does not. */
function retryAfter(response: HttpResponse): number {
  const value = response.header("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now());
}

function leftAlone(url: URL, response: HttpResponse, pause: number): GuestbootError {
  const failure = refused(url.href, response.status, { sent: false, kept: false }, response.proxy);
  const seconds = Math.ceil(pause / 1000);
  return new GuestbootError(failure.code, `${failure.message} and wants to be left alone for ${seconds} seconds`, {
    hint: failure.hint,
  });
}
