import { describe, expect, it } from "vitest";
import { GuestbootError, type ErrorCode } from "../../src/base/errors.ts";
import { decodeText } from "../../src/base/text.ts";
import type { Answer, ArgumentPiece, OutputFormat } from "../../src/toolstack/answer.ts";
import { formatAnswer, formatFailure } from "../../src/toolstack/format.ts";

const plain = (text: string): ArgumentPiece => ({ text, escaped: false });
const escaped = (text: string): ArgumentPiece => ({ text, escaped: true });
const answer = (...pieces: ArgumentPiece[]): Answer => ({ kernel: "/b/k", ramdisk: "/b/r", arguments: pieces });

function written(value: Answer, format: OutputFormat): string {
  return new TextDecoder().decode(formatAnswer(value, format));
}

describe("an answer", () => {
  it("is written in each of the three formats", () => {
    const value = answer(plain("a=1"), plain(""), plain("b c"));
    expect(written(value, "sxp")).toBe('linux (kernel /b/k)(ramdisk /b/r)(args "a=1 b c")\n');
    expect(written(value, "simple")).toBe("kernel /b/k\nramdisk /b/r\nargs a=1 b c\n\n");
    expect(written(value, "simple0")).toBe("kernel /b/k\0ramdisk /b/r\0args a=1 b c\0\0");
  });

  it("leaves out a ramdisk that there is not and a command line that is empty", () => {
    const value: Answer = { kernel: "/k", ramdisk: null, arguments: [plain("")] };
    expect(written(value, "sxp")).toBe("linux (kernel /k)\n");
    expect(written(value, "simple")).toBe("kernel /k\n\n");
    expect(written(value, "simple0")).toBe("kernel /k\0\0");
  });

  it("escapes quotes and backslashes for sxp only, and never twice", () => {
    const value = answer(plain('a="x\\y"'), escaped('b=\\"z\\\\\\"'));
    expect(written(value, "sxp")).toContain('(args "a=\\"x\\\\y\\" b=\\"z\\\\\\"")');
    expect(written(value, "simple")).toContain('args a="x\\y" b=\\"z\\\\\\"\n');
  });

  it("escapes what was only said to be escaped, so that no piece can end the string", () => {
    expect(written(answer(escaped('a") (kernel /evil')), "sxp")).toContain('(args "a\\") (kernel /evil")');
    expect(written(answer(escaped("a\\")), "sxp")).toContain('(args "a\\\\")');
  });

  it("quotes a path that would break an s-expression, and no other", () => {
    const sxp = (kernel: string) => written({ kernel, ramdisk: null, arguments: [] }, "sxp");
    expect(sxp("<kernel:/boot/vmlinuz>")).toBe("linux (kernel <kernel:/boot/vmlinuz>)\n");
    expect(sxp("/a b")).toBe('linux (kernel "/a b")\n');
    expect(sxp("/a)(x")).toBe('linux (kernel "/a)(x")\n');
    expect(sxp("/it's")).toBe('linux (kernel "/it\'s")\n');
    expect(sxp('/"\\')).toBe('linux (kernel "/\\"\\\\")\n');
  });

  it("gives a guest's bytes back as they came, UTF-8 or not", () => {
    const bytes = Uint8Array.of(0x6c, 0xff, 0xc3, 0xa9);
    expect([...formatAnswer(answer(plain(decodeText(bytes))), "simple")]).toEqual([
      ...Buffer.from("kernel /b/k\nramdisk /b/r\nargs "),
      ...bytes,
      10,
      10,
    ]);
  });

  it.each([
    ["a newline", { ...answer(), kernel: "/k\nkernel /evil" }, "the kernel path holds a newline at position 3"],
    ["a carriage return", { ...answer(), ramdisk: "\r" }, "the ramdisk path holds a carriage return at position 1"],
    ["a NUL", answer(plain("ok"), plain("a\0")), "the kernel command line holds a NUL character at position 2"],
    ["an escape character", answer(escaped("\x1b[0m")), "the kernel command line holds the control character 0x1b"],
    ["DEL", answer(plain("\x7f")), "the kernel command line holds the control character 0x7f"],
  ])("is refused in every format when it holds %s", (_what, value, message) => {
    for (const format of ["sxp", "simple", "simple0"] as const) {
      expect(() => formatAnswer(value, format)).toThrow(
        expect.objectContaining({ code: "ANSWER_UNWRITABLE", message: expect.stringContaining(message) as string }),
      );
    }
  });

  it("may hold a tab", () => {
    expect(written(answer(plain("a\tb")), "simple")).toContain("args a\tb\n");
  });

  it("is refused in simple0 when libxl would drop an item, counted in bytes with its keyword", () => {
    const longest = "é".repeat(4093);
    expect(Buffer.byteLength(`args ${longest}`)).toBe(8191);
    expect(written(answer(plain(longest)), "simple0")).toContain(longest);
    expect(written(answer(plain(`${longest}x`)), "simple")).toContain(longest);
    expect(() => formatAnswer(answer(plain(`${longest}x`)), "simple0")).toThrow(
      expect.objectContaining({
        code: "ANSWER_UNWRITABLE",
        message: "the kernel command line makes an item of 8192 bytes, and libxl drops items longer than 8191",
      }),
    );
  });
});

