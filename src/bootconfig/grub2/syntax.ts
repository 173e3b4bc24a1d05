/**
 * A GRUB 2 script after it was parsed: what `parser.ts` makes and `execute.ts` runs.
 * https://www.gnu.org/software/grub/manual/grub/grub.html#Shell_002dlike-scripting
 */

/** A piece of a word. What was quoted is neither split at blanks nor a pattern for file names. */
export type WordPart =
  | { readonly kind: "text"; readonly text: string; readonly quoted: boolean }
  | { readonly kind: "variable"; readonly name: string; readonly quoted: boolean };

export interface Word {
  readonly kind: "word";
  /** Its text where it is always the same: no variable, no pattern of file names. Most words are such. */
  readonly literal: string | null;
  /** None where it has a `literal`. */
  readonly parts: readonly WordPart[];
}

/** `{ … }` as an argument: the body of a menu entry. */
export interface Block {
  readonly kind: "block";
  /** Its source with the braces. */
  readonly text: string;
  readonly body: readonly Statement[];
}

export type Argument = Word | Block;

/** A command whose words are always the same. Most commands are such. */
export interface PlainCommand {
  readonly kind: "plain";
  readonly name: string;
  readonly words: readonly string[];
  /** The last argument, behind `words`. */
  readonly block: Block | null;
}

/** A command some of whose words are made when it runs. */
export interface SimpleCommand {
  readonly kind: "command";
  /** The first one names the command, after any number of `!`. */
  readonly words: readonly Argument[];
}

export type Statement =
  | PlainCommand
  | SimpleCommand
  | {
      readonly kind: "if";
      readonly branches: readonly { readonly condition: readonly Statement[]; readonly body: readonly Statement[] }[];
      readonly otherwise: readonly Statement[];
    }
  | {
      readonly kind: "for";
      readonly name: string;
      readonly words: readonly Argument[];
      readonly body: readonly Statement[];
    }
  | {
      readonly kind: "while";
      readonly condition: readonly Statement[];
      readonly body: readonly Statement[];
      /** What the condition must not become: true for `while … true`, false for `until`. */
      readonly until: boolean;
    }
  | { readonly kind: "function"; readonly name: string; readonly body: readonly Statement[] };

/** What GRUB reads and runs at once: a line, and the lines that it needs to be complete. */
export type Unit =
  | { readonly kind: "statements"; readonly statements: readonly Statement[] }
  /** GRUB prints an error and goes on with the next line. */
  | { readonly kind: "error"; readonly line: number; readonly reason: string };
