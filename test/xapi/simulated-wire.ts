/**
 * XML-RPC (http://xmlrpc.com/spec.md) from the server's side, for the simulated xapi. Written apart from the client's,
 * and held against Python's xmlrpc.client in simulated-xapi.real.test.ts.
 */
import type { Call, Value } from "./simulated-database.ts";

export function readXmlCall(xml: string): Call {
  // `<params/>` is `<params></params>`.
  const tokens = xml.replace(/<([a-zA-Z]+)\s*\/>/g, "<$1></$1>").match(/<[^>]*>|[^<]+/g) ?? [];
  let at = 0;
  const peek = () => {
    while (/^(?:\s+|<\?.*|<!--.*)$/s.test(tokens[at] ?? "")) at += 1;
    return tokens[at] ?? "";
  };
  const need = (tag: string) => {
    if (peek() !== tag) throw new Error(`${tag} is wanted, ${peek()} is there`);
    at += 1;
  };
  const text = (tag: string): string => {
    const isEmpty = tokens[at] === `</${tag}>`;
    const found = isEmpty ? "" : (tokens[at++] ?? "");
    need(`</${tag}>`);
    return unescaped(found);
  };
  const value = (): unknown => {
    need("<value>");
    // Without a type inside, a value is its text, blanks and all.
    const next = tokens[at] ?? "";
    if (!next.startsWith("<") && tokens[at + 1] === "</value>") return text("value");
    if (next === "</value>") return text("value");
    const type = peek();
    at += 1;
    const read = typed(type);
    need("</value>");
    return read;
  };
  const typed = (type: string): unknown => {
    switch (type) {
      case "<string>":
        return text("string");
      case "<int>":
      case "<i4>":
        return Number(text(type.slice(1, -1)));
      case "<double>":
        return Number(text("double"));
      case "<boolean>":
        return text("boolean") === "1";
      case "<array>": {
        const list: unknown[] = [];
        need("<data>");
        while (peek() !== "</data>") list.push(value());
        need("</data>");
        need("</array>");
        return list;
      }
      case "<struct>": {
        const members: [string, unknown][] = [];
        while (peek() === "<member>") {
          need("<member>");
          need("<name>");
          const name = text("name");
          members.push([name, value()]);
          need("</member>");
        }
        need("</struct>");
        return Object.fromEntries(members);
      }
      default:
        throw new Error(`${type} is not known`);
    }
  };

  need("<methodCall>");
  need("<methodName>");
  const method = text("methodName");
  const params: unknown[] = [];
  if (peek() === "<params>") {
    need("<params>");
    while (peek() === "<param>") {
      need("<param>");
      params.push(value());
      need("</param>");
    }
    need("</params>");
  }
  need("</methodCall>");
  return { method, params };
}

/** As xapi writes it: strings have no type, `Status` says how it went. */
export function writeXmlAnswer(answer: { readonly value: Value } | { readonly failure: readonly string[] }): string {
  const struct: Value =
    "value" in answer
      ? { Status: "Success", Value: answer.value }
      : { Status: "Failure", ErrorDescription: answer.failure };
  return `<?xml version="1.0"?><methodResponse><params><param>${written(struct)}</param></params></methodResponse>`;
}

function written(value: Value): string {
  if (typeof value === "string") return `<value>${escaped(value)}</value>`;
  if (typeof value === "number") return `<value><i4>${value}</i4></value>`;
  if (typeof value === "boolean") return `<value><boolean>${value ? 1 : 0}</boolean></value>`;
  if (isArray(value)) return `<value><array><data>${value.map(written).join("")}</data></array></value>`;
  const members = Object.entries(value).map(
    ([name, member]) => `<member><name>${escaped(name)}</name>${written(member)}</member>`,
  );
  return `<value><struct>${members.join("")}</struct></value>`;
}

function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function unescaped(text: string): string {
  return text.replace(/&(#x?[0-9a-fA-F]+|[a-z]+);/g, (_all, name: string) => {
    if (name.startsWith("#x")) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith("#")) return String.fromCodePoint(Number(name.slice(1)));
    return { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" }[name] ?? "";
  });
}