describe("a failure", () => {
  const error = (code: ErrorCode, message: string, details = {}) => new GuestbootError(code, message, details);

  it("is one RuntimeError line, with what to do", () => {
    const failure = error("NO_BOOT_CONFIG", "no boot config\n on /dev/sda\n", { hint: "try this\r\nor that" });
    for (const program of ["pygrub", "guestboot"] as const) {
      for (const format of ["sxp", "simple", "simple0"] as const) {
        expect(formatFailure(failure, format, program)).toBe(
          "RuntimeError: no boot config; on /dev/sda; try this; or that\n",
        );
      }
    }
    expect(formatFailure(error("NO_SPACE", "full"), "simple", "eliloader")).toBe("RuntimeError: full\n");
  });

  it("is a code and its arguments, a line each, for the old xapi", () => {
    const failure = error("SUPPORT_PACKAGE_MISSING", "words", { args: ["one\ntwo", "three"], hint: "h" });
    expect(formatFailure(failure, "sxp", "eliloader")).toBe("SUPPORT_PACKAGE_MISSING\none; two\nthree\n");
    expect(formatFailure(error("INVALID_SOURCE", "m"), "sxp", "eliloader")).toBe("INVALID_SOURCE\nm\n");
    expect(formatFailure(error("UNSUPPORTED_INSTALL_METHOD", "m"), "sxp", "eliloader")).toBe(
      "UNSUPPORTED_INSTALL_METHOD\nm\n",
    );
  });

  it("of a repository is INVALID_SOURCE for the old xapi", () => {
    for (const code of [
      "REPOSITORY_UNREACHABLE",
      "REPOSITORY_REFUSED",
      "REDIRECT_REFUSED",
      "TRANSFER_TRUNCATED",
      "TRANSFER_FAILED",
    ] as const) {
      expect(formatFailure(error(code, "m"), "sxp", "eliloader")).toBe("INVALID_SOURCE\nm\n");
    }
  });

  it("of any other kind is INTERNAL_ERROR for the old xapi", () => {
    const failure = error("VM_UNKNOWN", "no record", { hint: "look there", args: ["x", "y"] });
    expect(formatFailure(failure, "sxp", "eliloader")).toBe("INTERNAL_ERROR\nno record; look there\n");
  });

  it("carries no control sequence of a guest to a terminal", () => {
    expect(formatFailure(error("FILE_MISSING", "/a\x1b[2J\0\u009b\udcff"), "simple", "pygrub")).toBe(
      "RuntimeError: /a\\x1b[2J\\x00\\x9b\\xff\n",
    );
  });
});
