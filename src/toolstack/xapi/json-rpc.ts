/**
 * JSON-RPC 2.0 (https://www.jsonrpc.org/specification) as xapi speaks it at `/jsonrpc`: the error's `message` is
 * XenAPI's code and its `data` the arguments. No batches and no notifications: nothing here needs them.
 */
import { isStruct, NotThisFormat, wordsOf, XapiFailure, type RpcFormat } from "./rpc.ts";

export const JSON_RPC: RpcFormat = {
  path: "/jsonrpc",
  contentType: "application/json",
  write(method, params) {
    return JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  },
  read(text) {
    const answer = parse(text);
    if (!isStruct(answer)) throw new NotThisFormat("the answer is no JSON object");
    const error = answer["error"];
    if (isStruct(error)) {
      const code = error["message"];
      throw new XapiFailure([typeof code === "string" ? code : "INTERNAL_ERROR", ...wordsOf(error["data"])]);
    }
    // Version 1 of the protocol, as xapi spoke it before 7.3: the whole error is the list.
    if (Array.isArray(error)) throw new XapiFailure(wordsOf(error));
    if (!("result" in answer)) throw new NotThisFormat("the answer has neither a result nor an error");
    return answer["result"];
  },
};

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new NotThisFormat("the answer is not JSON", { cause: error });
  }
}
