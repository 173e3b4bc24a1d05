/**
 * The words and operators of a GRUB 2 script, one at a time as the parser asks for them.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#Shell_002dlike-scripting (words, quoting, comments)
 *
 * What a word means (a reserved word, a name) is the parser's business; what a variable holds, the interpreter's.
 */
import type { Word, WordPart } from "./syntax.ts";

export type Token =
  | { readonly kind: "word"; readonly word: Word; readonly plain: string | null; readonly start: number }
  /** Operators and the line's end. `|`, `&`, `<`, `>` exist and mean nothing in GRUB. */
  | { readonly kind: "\n" | ";" | "{" | "}" | "unusable"; readonly start: number; readonly text: string }
  | { readonly kind: "end"; readonly start: number }
  | { readonly kind: "error"; readonly start: number; readonly reason: string };

export interface Lexer {
  /** The next token. */
  next(): Token;
  /** Passes over blanks, remarks and line ends. @returns the position of what follows them */
  skipToLine(): number;
  /**
   * The words of the command that stands there or on the next line that is not empty, where all are plain, and passes
   * over them; null, and stays, where one takes a closer look. Which are reserved words is the parser's business.
   */
  plainWords(position: number): string[] | Word[] | null;
  /** Does the line end where the last token did? */
  isAtLineEnd(): boolean;
  /** Does a block begin there? */
  isAtBlock(): boolean;
  /** Where the last token ended. */
  position(): number;
  /** Goes on reading there. */
  moveTo(position: number): void;
  /** Drops everything up to the end of the line that was read last. */
  skipLine(): void;
  /** The line (from 1) of a position. */
  lineAt(position: number): number;
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?*@#]/y;

/** A piece of a plain word; it never fits in two ways, so that what does not fit is found out at once. */
const PIECE = String.raw`(?:[^\s{}|&;<>$"'\\*?[\]]|\[(?!\[)|\](?!\])|'[^']*'|"[^"\\$]*")`;
/** A word of such pieces, or one that is a variable as a whole. */
const WORD = String.raw`(?!#)(?:${PIECE}+|\$[A-Za-z_][A-Za-z0-9_]*(?![^ \t\n;{}]))`;
/**
 * The words of a command, from its line's beginning on, where none has a pattern, an escape or a variable in its midst.
 * Read so, a line takes a few steps and no object a word.
 */
const PLAIN_WORDS = new RegExp(String.raw`[ \t\n]*${WORD}(?:[ \t]+${WORD})*[ \t]*(?=[\n;{}]|$)`, "y");
const QUOTED_WORD = /(?:[^ \t"']|'[^']*'|"[^"]*")+/g;

/** Characters by their codes: reading them so takes no object each. */
const TAB = 9;
const LINE_END = 10;
const SPACE = 32;
const QUOTE = 34;
const HASH = 35;
const DOLLAR = 36;
const BACKSLASH = 92;
const OPEN = 123;

/** What a character does to an unquoted word, by its code; those past the end are parts of it. */
const PART = 0;
const ENDS = 1;
/** It ends a plain piece, and what follows belongs to the word all the same: quotes, escapes, variables. */
const TURNS = 2;
/** A part of it, and maybe of a pattern of file names. */
const WILD = 3;
const EFFECT = new Uint8Array(128);
for (const [characters, effect] of [
  [" \t\n{}|&;<>", ENDS],
  ["$\"'\\", TURNS],
  ["*?", WILD],
] as const) {
  for (const character of characters) EFFECT[character.charCodeAt(0)] = effect;
}

const NO_PARTS: readonly WordPart[] = [];

export function lexer(text: string): Lexer {
  /** By their sources. Configs say the same words again and again: each is kept once. */
  const simpleWords = new Map<string, Word>();
  let position = 0;
  let countedTo = 0;
  let countedLine = 1;

  const skipBlanks = (): void => {
    for (;;) {
      const code = text.charCodeAt(position);
      if (code === SPACE || code === TAB) position += 1;
      else if (code === HASH) position = endOfLine(text, position);
      else if (code === BACKSLASH && isJoined(text, position)) position += 2;
      else return;
    }
  };

  const next = (): Token => {
    skipBlanks();
    const start = position;
    const character = text[position];
    switch (character) {
      case undefined:
        return { kind: "end", start };
      case "\n":
      case "{":
      case "}":
        position += 1;
        return { kind: character, start, text: character };
      case ";":
      case "|":
      case "&":
      case "<":
      case ">": {
        const isDouble = text[position + 1] === character && character !== "<" && character !== ">";
        position += isDouble ? 2 : 1;
        return { kind: character === ";" && !isDouble ? ";" : "unusable", start, text: text.slice(start, position) };
      }
      default: {
        const end = endOfPiece(text, position, PART);
        if (end > start && effectAt(text, end) === ENDS) {
          position = end;
          const simple = text.slice(start, end);
          const word = keptWord(simple, () => ({ kind: "word", literal: simple, parts: NO_PARTS }));
          return { kind: "word", word, plain: simple, start };
        }
        const read = readWord(text, position);
        position = read.end;
        if (read.error !== null) return { kind: "error", start, reason: read.error };
        const [only] = read.parts;
        const plain = read.parts.length === 1 && only?.kind === "text" && !only.quoted ? only.text : null;
        const literal = literalOf(read.parts);
        const parts = literal === null ? read.parts : NO_PARTS;
        return { kind: "word", word: { kind: "word", literal, parts }, plain, start };
      }
    }
  };

  const keptWord = (source: string, make: () => Word): Word => {
    let word = simpleWords.get(source);
    if (word === undefined) {
      word = make();
      simpleWords.set(source, word);
    }
    return word;
  };

  /** A word without patterns and escapes, from its source. */
  const wordOf = (source: string): Word =>
    keptWord(source, () =>
      source.startsWith("$")
        ? { kind: "word", literal: null, parts: [{ kind: "variable", name: source.slice(1), quoted: false }] }
        : { kind: "word", literal: unquoted(source), parts: NO_PARTS },
    );

  return {
    next,
    skipToLine() {
      for (;;) {
        skipBlanks();
        if (text.charCodeAt(position) !== LINE_END) return position;
        position += 1;
      }
    },
    plainWords(at) {
      PLAIN_WORDS.lastIndex = at;
      // Not `exec`, whose answer is an object with the words in it once more.
      if (!PLAIN_WORDS.test(text)) return null;
      position = PLAIN_WORDS.lastIndex;
      const source = text.slice(at, position).trim();
      if (!source.includes("$")) return splitPlain(source);
      const words = source.match(QUOTED_WORD) ?? [];
      // Quoted, a dollar sign is one.
      return words.some((word) => word.startsWith("$")) ? words.map(wordOf) : words.map(unquoted);
    },
    position: () => position,
    isAtBlock: () => text.charCodeAt(position) === OPEN,
    isAtLineEnd: () => text.charCodeAt(position) === LINE_END,
    moveTo(to) {
      position = to;
    },
    skipLine() {
      // The token that was wrong may have been the line's end itself.
      if (position > 0 && text[position - 1] === "\n") return;
      position = Math.min(endOfLine(text, position) + 1, text.length);
    },
    lineAt(at) {
      if (at < countedTo) {
        countedTo = 0;
        countedLine = 1;
      }
      for (let newline = text.indexOf("\n", countedTo); newline >= 0 && newline < at;) {
        countedLine += 1;
        countedTo = newline + 1;
        newline = text.indexOf("\n", countedTo);
      }
      return countedLine;
    },
  };
}

/** @param source words without variables, patterns and escapes, quoted or not, and blanks between them */
function splitPlain(source: string): string[] {
  if (!source.includes("'") && !source.includes('"')) {
    return source.includes("\t") || source.includes("  ") ? source.split(/[ \t]+/) : source.split(" ");
  }
  const words = source.match(QUOTED_WORD) ?? [];
  for (let index = 0; index < words.length; index++) words[index] = unquoted(words[index] ?? "");
  return words;
}

/** The text of such a word. */
function unquoted(word: string): string {
  if (!word.includes("'") && !word.includes('"')) return word;
  const first = word[0];
  // Quoted as a whole, as most are.
  if ((first === "'" || first === '"') && word.indexOf(first, 1) === word.length - 1) return word.slice(1, -1);
  return word.replace(/'([^']*)'|"([^"]*)"/g, "$1$2");
}

interface ReadWord {
  readonly parts: WordPart[];
  readonly end: number;
  readonly error: string | null;
}

function readWord(text: string, start: number): ReadWord {
  const parts: WordPart[] = [];
  let position = start;
  const failed = (reason: string): ReadWord => ({ parts, end: position, error: reason });
  const addText = (piece: string, quoted: boolean): void => {
    const last = parts.at(-1);
    if (last?.kind === "text" && last.quoted === quoted) parts[parts.length - 1] = { ...last, text: last.text + piece };
    else parts.push({ kind: "text", text: piece, quoted });
  };

  for (;;) {
    const character = text[position];
    if (character === undefined) return { parts, end: position, error: null };
    if (character === "\\") {
      const escaped = text[position + 1];
      if (escaped === undefined || (escaped === "\n" && position + 2 >= text.length)) {
        position = text.length;
        return failed("a backslash stands at the end");
      }
      if (escaped !== "\n") addText(escaped, true);
      position += 2;
    } else if (character === "'") {
      const end = text.indexOf("'", position + 1);
      if (end < 0) {
        position = text.length;
        return failed("a single quotation mark is not closed");
      }
      addText(text.slice(position + 1, end), true);
      position = end + 1;
    } else if (character === '"' || (character === "$" && text[position + 1] === '"')) {
      // `$"…"` is a text that GRUB may translate.
      const read = readDoubleQuoted(text, position + (character === "$" ? 2 : 1), parts, addText);
      position = read.end;
      if (read.error !== null) return failed(read.error);
    } else if (character === "$") {
      const variable = readVariable(text, position);
      if (variable === null) {
        position += 1;
        return failed("a dollar sign names no variable");
      }
      parts.push({ kind: "variable", name: variable.name, quoted: false });
      position = variable.end;
    } else if (effectAt(text, position) === ENDS) {
      return { parts, end: position, error: null };
    } else {
      const end = endOfPiece(text, position, WILD);
      addText(text.slice(position, end), false);
      position = end;
    }
  }
}

function literalOf(parts: readonly WordPart[]): string | null {
  let text = "";
  for (const part of parts) {
    if (part.kind === "variable" || (!part.quoted && isWild(part.text))) return null;
    text += part.text;
  }
  return text;
}

function isWild(text: string): boolean {
  return text.includes("*") || text.includes("?");
}

function readDoubleQuoted(
  text: string,
  start: number,
  parts: WordPart[],
  addText: (piece: string, quoted: boolean) => void,
): { readonly end: number; readonly error: string | null } {
  let position = start;
  // Even "" is a word.
  addText("", true);
  for (;;) {
    const character = text[position];
    if (character === undefined) return { end: position, error: "a double quotation mark is not closed" };
    if (character === '"') return { end: position + 1, error: null };
    if (character === "\\") {
      const escaped = text[position + 1];
      if (escaped === "$" || escaped === '"' || escaped === "\\") addText(escaped, true);
      else if (escaped !== "\n") addText(`\\${escaped ?? ""}`, true);
      position += 2;
    } else if (character === "$") {
      const variable = readVariable(text, position);
      if (variable === null) return { end: position + 1, error: "a dollar sign names no variable" };
      parts.push({ kind: "variable", name: variable.name, quoted: true });
      position = variable.end;
    } else {
      let end = position + 1;
      while (end < text.length && !endsQuotedPiece(text.charCodeAt(end))) end += 1;
      addText(text.slice(position, end), true);
      position = end;
    }
  }
}

function endsQuotedPiece(code: number): boolean {
  return code === QUOTE || code === BACKSLASH || code === DOLLAR;
}

/** Where an unquoted piece of a word ends. @param wild `WILD` where characters of patterns are parts of it too */
function endOfPiece(text: string, start: number, wild: number): number {
  let end = start;
  for (; end < text.length; end++) {
    const effect = EFFECT[text.charCodeAt(end)];
    if (effect !== undefined && effect !== PART && effect !== wild) return end;
  }
  return end;
}

/** The end of the text ends a word. */
function effectAt(text: string, position: number): number {
  return position >= text.length ? ENDS : (EFFECT[text.charCodeAt(position)] ?? PART);
}

/** `$name`, `${name}`; null when it is neither. */
function readVariable(text: string, dollar: number): { readonly name: string; readonly end: number } | null {
  const isBraced = text[dollar + 1] === "{";
  NAME.lastIndex = dollar + (isBraced ? 2 : 1);
  const name = NAME.exec(text)?.[0];
  if (name === undefined) return null;
  const end = dollar + 1 + name.length;
  if (!isBraced) return { name, end };
  return text[end + 1] === "}" ? { name, end: end + 2 } : null;
}

/** Does a backslash join this line to the next? At the end of the text there is none. */
function isJoined(text: string, position: number): boolean {
  return text[position] === "\\" && text[position + 1] === "\n" && position + 2 < text.length;
}

function endOfLine(text: string, position: number): number {
  const newline = text.indexOf("\n", position);
  return newline < 0 ? text.length : newline;
}
