/**
 * The grammar of GRUB 2's scripts: a text in, statements out.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#Shell_002dlike-scripting
 *
 * GRUB reads a script by lines, as many as it takes to be complete, and runs them before it looks at the next. A line
 * that is no script is passed over together with those that it was to complete, and so it is here.
 */
import { Budget } from "../../base/budget.ts";
import { lexer, type Lexer, type Token } from "./lexer.ts";
import { SyntaxFault, unexpected } from "./syntax-fault.ts";
import type { Argument, Block, PlainCommand, SimpleCommand, Statement, Unit, Word } from "./syntax.ts";

/** Statements inside statements. */
const MAX_NESTING = 100;
const MAX_TOKENS = 500_000;

/** @throws BUDGET_EXCEEDED past 500,000 words and operators */
export function parseScript(text: string): Unit[] {
  const tokens = lexer(text);
  const parser = new Parser(text, tokens);
  const units: Unit[] = [];
  for (;;) {
    const unit = parser.unit();
    if (unit === null) return units;
    if (unit.kind === "error" || unit.statements.length > 0) units.push(unit);
  }
}

const OPENERS = new Set(["if", "for", "while", "until", "function"]);
/** Words that cannot be a command's name; the last ones are kept by GRUB for its future. */
const RESERVED = new Set("case do done elif else esac fi for function if in select then until while [[ ]]".split(" "));
/** Reserved even among a command's arguments. */
const NEVER_ARGUMENTS = new Set(["[[", "]]"]);

/** A statement that was read before, from the line end before it to that after it. */
interface Remembered {
  /** With the first of these line ends, and without the last. */
  readonly source: string;
  readonly statement: Statement;
  /** Statements inside statements in it, itself counted. */
  readonly height: number;
}

class Parser {
  readonly #text: string;
  readonly #lexer: Lexer;
  /** By their first lines, as in `source`. The entries of a config have most of their statements in common. */
  readonly #remembered = new Map<string, Remembered>();
  /** How long those first lines are: a line of another length is none of them. */
  readonly #lengths = new Set<number>();
  readonly #budget = new Budget("words and operators in the boot config", MAX_TOKENS);
  #ahead: Token | null = null;
  #depth = 0;
  /** The most that `#depth` has been since a statement began that may be remembered. */
  #deepest = 0;

  constructor(text: string, tokens: Lexer) {
    this.#text = text;
    this.#lexer = tokens;
  }

