import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openAnswerOutput } from "../../src/toolstack/answer-output.ts";

let folder = "";
let file = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guestboot-output-"));
  file = join(folder, "answer");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("the answer's output", () => {
  it("leaves a file as it was until the answer is written, then holds nothing but the answer", () => {
    writeFileSync(file, "an old and much longer answer");
    const output = openAnswerOutput(file);
    expect(readFileSync(file, "utf8")).toBe("an old and much longer answer");
    output.write(Buffer.from("kernel "));
    output.write(Buffer.from("/k\n"));
    output.close();
    output.close();
    expect(readFileSync(file, "utf8")).toBe("kernel /k\n");
  });

  it("touches no path once it is open", () => {
    writeFileSync(file, "");
    using output = openAnswerOutput(file);
    renameSync(file, `${file}.moved`);
    output.write(Buffer.from("answer"));
    expect(existsSync(file)).toBe(false);
    expect(readFileSync(`${file}.moved`, "utf8")).toBe("answer");
  });

  it("never makes the file that it is to write, not even at the end of a link", () => {
    symlinkSync(join(folder, "nothing"), file);
    for (const path of [file, join(folder, "missing"), ""]) {
      expect(() => openAnswerOutput(path)).toThrow(
        expect.objectContaining({
          code: "OUTPUT_FAILED",
          message: expect.stringContaining("no such file or directory") as string,
          hint: expect.stringContaining("must exist") as string,
        }),
      );
    }
    expect(existsSync(join(folder, "nothing"))).toBe(false);
  });

  it("is refused at once when it is a folder", () => {
    expect(() => openAnswerOutput(folder)).toThrow(expect.objectContaining({ code: "OUTPUT_FAILED" }));
  });

  it("says so when the disk is full", () => {
    using output = openAnswerOutput("/dev/full");
    expect(() => output.write(Buffer.from("x"))).toThrow(
      "the answer cannot be written to /dev/full: no space left on device",
    );
  });
});
