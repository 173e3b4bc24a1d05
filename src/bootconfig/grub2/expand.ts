/**
 * From the words of a script to a command's arguments: variables are put in, what was not quoted is split at blanks,
 * and patterns become the names of the files that fit.
 */
import { matchesPattern } from "./file-pattern.ts";
import type { Machine } from "./machine.ts";
import type { Argument, Word } from "./syntax.ts";

/** @throws BUDGET_EXCEEDED when a word grows past what a variable may hold */
export function expand(machine: Machine, words: readonly Argument[]): string[] {
  const texts: string[] = [];
  for (const word of words) {
    if (word.kind === "block") texts.push(word.text);
    else if (word.literal !== null) texts.push(word.literal);
    else {
      const text = joined(machine, word);
      if (text !== null) texts.push(text);
      else texts.push(...expandWord(machine, word));
    }
  }
  return texts;
}

/** The word as one field, where nothing in it is to be split or is a pattern: most words are so. Else null. */
function joined(machine: Machine, { parts }: Word): string | null {
  let text = "";
  let isField = false;
  for (const part of parts) {
    if (part.kind === "text") {
      if (!part.quoted && (part.text.includes("*") || part.text.includes("?"))) return null;
      text += part.text;
      isField = true;
    } else {
      if (part.name === "@") return null;
      const value = valueOf(machine, part.name);
      if (!part.quoted && (value.includes(" ") || value.includes("\t") || value.includes("\n"))) return null;
      text += value;
      isField ||= part.quoted || value !== "";
    }
  }
  if (!isField) return null;
  machine.run.steps.spend(text.length >> 10);
  return text;
}

/** What a variable holds; what is not set is empty. */
export function valueOf(machine: Machine, name: string): string {
  const { positional } = machine;
  switch (name) {
    case "#":
      return positional === null ? "" : String(positional.length);
    case "*":
    case "@":
      return positional?.join(" ") ?? "";
    default:
      if (startsWithDigit(name)) return positional?.[Number(name) - 1] ?? "";
      return machine.environment.get(name) ?? "";
  }
}

function startsWithDigit(name: string): boolean {
  const code = name.charCodeAt(0);
  return code >= 48 && code <= 57;
}

/** A field that grows. `pattern` is its text with a backslash before each character that was quoted. */
interface Growing {
  text: string;
  pattern: string;
  isPattern: boolean;
}

function expandWord(machine: Machine, word: Word): string[] {
  const done: Growing[] = [];
  let current: Growing | null = null;
  const add = (text: string, quoted: boolean): void => {
    machine.run.steps.spend(text.length >> 10);
    current ??= { text: "", pattern: "", isPattern: false };
    current.text += text;
    const isPattern = !quoted && /[*?]/.test(text);
    current.pattern += isPattern ? text : text.replace(/[\\*?]/g, "\\$&");
    current.isPattern ||= isPattern;
  };
  const finish = (): void => {
    if (current !== null) done.push(current);
    current = null;
  };

  for (const part of word.parts) {
    if (part.kind === "text") {
      add(part.text, part.quoted);
    } else if (part.quoted && part.name === "@") {
      machine.positional?.forEach((value, index) => {
        if (index > 0) finish();
        add(value, true);
      });
    } else if (part.quoted) {
      add(valueOf(machine, part.name), true);
    } else {
      // Blanks at its ends do not part it from what stands beside it.
      valueOf(machine, part.name)
        .replace(/^[ \t\n]+|[ \t\n]+$/g, "")
        .split(/[ \t\n]+/)
        .forEach((piece, index) => {
          if (index > 0) finish();
          if (piece !== "") add(piece, true);
        });
    }
  }
  finish();
  return done.flatMap((field) => fieldsOf(machine, field));
}

function fieldsOf(machine: Machine, field: Growing): readonly string[] {
  const names = field.isPattern ? filesLike(machine, field.pattern) : [];
  return names.length === 0 ? [field.text] : names;
}

/** The files that fit a pattern, in the order of their folders; none when the word is no file's name. */
function filesLike(machine: Machine, pattern: string): readonly string[] {
  const { files, steps } = machine.run;
  const device = /^\([^)*?]*\)/.exec(pattern)?.[0] ?? "";
  const rest = pattern.slice(device.length);
  if (!rest.startsWith("/")) return [];
  const root = machine.environment.get("root") ?? "";
  let found = [device];
  for (const component of rest.split("/").slice(1)) {
    const next: string[] = [];
    for (const folder of found) {
      if (!/(?<!\\)[*?]/.test(component)) {
        const path = `${folder}/${component.replace(/\\(.)/g, "$1")}`;
        steps.spend();
        if (files.find(files.split(path, root)) !== null) next.push(path);
        continue;
      }
      for (const name of files.list(files.split(`${folder}/`, root))) {
        steps.spend();
        if ((!name.startsWith(".") || component.startsWith(".")) && matchesPattern(component, name)) {
          next.push(`${folder}/${name}`);
        }
      }
    }
    found = next;
  }
  return found;
}
