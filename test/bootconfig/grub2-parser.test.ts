/**
 * Lines of plain words are read in one go, and other statements that a config repeats are read once: what comes out
 * must be what reading each of them word by word gives.
 */
import { describe, expect, it } from "vitest";
import { parseScript } from "../../src/bootconfig/grub2/parser.ts";
import { seeded } from "../base/seeded.ts";

const LINES = [
  "insmod ext2",
  "load_video",
  "set root='hd0,msdos1'; linux /vmlinuz $root",
  'echo "a b" c\\ d ${x}',
  "if [ x$a = xy ]; then insmod a; fi",
  "insmod  ext2",
  "linux /vmlinuz root=/dev/xvda1 ro\tquiet ",
  `menuentry 'a "b" {' --id "c 'd'" --class e'f'"g" '' { linux /k; initrd /i }`,
  "menuentry 'a\n}' { a#b }",
  "[ a = b ]; ! c",
  "x=1 y='2 3'",
  "menuentry 'a' --class b $option 'c $d' { linux $k $k; initrd $i }",
  `echo $a '$b' "c" $c`,
  "$command x",
  "echo $a$b $a.",
];

/** A script of a few lines that come again and again, on their own and inside of others, indented anew each time. */
function scriptOf(next: () => number): string[] {
  const lines: string[] = [];
  const statements = (depth: number): void => {
    for (let count = 1 + (next() % 4); count > 0; count--) {
      const indent = " ".repeat(next() % 3);
      const kind = depth >= 4 ? 9 : next() % 10;
      if (kind === 0) block(`${indent}menuentry 'a' --id x {`, `${indent}}`, depth);
      else if (kind === 1) block(`${indent}if true; then`, "fi", depth);
      else if (kind === 2) block("for i in 1 2; do", `${indent}done`, depth);
      else if (kind === 3) lines.push("", "  # a remark");
      else lines.push(indent + (LINES[next() % LINES.length] ?? ""));
    }
  };
  const block = (open: string, close: string, depth: number): void => {
    lines.push(open);
    statements(depth + 1);
    lines.push("insmod last", close);
  };
  statements(0);
  return lines;
}

/** Without the source of bodies, which has the remarks in it. */
const withoutSource = (script: string): unknown =>
  JSON.parse(JSON.stringify(parseScript(script), (key, value: unknown) => (key === "text" ? undefined : value)));

describe("statements that are repeated", () => {
  it("are what they would be if each were read by itself", () => {
    const next = seeded(7);
    for (let round = 0; round < 300; round++) {
      const lines = scriptOf(next);
      // A remark of its own at each line's end: no line is like any other.
      const apart = lines.map((line, number) => `${line} # ${number}`);
      expect(withoutSource(lines.join("\n"))).toEqual(withoutSource(apart.join("\n")));
    }
  });

  it("are read once", () => {
    const [unit] = parseScript("if true; then\n  insmod $x\n  insmod $x\nfi\n");
    const statement = unit?.kind === "statements" ? unit.statements[0] : undefined;
    const body = statement?.kind === "if" ? (statement.branches[0]?.body ?? []) : [];
    expect(body).toHaveLength(2);
    expect(body[0]).toBe(body[1]);
  });

  it.each([
    ["insmod x", "insmod x y"],
    ["insmod x y", "insmod x"],
    ["if true; then\n a\nfi", "if true; then\n b\nfi"],
    ['echo "a\nb"', 'echo "a\nc"'],
    ["echo a\\\nb", "echo a\\\nc"],
  ])("%j is not taken for %j", (one, other) => {
    const nested = (statement: string): string => `if true; then\n${statement}\nfi\n`;
    const together = parseScript(`${nested(one)}${nested(other)}`);
    expect(together).toEqual([...parseScript(nested(one)), ...parseScript(nested(other))]);
  });

  it("count among what is nested: at most 100 deep", () => {
    const tower = (height: number, inside: string): string =>
      `${"if true; then\n".repeat(height)}${inside}\n${"fi\n".repeat(height)}`;
    const known = `if true; then\n${tower(70, "a")}fi\n`;
    expect(parseScript(known).map(({ kind }) => kind)).toEqual(["statements"]);
    const inside = tower(70, "a").trimEnd();
    const [first, second] = parseScript(`${known}${tower(20, inside)}`);
    expect([first?.kind, second?.kind]).toEqual(["statements", "statements"]);
    const refused = parseScript(`${known}${tower(40, inside)}`).find((unit) => unit.kind === "error");
    expect(refused).toMatchObject({ reason: "nested more than 100 deep" });
  });
});
