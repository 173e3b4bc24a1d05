/** What is wrong with a script, in words. */
import type { Token } from "./lexer.ts";
import type { Word } from "./syntax.ts";

/** Thrown and caught by the parser. */
export class SyntaxFault extends Error {
  readonly position: number;

  constructor(reason: string, position: number) {
    super(reason);
    this.position = position;
  }
}

/** For a token that the grammar has no place for. */
export function unexpected(token: Token): SyntaxFault {
  return new SyntaxFault(describe(token), token.start);
}

function describe(token: Token): string {
  switch (token.kind) {
    case "end":
      return "the config ends in the middle of a statement";
    case "\n":
      return "the line ends in the middle of a statement";
    case "error":
      return token.reason;
    case "word":
      return token.plain === null
        ? "a word stands where none may"
        : `"${wordText(token.word)}" stands where it may not`;
    default:
      return `"${token.text}" stands where it may not`;
  }
}

function wordText(word: Word): string {
  if (word.literal !== null) return word.literal.slice(0, 40);
  return word.parts
    .map((part) => (part.kind === "text" ? part.text : `$${part.name}`))
    .join("")
    .slice(0, 40);
}
