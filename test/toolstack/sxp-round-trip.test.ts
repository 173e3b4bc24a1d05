/**
 * S-expressions: what is written for one toolstack must be read as the same by a reader of another.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readSxp, type Sxp } from "../../src/toolstack/sxp.ts";
import { formatAnswer } from "../../src/toolstack/format.ts";

/** Anything but control characters, which no answer may hold. */
const words = fc.string({ unit: "binary", minLength: 1, maxLength: 40 }).map((text) => text.replace(/\p{C}/gu, "x"));

type Tree = string | readonly Tree[];
const tree = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof({ depthSize: "small" }, words, fc.array(tie("tree"), { maxLength: 4 })),
})).tree;

const textOf = (each: Tree): string =>
  typeof each === "string" ? `"${each.replace(/["\\]/g, "\\$&")}"` : `(${each.map(textOf).join(" ")})`;
const treeOf = (each: Sxp): Tree => (each.kind === "atom" ? each.text : each.items.map(treeOf));

describe("an s-expression", () => {
  it("that quotes its atoms is read as what was quoted", () => {
    fc.assert(
      fc.property(tree, (each) => {
        expect(readSxp(textOf(each)).map(treeOf)).toEqual([each]);
      }),
    );
  });

  it("knows where it stands", () => {
    fc.assert(
      fc.property(fc.array(tree, { maxLength: 3 }), (trees) => {
        const text = trees.map(textOf).join("\n ");
        const read = readSxp(text);
        expect(read.map(({ start, end }) => text.slice(start, end))).toEqual(trees.map(textOf));
      }),
    );
  });
});

describe("an answer", () => {
  it("has the kernel, ramdisk and arguments that it was given, whatever they hold", () => {
    const argument = words.map((text) => ({ text, escaped: false }));
    fc.assert(
      fc.property(words, fc.option(words), fc.array(argument, { maxLength: 4 }), (kernel, ramdisk, pieces) => {
        const text = Buffer.from(formatAnswer({ kernel, ramdisk, arguments: pieces }, "sxp")).toString();
        const joined = pieces.map((piece) => piece.text).join(" ");
        expect(readSxp(text).map(treeOf)).toEqual([
          "linux",
          ["kernel", kernel],
          ...(ramdisk === null ? [] : [["ramdisk", ramdisk]]),
          ...(joined === "" ? [] : [["args", joined]]),
        ]);
      }),
    );
  });
});
