import { describe, expect, it } from "vitest";
import { getopt, type OptionRule } from "../../src/cli/getopt.ts";

const RULES: readonly OptionRule[] = [
  { name: "quiet", short: "q", value: false },
  { name: "list", short: "l", value: false },
  { name: "output", short: "o", value: true },
  { name: "output-format", value: true },
  { name: "debug", value: false },
  { name: "domid", value: true, exactOnly: true },
];
const read = (...argv: string[]) => getopt(argv, RULES);

describe("getopt", () => {
  it("takes options before, between and after operands", () => {
    expect(read("-q", "disk", "--output=x", "other", "--list")).toEqual({
      options: [
        { name: "quiet", value: "" },
        { name: "output", value: "x" },
        { name: "list", value: "" },
      ],
      operands: ["disk", "other"],
    });
  });

  it("takes a value after = or as the next word, even when that looks like an option or is empty", () => {
    expect(read("--output", "-q", "--output=", "--output", "", "-oa", "-o", "--", "--output=a=b").options).toEqual(
      ["-q", "", "", "a", "--", "a=b"].map((value) => ({ name: "output", value })),
    );
  });

  it("splits bundled short flags and takes the rest of the bundle as a value", () => {
    expect(read("-qlofile").options).toEqual([
      { name: "quiet", value: "" },
      { name: "list", value: "" },
      { name: "output", value: "file" },
    ]);
  });

  it("ends options at -- and takes - as an operand", () => {
    expect(read("-", "--", "-q", "--", "--list")).toEqual({ options: [], operands: ["-", "-q", "--", "--list"] });
  });

  it("completes a unique prefix, and prefers an exact name to longer ones", () => {
    expect(read("--qui", "--output-", "simple", "--output", "x").options).toEqual([
      { name: "quiet", value: "" },
      { name: "output-format", value: "simple" },
      { name: "output", value: "x" },
    ]);
  });

  it("names the candidates of an ambiguous prefix", () => {
    expect(() => read("--out=x")).toThrow("option --out may stand for --output, --output-format");
  });

  it("never lets an exact-only option take part in prefix matching", () => {
    expect(read("--d").options).toEqual([{ name: "debug", value: "" }]);
    expect(read("--domid=3").options).toEqual([{ name: "domid", value: "3" }]);
    expect(() => read("--domi=3")).toThrow("there is no option --domi");
  });

  it.each([
    [["--nothing"], "there is no option --nothing"],
    [["-qx"], "there is no option -x"],
    [["-q=1"], "there is no option -="],
    [["--quiet=1"], "option --quiet takes no value"],
    [["--quiet="], "option --quiet takes no value"],
    [["--output"], "option --output needs a value"],
    [["-qo"], "option -o needs a value"],
    [["-é"], "there is no option -é"],
  ])("refuses %j as wrong usage", (argv, message) => {
    expect(() => getopt(argv, RULES)).toThrow(expect.objectContaining({ code: "USAGE", message }));
  });

  it("ignores empty words, which two blanks in PV-bootloader-args make", () => {
    expect(read("", "-q", "", "disk", "").operands).toEqual(["disk"]);
    expect(read("--", "", "disk").operands).toEqual(["disk"]);
  });
});
