/**
 * LVM's own configuration text, as its metadata are written in: `key = value`, where a value is a number, a string or
 * a list of them, and sections of such lines. lvm.conf(5) describes the same syntax.
 */
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";

export type Scalar = string | number;

export interface Section {
  readonly values: ReadonlyMap<string, Scalar | readonly Scalar[]>;
  readonly sections: ReadonlyMap<string, Section>;
}

const MAX_DEPTH = 8;
/** Where a word ends. */
const NOT_IN_WORDS = /[\s#"{}[\]=,]/g;
const SPACE = /\S/g;

type Token =
  | { readonly kind: "string"; readonly text: string }
  | { readonly kind: "mark"; readonly text: string }
  | { readonly kind: "word"; readonly text: string }
  | { readonly kind: "end"; readonly text: "" };

/** @throws VOLUMES_DAMAGED when the text does not follow the syntax */
export function parseMetadata(text: string): Section {
  const tokens = tokensOf(text);
  const section = readSection(tokens, 0);
  if (tokens.peek().kind !== "end") throw wrong(tokens.peek());
  return section;
}

interface Tokens {
  peek(): Token;
  /** The token that is next, which is then over. */
  take(): Token;
}

function tokensOf(text: string): Tokens {
  let at = 0;
  const scan = (): Token => {
    at = skipSpace(text, at);
    const character = text.charAt(at);
    if (character === "") return { kind: "end", text: "" };
    if (character === '"') {
      const end = endOfString(text, at + 1);
      const string = text.slice(at + 1, end);
      at = end + 1;
      return { kind: "string", text: string.replace(/\\(.)/gsu, "$1") };
    }
    const end = "{}[]=,".includes(character) ? at + 1 : indexOf(NOT_IN_WORDS, text, at);
    const kind = end === at + 1 && "{}[]=,".includes(character) ? "mark" : "word";
    const token = text.slice(at, end);
    at = end;
    return { kind, text: token };
  };
  let next = scan();
  return {
    peek: () => next,
    take() {
      const taken = next;
      next = scan();
      return taken;
    },
  };
}

/** Behind white space and comments, which go to the end of their line. */
function skipSpace(text: string, from: number): number {
  let at = indexOf(SPACE, text, from);
  while (text.charAt(at) === "#") {
    const end = text.indexOf("\n", at);
    at = end === -1 ? text.length : indexOf(SPACE, text, end);
  }
  return at;
}

function endOfString(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text.charAt(at) === "\\") at += 1;
    else if (text.charAt(at) === '"') return at;
  }
  throw damagedMetadata(`a string without end at byte ${from - 1}`);
}

/** Where the expression first matches from `from` on; the text's end when nowhere. */
function indexOf(expression: RegExp, text: string, from: number): number {
  expression.lastIndex = from;
  return expression.exec(text)?.index ?? text.length;
}

/** Up to the mark that ends it, or the end of the text; each turn takes a token, so the text's length bounds it. */
function readSection(tokens: Tokens, depth: number): Section {
  if (depth > MAX_DEPTH) throw damagedMetadata(`sections in sections, more than ${MAX_DEPTH} deep`);
  const values = new Map<string, Scalar | readonly Scalar[]>();
  const sections = new Map<string, Section>();
  while (tokens.peek().kind === "word" || tokens.peek().kind === "string") {
    const key = tokens.take().text;
    if (isMark(tokens.peek(), "{")) {
      tokens.take();
      sections.set(key, readSection(tokens, depth + 1));
      expectMark(tokens, "}");
    } else {
      expectMark(tokens, "=");
      values.set(key, readValue(tokens));
    }
  }
  return { values, sections };
}

function readValue(tokens: Tokens): Scalar | readonly Scalar[] {
  if (!isMark(tokens.peek(), "[")) return readScalar(tokens);
  tokens.take();
  const list: Scalar[] = [];
  while (!isMark(tokens.peek(), "]")) {
    list.push(readScalar(tokens));
    if (isMark(tokens.peek(), ",")) tokens.take();
  }
  tokens.take();
  return list;
}

function readScalar(tokens: Tokens): Scalar {
  const token = tokens.take();
  if (token.kind === "string") return token.text;
  if (token.kind !== "word") throw wrong(token);
  const number = Number(token.text);
  return Number.isNaN(number) ? token.text : number;
}

function expectMark(tokens: Tokens, mark: string): void {
  const token = tokens.take();
  if (!isMark(token, mark)) throw wrong(token);
}

function isMark(token: Token, mark: string): boolean {
  return token.kind === "mark" && token.text === mark;
}

function wrong(token: Token): GuestbootError {
  return damagedMetadata(token.kind === "end" ? "it ends too early" : `${quote(token.text)} where it has no place`);
}

export function damagedMetadata(how: string): GuestbootError {
  return new GuestbootError("VOLUMES_DAMAGED", `LVM's metadata are damaged: ${how}`);
}
