import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { getopt, type OptionRule } from "../../src/cli/getopt.ts";

const PYTHON = "/usr/bin/python3";
const RULES: readonly OptionRule[] = [
  { name: "quiet", short: "q", value: false },
  { name: "list-entries", short: "l", value: false },
  { name: "output", short: "o", value: true },
  { name: "output-format", value: true },
  { name: "output-directory", value: true },
  { name: "args", value: true },
  { name: "runas", value: true },
  { name: "ramdisk", value: true },
  { name: "debug", value: false },
];

/** Reads command lines as JSON, prints for each [options, operands], or null where Python refuses it. */
const PROGRAM = `
import getopt, json, sys
def read(argv):
    try:
        return getopt.gnu_getopt(argv, "qlo:", ["quiet", "list-entries", "output=", "output-format=",
            "output-directory=", "args=", "runas=", "ramdisk=", "debug"])
    except getopt.GetoptError:
        return None
json.dump([read(argv) for argv in json.load(sys.stdin)], sys.stdout)
`;

beforeAll(() => {
  if (!existsSync(PYTHON)) throw new Error(`${PYTHON} is missing: apt-get install python3`);
});

function python(lines: readonly (readonly string[])[]): unknown {
  const output = execFileSync(PYTHON, ["-c", PROGRAM], {
    input: JSON.stringify(lines),
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: { PATH: "/usr/bin" },
  });
  return JSON.parse(output);
}

/** Our reading in Python's words: short options come with the name as given, so ours are turned into long ones. */
function ours(argv: readonly string[]): unknown {
  try {
    const { options, operands } = getopt(argv, RULES);
    return [options.map(({ name, value }) => [`--${name}`, value]), operands];
  } catch {
    return null;
  }
}

const LONG: Readonly<Record<string, string>> = { "-q": "--quiet", "-l": "--list-entries", "-o": "--output" };

function normalised(result: unknown): unknown {
  if (result === null) return null;
  const [options, operands] = valuesOf(result);
  return [
    valuesOf(options).map((option) => {
      const [name, value] = valuesOf(option);
      return [LONG[String(name)] ?? name, value];
    }),
    // Python keeps empty operands; we leave them out on purpose.
    valuesOf(operands).filter((word) => word !== ""),
  ];
}

describe("getopt beside Python's getopt.gnu_getopt", () => {
  it("reads a table of odd command lines the same way", () => {
    const lines = [
      [],
      [""],
      ["-"],
      ["--"],
      ["--", "--"],
      ["---"],
      ["---q"],
      ["--="],
      ["--=x"],
      ["--q", "--l", "--d"],
      ["--o", "x"],
      ["--output", "x"],
      ["--output-", "x"],
      ["--output-f=simple"],
      ["--output-d", "dir", "-q"],
      ["--r=x"],
      ["--ru=x", "--ra", "y"],
      ["--args"],
      ["--args", "--"],
      ["--args="],
      ["--args==", "--args=a=b"],
      ["--args", "", "disk"],
      ["-ql", "disk", "-lq"],
      ["-qo", "x"],
      ["-oq"],
      ["-o", "-q"],
      ["-o"],
      ["-q-"],
      ["-q=1"],
      ["--quiet="],
      ["--quiet=1"],
      ["--quietly"],
      ["--Quiet"],
      ["disk", "-q", "--", "-l", "--args"],
      ["disk", "--args=one", "--args=two", "other"],
    ];
    expect(lines.map(ours)).toEqual(Array.from(valuesOf(python(lines)), normalised));
  });

  it("reads ten thousand command lines made of such pieces the same way", () => {
    const words =
      "-q -l -ql -lq -o -ox -qo -qx -- - --quiet --quiet=1 --qu --output --output= --output=a --out --out=b --output-f=c " +
      "--output-d --args --args=-q --a --r=1 --ra=1 --run --debug --d --de=1 disk other = --=";
    const pieces = [...words.split(" "), "", "a b", "\u00e9"];
    // A linear congruential generator (Numerical Recipes): the same lines at every run.
    let state = 1;
    const next = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const lines = Array.from({ length: 10_000 }, () =>
      Array.from({ length: next(6) }, () => pieces[next(pieces.length)] ?? ""),
    );
    const expected = Array.from(valuesOf(python(lines)), normalised);
    expect(expected.filter((result) => result !== null).length).toBeGreaterThan(1000);
    expect(lines.map(ours)).toEqual(expected);
  });
});

function valuesOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error("Python printed no list");
  return value;
}
