/**
 * A session with xapi: logged in when the first call is made, renewed when xapi has ended it, closed at the end. Where
 * a host is not its pool's master it says who is, and the session moves there once; where it knows no JSON-RPC, the
 * session goes on in XML-RPC.
 */
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import { JSON_RPC } from "./json-rpc.ts";
import { NotThisFormat, XapiFailure, type RpcFormat, type RpcValue } from "./rpc.ts";
import { nameOf, post, type XapiAddress } from "./transport.ts";
import { XML_RPC } from "./xml-rpc.ts";

export interface XapiLogin {
  readonly address: XapiAddress;
  /** Both empty on the host's own socket, where being allowed to open it is enough. */
  readonly user: string;
  readonly password: string;
  /** How long one call may take. */
  readonly timeoutSeconds: number;
}

export interface XapiSession extends AsyncDisposable {
  /** For messages: the socket or the URL that is talked to now. */
  readonly name: string;
  /**
   * A call of XenAPI (https://xapi-project.github.io/xen-api/); the session's own reference goes first by itself.
   * @throws XapiFailure for xapi's own "no"; TOOLSTACK_UNREACHABLE, TOOLSTACK_REFUSED
   */
  call(method: string, params: readonly RpcValue[], options?: { readonly timeoutSeconds?: number }): Promise<unknown>;
}

/** Masters may have changed while we look for one: from the slave to its master, and to that one's master. */
const MOST_MOVES = 2;
const LOGOUT_SECONDS = 5;

export function openSession(login: XapiLogin): XapiSession {
  let { address } = login;
  let format: RpcFormat | null = null;
  let session: string | null = null;

  const send = async (method: string, params: readonly RpcValue[], timeoutSeconds: number): Promise<unknown> => {
    const formats = format === null ? [JSON_RPC, XML_RPC] : [format];
    let reason = "";
    for (const each of formats) {
      const body = each.write(method, params);
      const answer = await post(address, { path: each.path, contentType: each.contentType, body, timeoutSeconds });
      try {
        if (answer.status !== 200) throw new NotThisFormat(`it answers with the status ${answer.status}`);
        const result = each.read(answer.body);
        format = each;
        return result;
      } catch (error) {
        if (error instanceof XapiFailure) format = each;
        if (!(error instanceof NotThisFormat)) throw error;
        reason = error.message;
      }
    }
    throw new GuestbootError("TOOLSTACK_UNREACHABLE", `what listens at ${nameOf(address)} is not xapi: ${reason}`);
  };

  const logIn = async (): Promise<string> => {
    for (let moves = 0; ; moves += 1) {
      try {
        const params = [login.user, login.password, "1.0", "guestboot"];
        const opened = await send("session.login_with_password", params, login.timeoutSeconds);
        if (typeof opened !== "string") throw malformed(address, "session.login_with_password");
        return opened;
      } catch (error) {
        if (!(error instanceof XapiFailure)) throw error;
        const master = error.code === "HOST_IS_SLAVE" ? error.params[0] : undefined;
        if (master === undefined) throw loginRefused(error, address, login.user);
        address = masterAddress(address, master, moves);
        format = null;
      }
    }
  };

  return {
    get name() {
      return nameOf(address);
    },
    async call(method, params, options = {}) {
      const timeoutSeconds = options.timeoutSeconds ?? login.timeoutSeconds;
      for (let tries = 1; ; tries += 1) {
        session ??= await logIn();
        try {
          return await send(method, [session, ...params], timeoutSeconds);
        } catch (error) {
          if (!(error instanceof XapiFailure) || tries > MOST_MOVES) throw error;
          const master = error.code === "HOST_IS_SLAVE" ? error.params[0] : undefined;
          if (error.code !== "SESSION_INVALID" && master === undefined) throw error;
          // Neither says that anything was done, so the call is made again.
          if (master !== undefined) {
            address = masterAddress(address, master, tries - 1);
            format = null;
          }
          session = null;
        }
      }
    },
    async [Symbol.asyncDispose]() {
      if (session === null) return;
      const closing = session;
      session = null;
      // A session that cannot be closed ends by itself; nobody's start fails for that.
      await send("session.logout", [closing], Math.min(LOGOUT_SECONDS, login.timeoutSeconds)).catch(() => undefined);
    },
  };
}

/** A password is not sent to whoever a host names, unless the certificate there is believed by the same rule. */
function masterAddress(from: XapiAddress, master: string, moves: number): XapiAddress {
  if (moves >= MOST_MOVES) {
    throw new GuestbootError(
      "TOOLSTACK_UNREACHABLE",
      `no host of the pool says that it is the master: ${quote(master)}`,
    );
  }
  const isHost = /^[0-9A-Za-z.:-]{1,253}$/.test(master);
  if (from.kind !== "tls" || !isHost) {
    throw new GuestbootError(
      "TOOLSTACK_REFUSED",
      `xapi at ${nameOf(from)} takes no changes: the pool's master is ${quote(master)}`,
      { hint: "set url, user and password in [xapi] of /etc/guestboot.conf, so that the master can be reached" },
    );
  }
  return { ...from, host: master };
}

function loginRefused(error: XapiFailure, address: XapiAddress, user: string): GuestbootError {
  const who = user === "" ? "without a password" : `as ${quote(user)}`;
  return new GuestbootError(
    "TOOLSTACK_REFUSED",
    `xapi at ${nameOf(address)} refuses the login ${who}: ${quote(error.code)}`,
    {
      cause: error,
      hint: "user and password stand in [xapi] of /etc/guestboot.conf",
    },
  );
}

/** For answers that are not of the type that XenAPI promises. */
export function malformed(address: XapiAddress | string, method: string): GuestbootError {
  const name = typeof address === "string" ? address : nameOf(address);
  return new GuestbootError(
    "TOOLSTACK_REFUSED",
    `xapi at ${name} answers ${method} with something else than XenAPI says`,
  );
}
