/** What is a script and what is not: `grub-script-check` is asked about the same texts. */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseScript } from "../../src/bootconfig/grub2/parser.ts";

const CHECK = "/usr/bin/grub-script-check";
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-grammar-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** The checker refuses a script without any command, whatever its grammar: one stands before each. */
function isScriptForGrub(text: string): boolean {
  if (!fs.existsSync(CHECK)) throw new Error(`${CHECK} is missing: apt-get install grub-common`);
  const file = path.join(folder, "script.cfg");
  fs.writeFileSync(file, `true\n${text}`);
  const run = spawnSync(CHECK, [file], { encoding: "utf8", timeout: 30_000 });
  if (run.status === null) throw new Error(`grub-script-check did not end: ${String(run.error)}`);
  return run.status === 0;
}

const isScriptForUs = (text: string): boolean => parseScript(text).every((unit) => unit.kind !== "error");

const CASES = [
  "a; b",
  "a;",
  "a;;",
  ";",
  "a | b",
  "a && b",
  "a > b",
  "if a; then b; fi",
  "if a\nthen\nb\nfi",
  "if a; then fi",
  "if a; then b; else c; fi",
  "if a; then b; elif c; then d; elif e; then f; else g; fi",
  "if a; then b; else c; elif d; then e; fi",
  "if a then b; fi",
  "if a; then b fi",
  "if a; then b; fi; c",
  "if a; then b; fi c",
  "if ! a; then b; fi",
  "! if a; then b; fi",
  "! ! a",
  "! ;",
  "for x in a b c; do d; done",
  "for x in; do d; done",
  "for x\nin a; do d; done",
  "for 1 in a; do d; done",
  "for x in a do d; done",
  "for select in a; do d; done",
  "while a; do b; done",
  "while a; do; done",
  "until a\ndo\nb\n\nc\ndone",
  "function f { a; }",
  "function f { a }",
  "function f\n{\na\n}",
  "function f {\n}",
  "function f { function g { a; }; }",
  "if a; then function g { b; }; fi",
  "function if { a; }",
  "function 1f { a; }",
  "menuentry t { a }",
  "menuentry t { a; }",
  "menuentry t {\n}",
  "menuentry t { }",
  "menuentry t { a } b",
  "menuentry t\n{ a }",
  "menuentry 't' --class c $o 'x' { a; b\nc }",
  "submenu s { menuentry t { a } }",
  "submenu s { menuentry t { a }\nmenuentry u { b }\n}",
  "{ a; }",
  "a {x} ",
  "a x}y",
  "a } b",
  "a '}' \"{\"",
  "a if then fi",
  "then a",
  "case x in",
  "select",
  "a [[ b ]]",
  "[[ a = b ]]",
  "[ a = b ]",
  "time a",
  "x=1 a",
  "a 'b\nc'",
  'a "b\nc"',
  "a 'b",
  'a "b',
  "a b\\\nc",
  "a b\\",
  "a $",
  'a "$"',
  "a '$'",
  "a \\$",
  "a $1a ${x} ${1} $? $# $* $@",
  "a ${1a}",
  "a ${x",
  "a ${}",
  'a $"b c"',
  "a $'b'",
  "a # { ' \"",
  "a#b { c }",
  "# { ' \"",
  "a \\# b",
  "a=b",
  "a\\;b",
  "''",
  '"a" b',
  "$a b",
];

describe("the grammar of GRUB 2's scripts", () => {
  it.each(CASES)("is GRUB's for %j", (text) => {
    expect(isScriptForUs(`${text}\n`)).toBe(isScriptForGrub(`${text}\n`));
  });

  it("is GRUB's for scripts that were made at random", () => {
    const random = numbers(20_251_121);
    const texts = Array.from({ length: 800 }, () => randomScript(random));
    const judged = texts.map((text) => ({ text, isScript: isScriptForGrub(text) }));
    expect(texts.map((text) => ({ text, isScript: isScriptForUs(text) }))).toEqual(judged);
    // Neither all good nor all bad, or nothing would be compared.
    const good = judged.filter(({ isScript }) => isScript).length;
    expect(good).toBeGreaterThan(100);
    expect(good).toBeLessThan(700);
  });
});

/** The same row of numbers each time, each below what is asked for. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % below;
  };
}

const WORDS =
  "a a if then fi else elif for in do done while until function { } ; ; ! [[ ]] case time select menuentry x=1 $a " +
  `"q" 's' #c | a{ b} \${x} $ '' 1a esac submenu && < \\} ;;`;
const PIECES = [...WORDS.split(" "), "\n", "\n", "\\\n"];

const FORMS = [
  "if a ; then a ; fi",
  "for x in a b ; do a ; done",
  "while a ; do a ; done",
  "function f { a ; }",
  "menuentry t { a }",
  "a b",
  "if a \n then a \n else a \n fi",
  "if a ; then a ; elif a ; then a ; fi",
].map((form) => form.split(" "));

/** A script of two forms or so, some inside others, with a few pieces taken out, put in or changed. */
function randomScript(random: (below: number) => number): string {
  const pick = <T>(from: readonly T[], other: T): T => from[random(from.length)] ?? other;
  const pieces: string[] = [];
  for (let count = random(2) + 1; count > 0; count--) {
    const form = [...pick(FORMS, [])];
    const place = form.indexOf("a", 1);
    if (random(2) === 1 && place > 0) form.splice(place, 1, ...pick(FORMS, []));
    pieces.push(...form, pick([";", "\n"], "\n"));
  }
  for (let count = random(3); count > 0; count--) {
    const place = random(pieces.length + 1);
    const change = random(3);
    pieces.splice(place, change === 1 ? 0 : 1, ...(change === 0 ? [] : [pick(PIECES, "a")]));
  }
  return `${pieces.join(" ")}\n`;
}
