import { describe, expect, it } from "vitest";
import { JSON_RPC } from "../../../src/toolstack/xapi/json-rpc.ts";
import { NotThisFormat, XapiFailure, type RpcFormat } from "../../../src/toolstack/xapi/rpc.ts";
import { XML_RPC } from "../../../src/toolstack/xapi/xml-rpc.ts";

const answer = (value: string) =>
  `<?xml version="1.0"?>\n<methodResponse>\n <params> <param>${value}</param> </params></methodResponse>`;
const success = (value: string) =>
  answer(
    `<value><struct><member><name>Status</name><value>Success</value></member><member><name>Value</name>${value}</member></struct></value>`,
  );

describe("an XML-RPC answer", () => {
  // The types and their text are those of http://xmlrpc.com/spec.md and of what xapi sends.
  it.each<[string, unknown]>([
    ["<value>bare  text </value>", "bare  text "],
    ["<value></value>", ""],
    ["<value/>", ""],
    ["<value><string/></value>", ""],
    ["<value> <string>a &lt;b&gt; &amp;amp; &#xeb;&#128512;&quot;&apos;</string> </value>", "a <b> &amp; ë😀\"'"],
    ["<value><string>one\r\ntwo\rthree&#13;</string></value>", "one\ntwo\nthree\r"],
    ["<value><boolean>1</boolean></value>", true],
    ["<value><i4>-42</i4></value>", -42],
    ["<value><double>1.5</double></value>", 1.5],
    ["<value><nil/></value>", null],
    ["<value><dateTime.iso8601>20261121T00:00:00Z</dateTime.iso8601></value>", "20261121T00:00:00Z"],
    ["<value><array><data/></array></value>", []],
    [
      "<value><array><data><value>a</value><value><array><data></data></array></value></data></array></value>",
      ["a", []],
    ],
    ["<value><struct/></value>", {}],
    ["<value><struct><member><name></name><value>x</value></member></struct></value>", { "": "x" }],
  ])("%s is read", (value, expected) => {
    expect(XML_RPC.read(success(value))).toEqual(expected);
  });

  it("has members of any name, and changes nothing else by them", () => {
    const read = XML_RPC.read(
      success("<value><struct><member><name>__proto__</name><value>x</value></member></struct></value>"),
    );
    expect(Object.entries(Object(read) as object)).toEqual([["__proto__", "x"]]);
  });

  it("that says no is xapi's failure", () => {
    const no = `<value><struct><member><name>Status</name><value>Failure</value></member><member><name>ErrorDescription</name><value><array><data><value>UUID_INVALID</value><value>VM</value></data></array></value></member></struct></value>`;
    expect(() => XML_RPC.read(answer(no))).toThrow(new XapiFailure(["UUID_INVALID", "VM"]));
    const fault = "<methodResponse><fault><value>not xapi</value></fault></methodResponse>";
    expect(() => XML_RPC.read(fault)).toThrow(XapiFailure);
  });

  const whole = success(
    "<value><array><data><value>a</value><value><boolean>1</boolean></value></data></array></value>",
  );

  it("that is cut off anywhere is refused", () => {
    const end = whole.indexOf("</param>");
    for (let length = 0; length < end; length += 1) {
      expect(() => XML_RPC.read(whole.slice(0, length)), `${length} bytes`).toThrow(NotThisFormat);
    }
  });

  it.each([
    ["values in each other without an end", "<value><array><data>".repeat(50_000), NotThisFormat],
    ["more values than are read", `<value><array><data>${"<value/>".repeat(1_000_001)}`, /gave up/],
    ["a type that never ends", `<value><string>${"a".repeat(1_000_000)}`, NotThisFormat],
    ["a page of the web", "<html><body>502</body></html>", NotThisFormat],
  ])("with %s is refused", (_what, value, expected) => {
    expect(() => XML_RPC.read(answer(value))).toThrow(expected);
  });

  it.each(["\0", "\x1b[2J", "\ud800", "\uffff"])("is asked for with text that XML can carry, not %j", (text) => {
    expect(() => XML_RPC.write("m", [text])).toThrow(/cannot be sent/);
  });
});

describe("a JSON-RPC answer", () => {
  it("is the result, or xapi's failure in either version", () => {
    expect(JSON_RPC.read('{"jsonrpc":"2.0","id":1,"result":["a"]}')).toEqual(["a"]);
    const failure = new XapiFailure(["HOST_IS_SLAVE", "10.0.0.1"]);
    const two = '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"HOST_IS_SLAVE","data":["10.0.0.1"]}}';
    expect(() => JSON_RPC.read(two)).toThrow(failure);
    expect(() => JSON_RPC.read('{"id":1,"result":null,"error":["HOST_IS_SLAVE","10.0.0.1"]}')).toThrow(failure);
  });

  it.each<[RpcFormat, string]>([
    [JSON_RPC, ""],
    [JSON_RPC, "[]"],
    [JSON_RPC, "null"],
    [JSON_RPC, '{"jsonrpc":"2.0"}'],
    [JSON_RPC, '{"jsonrpc":"2.0","result":'],
    [XML_RPC, '{"jsonrpc":"2.0","result":1}'],
  ])("is refused when it is none", (format, text) => {
    expect(() => format.read(text)).toThrow(NotThisFormat);
  });
});