  /** A line and what completes it; null at the end. */
  unit(): Unit | null {
    try {
      const statements: Statement[] = [];
      const first = this.#plainCommand(this.#lexer.skipToLine());
      if (first !== null) statements.push(first);
      for (;;) {
        if (statements.length > 0) {
          const delimiter = this.#peek();
          if (delimiter.kind === ";") this.#take();
          else if (delimiter.kind !== "\n" && delimiter.kind !== "end") throw unexpected(delimiter);
        }
        const token = this.#peek();
        if (token.kind === "end") return statements.length === 0 ? null : { kind: "statements", statements };
        if (token.kind === "\n") {
          this.#take();
          return { kind: "statements", statements };
        }
        statements.push(this.#statement());
      }
    } catch (fault) {
      if (!(fault instanceof SyntaxFault)) throw fault;
      this.#ahead = null;
      this.#lexer.skipLine();
      this.#depth = 0;
      return { kind: "error", line: this.#lexer.lineAt(fault.position), reason: fault.message };
    }
  }

  /** The command that stands there, where its words are plain; it is passed over then. Else null. */
  #plainCommand(start: number): PlainCommand | SimpleCommand | null {
    if (this.#depth >= MAX_NESTING) return null;
    const words = this.#lexer.plainWords(start);
    const first = words?.[0];
    if (words === null || first === undefined) return null;
    const name = typeof first === "string" ? first : first.literal;
    // Quoted it would be none, but that is for a closer look.
    if (name === null || name === "!" || RESERVED.has(name)) {
      this.#lexer.moveTo(start);
      return null;
    }
    this.#budget.spend(words.length);
    this.#depth += 1;
    this.#deepest = Math.max(this.#deepest, this.#depth);
    const block = this.#lexer.isAtBlock() ? this.#block(this.#lexer.position()) : null;
    this.#depth -= 1;
    if (areWords(words)) return { kind: "command", words: block === null ? words : [...words, block] };
    words.shift();
    return { kind: "plain", name, words, block };
  }

  /** Passes over statements that have been read before, and adds them to the others. @returns whether there are any */
  #recall(lineEnd: number, statements: Statement[]): boolean {
    let start = lineEnd;
    for (;;) {
      const next = this.#text.indexOf("\n", start + 1);
      if (next < 0 || !this.#lengths.has(next - start)) break;
      const known = this.#remembered.get(this.#text.slice(start, next));
      if (known === undefined || this.#depth + known.height > MAX_NESTING) break;
      const end = start + known.source.length;
      // Of one that has more lines the first is not enough.
      if (end !== next && !(this.#text.startsWith(known.source, start) && this.#text[end] === "\n")) break;
      this.#budget.spend();
      this.#deepest = Math.max(this.#deepest, this.#depth + known.height);
      statements.push(known.statement);
      start = end;
    }
    this.#lexer.moveTo(start);
    return start > lineEnd;
  }

  /** Keeps a statement for those that look the same. @param start of the line end before it. @param end of that after */
  #remember(start: number, end: number, statement: Statement, height: number): void {
    const source = this.#text.slice(start, end);
    const next = source.indexOf("\n", 1);
    const first = next < 0 ? source : source.slice(0, next);
    this.#lengths.add(first.length);
    this.#remembered.set(first, { source, statement, height });
  }

  /** The statement behind a line end, kept where another follows it. */
  #statementOfLine(start: number): Statement {
    const before = this.#deepest;
    this.#deepest = this.#depth;
    const statement = this.#statement();
    const end = this.#peek();
    if (end.kind === "\n" && statement.kind !== "function") {
      this.#remember(start, end.start, statement, this.#deepest - this.#depth);
    }
    this.#deepest = Math.max(this.#deepest, before);
    return statement;
  }

  #statement(): Statement {
    const token = this.#peek();
    if (token.kind !== "word") throw unexpected(token);
    this.#depth += 1;
    this.#deepest = Math.max(this.#deepest, this.#depth);
    if (this.#depth > MAX_NESTING) throw new SyntaxFault(`nested more than ${MAX_NESTING} deep`, token.start);
    const statement = this.#statementOf(token.plain ?? "", token);
    this.#depth -= 1;
    return statement;
  }

  #statementOf(plain: string, token: Token): Statement {
    // Functions are no statements among others: they stand by themselves.
    if (plain === "function" && this.#depth > 1) throw unexpected(token);
    if (!OPENERS.has(plain)) {
      if (RESERVED.has(plain)) throw unexpected(token);
      return this.#command();
    }
    this.#take();
    switch (plain) {
      case "if":
        return this.#if();
      case "for":
        return this.#for();
      case "function":
        return this.#function();
      default:
        return this.#while(plain === "until");
    }
  }

  #command(): PlainCommand | SimpleCommand {
    const words = this.#arguments();
    return plainOf(words) ?? { kind: "command", words };
  }

  #arguments(): Argument[] {
    const words: Argument[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.kind === "{" && words.length > 0) {
        // The body is the last argument: nothing but a delimiter may follow.
        words.push(this.#block(token.start));
        return words;
      }
      if (token.kind !== "word") {
        if (token.kind === "error" || token.kind === "{") throw unexpected(token);
        return words;
      }
      if (token.plain !== null && NEVER_ARGUMENTS.has(token.plain)) throw unexpected(token);
      words.push(token.word);
      this.#take();
    }
  }

  /** @param start where its `{` stands */
  #block(start: number): Block {
    this.#take();
    this.#lexer.moveTo(start + 1);
    const body = this.#statements("}", false);
    const end = this.#peek().start + 1;
    this.#take();
    return { kind: "block", text: this.#text.slice(start, end), body };
  }

  #if(): Statement {
    const branches: { condition: Statement[]; body: Statement[] }[] = [];
    let otherwise: Statement[] = [];
    for (;;) {
      const condition = this.#until("then");
      const body = this.#until("fi", "elif", "else");
      branches.push({ condition: condition.statements, body: body.statements });
      if (body.word === "fi") break;
      if (body.word === "else") {
        otherwise = this.#until("fi").statements;
        break;
      }
    }
    return { kind: "if", branches, otherwise };
  }

  #for(): Statement {
    const name = this.#name();
    this.#keyword("in");
    const words = this.#arguments();
    this.#delimiters(true);
    this.#keyword("do");
    return { kind: "for", name, words, body: this.#until("done").statements };
  }

  #while(until: boolean): Statement {
    const condition = this.#until("do").statements;
    return { kind: "while", until, condition, body: this.#until("done").statements };
  }

