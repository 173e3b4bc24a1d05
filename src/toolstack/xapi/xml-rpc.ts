/**
 * XML-RPC (http://xmlrpc.com/spec.md) as every xapi speaks it at `/`: the result is a struct of `Status` and either
 * `Value` or `ErrorDescription`.
 *
 * Reads the types that xapi sends: string (named or bare), boolean, int and i4, double, array, struct, nil. Not
 * read: dateTime.iso8601 and base64 as anything but their text. This is no XML reader: no DTD, no entities but XML's
 * own five and numbers, no CDATA.
 */
import { Budget } from "../../base/budget.ts";
import { isStruct, NotThisFormat, wordsOf, XapiFailure, type RpcFormat, type RpcValue } from "./rpc.ts";

/** Values in one answer, and how deep they may stand in each other: a VM's record has hundreds, three deep. */
const MOST_VALUES = 1_000_000;
const DEEPEST = 32;

export const XML_RPC: RpcFormat = {
  path: "/",
  contentType: "text/xml",
  write(method, params) {
    const written = params.map((value) => `<param>${writeValue(value)}</param>`).join("");
    return `<?xml version="1.0"?><methodCall><methodName>${escapeXml(method)}</methodName><params>${written}</params></methodCall>`;
  },
  read(text) {
    const reader = new XmlReader(text);
    reader.expect("methodResponse");
    if (reader.take("fault")) throw faultOf(reader.value());
    reader.expect("params");
    reader.expect("param");
    const answer = reader.value();
    if (!isStruct(answer) || !("Status" in answer)) return answer;
    if (answer["Status"] === "Success") return answer["Value"];
    throw new XapiFailure(wordsOf(answer["ErrorDescription"]));
  },
};

/** @throws TypeError for text that XML cannot carry at all: control characters but tab and newlines */
function writeValue(value: RpcValue): string {
  if (typeof value === "string") return `<value><string>${escapeXml(value)}</string></value>`;
  if (typeof value === "boolean") return `<value><boolean>${value ? "1" : "0"}</boolean></value>`;
  if (isList(value)) return `<value><array><data>${value.map(writeValue).join("")}</data></array></value>`;
  const members = Object.entries(value).map(
    ([name, member]) => `<member><name>${escapeXml(name)}</name>${writeValue(member)}</member>`,
  );
  return `<value><struct>${members.join("")}</struct></value>`;
}

function isList(value: RpcValue): value is readonly RpcValue[] {
  return Array.isArray(value);
}

/** A bare carriage return would be read back as a newline (XML 1.0, 2.11). */
function escapeXml(text: string): string {
  if (/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(text)) {
    throw new TypeError("a control character cannot be sent to xapi by XML-RPC");
  }
  return text.replace(/[&<>\r]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function faultOf(fault: unknown): XapiFailure {
  const words = isStruct(fault) ? [fault["faultCode"], fault["faultString"]] : [];
  return new XapiFailure(["INTERNAL_ERROR", ...words.filter((word) => word !== undefined).map(String)]);
}

/** The position in the text, and one step for each thing that may stand there. */
class XmlReader {
  readonly #text: string;
  readonly #budget = new Budget("values in an answer of xapi", MOST_VALUES);
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#match(/(?:\s*<\?[^>]{0,1000}\?>)?/y);
  }

  /** Does the start tag (or, with "/", the end tag) of `name` come next? It is passed over then. */
  take(name: string): boolean {
    return this.#match(new RegExp(`\\s*<${name}\\s*>`, "y")) !== null;
  }

  expect(name: string): void {
    if (!this.take(name)) throw new NotThisFormat(`<${name}> is missing at position ${this.#at} of the answer`);
  }

  value(depth = 0): unknown {
    this.#budget.spend();
    if (depth > DEEPEST) throw new NotThisFormat(`the answer's values stand more than ${DEEPEST} deep`);
    if (this.#match(/\s*<value\s*\/>/y) !== null) return "";
    this.expect("value");
    const bare = this.#match(/([^<]*)<\/value\s*>/y);
    if (bare !== null) return unescapeXml(bare);
    const value = this.#typed(depth);
    this.expect("/value");
    return value;
  }

  #typed(depth: number): unknown {
    if (this.take("struct")) return this.#struct(depth);
    if (this.#match(/\s*<struct\s*\/>/y) !== null) return {};
    if (this.take("array")) return this.#array(depth);
    if (this.#match(/\s*<nil\s*\/>/y) !== null) return null;
    const type = this.#match(/\s*<([a-zA-Z0-9.]{1,20})\s*\/>/y);
    if (type !== null) return "";
    const name = this.#match(/\s*<([a-zA-Z0-9.]{1,20})\s*>/y);
    if (name === null) throw new NotThisFormat(`a value is cut off at position ${this.#at} of the answer`);
    const text = this.#match(/([^<]*)</y);
    this.#at -= 1;
    this.expect(`/${name}`);
    if (text === null) throw new NotThisFormat(`a value is cut off at position ${this.#at} of the answer`);
    return typedValue(name, unescapeXml(text));
  }

  #struct(depth: number): Readonly<Record<string, unknown>> {
    const members: [name: string, value: unknown][] = [];
    while (this.take("member")) {
      const name = this.#match(/\s*<name\s*>([^<]*)<\/name\s*>/y) ?? this.#match(/\s*<name\s*(\/)>/y);
      if (name === null) throw new NotThisFormat(`a member has no name at position ${this.#at} of the answer`);
      members.push([name === "/" ? "" : unescapeXml(name), this.value(depth + 1)]);
      this.expect("/member");
    }
    this.expect("/struct");
    // Not by assignment: a member named __proto__ must be a member.
    return Object.fromEntries(members);
  }

  #array(depth: number): readonly unknown[] {
    const values: unknown[] = [];
    if (this.#match(/\s*<data\s*\/>/y) === null) {
      this.expect("data");
      while (!this.take("/data")) values.push(this.value(depth + 1));
    }
    this.expect("/array");
    return values;
  }

  /** What the pattern's group holds, or "" without a group; null when it does not stand here. */
  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return null;
    this.#at = pattern.lastIndex;
    return match[1] ?? "";
  }
}

function typedValue(type: string, text: string): unknown {
  switch (type) {
    case "boolean":
      return text.trim() === "1";
    case "int":
    case "i4":
    case "double":
      return Number(text);
    default:
      return text;
  }
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescapeXml(text: string): string {
  return text
    .replace(/\r\n?/g, "\n")
    .replace(/&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|([a-z]{2,4}));/g, (...match: string[]) => {
      const [all, hex, decimal, name] = match;
      if (name !== undefined) return ENTITIES[name] ?? all ?? "";
      const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : (all ?? "");
    });
}
