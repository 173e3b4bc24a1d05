/**
 * What both of xapi's wire formats carry: values, and failures as a code with arguments.
 *
 * XenAPI's 64-bit integers travel as strings in XML-RPC and as numbers in JSON-RPC; nothing that we send or read is one.
 */

export type RpcValue = string | boolean | readonly RpcValue[] | RpcStruct;

export interface RpcStruct {
  readonly [name: string]: RpcValue;
}

/** A request in one of the two formats. */
export interface RpcFormat {
  /** Where it is posted. */
  readonly path: string;
  readonly contentType: string;
  write(method: string, params: readonly RpcValue[]): string;
  /**
   * What the call returned.
   * @throws XapiFailure when xapi says no; NotThisFormat when the answer is in another format
   */
  read(text: string): unknown;
}

/** xapi's own "no": `["HOST_IS_SLAVE", "10.0.0.1"]`. The code is xapi's, not one of ours. */
export class XapiFailure extends Error {
  override readonly name = "XapiFailure";
  readonly code: string;
  readonly params: readonly string[];

  constructor(description: readonly string[]) {
    super(description.join(", "));
    const [code = "", ...params] = description;
    this.code = code;
    this.params = params;
  }
}

/** The other side does not speak this format. */
export class NotThisFormat extends Error {
  override readonly name = "NotThisFormat";
}

export function isStruct(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An error's parts as words; whatever is no text is left out. */
export function wordsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((word) => typeof word === "string") : [];
}
