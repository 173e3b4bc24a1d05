/**
 * Tab: the word before the cursor, completed as a file of the guest, or as a command where it is the first.
 */
import { completeAmong, completeName, type GuestFiles } from "./guest-files.ts";
import { insertText, type LineInput } from "./line-input.ts";

export interface CompletedLine {
  readonly input: LineInput;
  /** What it could become, where that is not certain. */
  readonly choices: readonly string[];
}

/** @param commands what the first word may be; default: the first word is left alone */
export function completeWordAt(input: LineInput, files: GuestFiles, commands: readonly string[] = []): CompletedLine {
  const before = input.text.slice(0, input.cursor);
  const word = /(?:\\.|[^\s\\])*$/.exec(before)?.[0] ?? "";
  const isFirst = before.trimStart() === word;
  // `root=/dev/xvda1` is an argument: only names that begin as files and devices do are looked up.
  const completed = isFirst
    ? completeAmong(word, commands, " ")
    : /^[/(]|^$/.test(word)
      ? completeName(word, files)
      : { word, choices: [] };
  return {
    input: completed.word === word ? input : insertText(input, completed.word.slice(word.length)),
    choices: completed.choices,
  };
}
