import { describe, expect, it } from "vitest";
import {
  eliloaderFormat,
  ELILOADER_USAGE,
  readEliloaderOptions,
  type EliloaderBoot,
} from "../../src/cli/eliloader-options.ts";

const UUID = "0f3a1b2c-1111-2222-3333-444455556666";

function read(...argv: string[]): EliloaderBoot {
  const options = readEliloaderOptions(argv);
  if (options.help) throw new Error("help was asked for");
  return options;
}

describe("eliloader's command line", () => {
  it("is read as xenopsd sends it, with the empty words of PV-bootloader-args ignored", () => {
    expect(read("-q", "--vm", UUID, "", "--args=console=hvc0", "", "/dev/sda")).toEqual({
      help: false,
      vm: UUID,
      disk: "/dev/sda",
      quiet: true,
      logging: false,
      args: [{ option: "args", text: "console=hvc0" }],
      fromOldXapi: false,
      outputFormat: null,
    });
  });

  it("is read as the old xapi sends it, arguments in the order given and empty ones left out", () => {
    expect(read("-q", "--default_args=b", "--extra_args=", "--args=c d", `--vm=${UUID}`, "disk")).toMatchObject({
      vm: UUID,
      args: [
        { option: "default_args", text: "b" },
        { option: "args", text: "c d" },
      ],
      fromOldXapi: true,
    });
  });

  it("cuts long names short", () => {
    expect(read("--qu", "--l", "--v", "x", "d")).toMatchObject({ quiet: true, logging: true, vm: "x" });
  });

  it.each([
    [["-q", "disk"], "no VM was given: --vm=UUID is missing"],
    [["--vm=", "disk"], "no VM was given: --vm=UUID is missing"],
    [[`--vm=${UUID}`], "no disk was given"],
    [["--vm=x", "--kernel", "/k", "disk"], "there is no option --kernel"],
    [["--vm=x", "word", "disk"], "one disk is expected, but there are 2 words: word disk"],
    [["--vm=x", "--output-format=xml", "disk"], 'unknown output format "xml": sxp, simple and simple0 are known'],
    [["--vm"], "option --vm needs a value"],
  ])("refuses %j as wrong usage", (argv, message) => {
    expect(() => readEliloaderOptions(argv)).toThrow(expect.objectContaining({ code: "USAGE", message }));
  });

  it("names every option in the usage text and gives it for --help", () => {
    for (const name of ["vm", "quiet", "logging", "args", "extra_args", "default_args", "output-format"]) {
      expect(ELILOADER_USAGE).toContain(`--${name}`);
    }
    expect(readEliloaderOptions(["--help"])).toEqual({ help: true });
  });
});

describe("the answer's format for eliloader's caller", () => {
  const given = (...words: string[]) => read("--vm=x", "disk", ...words);

  it("is simple, which xenopsd reads since 2016", () => {
    expect(eliloaderFormat(given("--args=a"), null)).toBe("simple");
  });

  it("is sxp for the old xapi, which alone gives --default_args or --extra_args, even when they are empty", () => {
    expect(eliloaderFormat(given("--default_args="), "simple")).toBe("sxp");
    expect(eliloaderFormat(given("--extra_args="), null)).toBe("sxp");
  });

  it("is what the host's settings say where callers cannot be told apart", () => {
    expect(eliloaderFormat(given(), "sxp")).toBe("sxp");
  });

  it("is what --output-format says above all", () => {
    expect(eliloaderFormat(given("--default_args=", "--output-format=simple0"), "sxp")).toBe("simple0");
  });
});