  #function(): Statement {
    const name = this.#name();
    while (this.#peek().kind === "\n") this.#take();
    const open = this.#peek();
    if (open.kind !== "{") throw unexpected(open);
    this.#take();
    const body = this.#statements("}", true);
    this.#take();
    return { kind: "function", name, body };
  }

  /** Statements up to one of `words`, which is taken. */
  #until(...words: readonly string[]): { readonly statements: Statement[]; readonly word: string } {
    const statements = this.#statements(words, true);
    const token = this.#peek();
    this.#take();
    return { statements, word: (token.kind === "word" ? token.plain : null) ?? "" };
  }

  /**
   * One statement or more, and what follows them without taking it.
   * @param needsDelimiter whether a delimiter must stand before the end
   */
  #statements(end: "}" | readonly string[], needsDelimiter: boolean): Statement[] {
    const statements: Statement[] = [];
    let delimited = true;
    for (;;) {
      const lineEnd = this.#lineEnd();
      if (lineEnd !== null && this.#recall(lineEnd, statements)) delimited = true;
      const start = lineEnd === null ? null : this.#lexer.position();
      const plain = start === null ? null : this.#plainCommand(start);
      if (plain !== null) {
        statements.push(plain);
        if (this.#isAtLineEnd()) {
          if (start !== null && isRepeated(plain)) this.#remember(start, this.#lexer.position(), plain, 1);
          delimited = true;
          continue;
        }
      } else {
        if (start !== null) this.#lexer.skipToLine();
        const token = this.#peek();
        if (statements.length > 0 && isOneOf(token, end) && (delimited || !needsDelimiter)) return statements;
        if (!delimited) throw unexpected(token);
        statements.push(start === null ? this.#statement() : this.#statementOfLine(start));
      }
      const { kind } = this.#peek();
      delimited = kind === ";" || kind === "\n";
      if (kind === ";") this.#take();
    }
  }

  /** Where a line has ended, its end; nothing behind it has been read ahead. */
  #lineEnd(): number | null {
    if (this.#isAtLineEnd()) return this.#lexer.position();
    if (this.#peek().kind !== "\n") return null;
    this.#take();
    return this.#lexer.position() - 1;
  }

  #isAtLineEnd(): boolean {
    return this.#ahead === null && this.#lexer.isAtLineEnd();
  }

  /** A `;` or a line's end, and empty lines after it. @returns whether there was one */
  #delimiters(needed: boolean): boolean {
    const first = this.#peek();
    if (first.kind !== ";" && first.kind !== "\n") {
      if (needed) throw unexpected(first);
      return false;
    }
    this.#take();
    while (this.#peek().kind === "\n") this.#take();
    return true;
  }

  #name(): string {
    const token = this.#peek();
    const plain = token.kind === "word" ? token.plain : null;
    if (plain === null || RESERVED.has(plain) || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(plain)) throw unexpected(token);
    this.#take();
    return plain;
  }

  #keyword(word: string): void {
    const token = this.#peek();
    if (token.kind !== "word" || token.plain !== word) throw unexpected(token);
    this.#take();
  }

  #peek(): Token {
    if (this.#ahead === null) {
      this.#budget.spend();
      this.#ahead = this.#lexer.next();
    }
    return this.#ahead;
  }

  #take(): void {
    this.#ahead = null;
  }
}

function isOneOf(token: Token, end: "}" | readonly string[]): boolean {
  return end === "}" ? token.kind === "}" : token.kind === "word" && token.plain !== null && end.includes(token.plain);
}

function areWords(words: readonly string[] | readonly Word[]): words is readonly Word[] {
  return typeof words[0] !== "string";
}

const LOADS = /^(?:linux|initrd)/;

/** Is it likely to stand in other entries too? What an entry loads and an entry itself are not. */
function isRepeated(command: PlainCommand | SimpleCommand): boolean {
  if (command.kind === "command") return command.words.at(-1)?.kind !== "block";
  return command.block === null && !LOADS.test(command.name);
}

function plainOf(words: readonly Argument[]): PlainCommand | null {
  const texts: string[] = [];
  let block: Block | null = null;
  for (const word of words) {
    if (word.kind === "block") block = word;
    else if (word.literal === null) return null;
    else texts.push(word.literal);
  }
  const [name] = texts;
  return name === undefined || name === "!" ? null : { kind: "plain", name, words: texts.slice(1), block };
}
