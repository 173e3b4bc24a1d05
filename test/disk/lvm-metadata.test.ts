/**
 * LVM's text of its metadata, made as lvm.conf(5) describes it.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { parseMetadata, type Scalar, type Section } from "../../src/disk/lvm/metadata-text.ts";

const key = fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/);
const scalar: fc.Arbitrary<Scalar> = fc.oneof(fc.nat(), fc.string({ unit: "binary", maxLength: 12 }));
const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 4 }));

interface Tree {
  readonly values: Readonly<Record<string, Scalar | readonly Scalar[]>>;
  readonly sections: Readonly<Record<string, Tree>>;
}
const tree = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.record({
    values: fc.dictionary(key, value, { maxKeys: 4 }),
    sections: fc.oneof({ depthSize: "small" }, fc.constant({}), fc.dictionary(key, tie("tree"), { maxKeys: 2 })),
  }),
})).tree;

/** Between any two words there may be blanks, lines and comments. */
const blank = fc.constantFrom(" ", "\n", "\t", " # a comment {\n", "\n\n  ");

function textOf(each: Tree, space: string): string {
  const scalarText = (one: Scalar) => (typeof one === "number" ? String(one) : `"${one.replace(/["\\]/g, "\\$&")}"`);
  const valueText = (one: Scalar | readonly Scalar[]) =>
    typeof one === "object" ? `[${space}${one.map(scalarText).join(`,${space}`)}${space}]` : scalarText(one);
  return [
    ...Object.entries(each.values).map(([name, one]) => `${name}${space}=${space}${valueText(one)}\n`),
    ...Object.entries(each.sections).map(([name, one]) => `${name}${space}{${space}${textOf(one, space)}${space}}\n`),
  ].join(space);
}

function treeOf({ values, sections }: Section): Tree {
  return {
    values: Object.fromEntries(values),
    sections: Object.fromEntries([...sections].map(([name, section]) => [name, treeOf(section)])),
  };
}

const depthOf = ({ sections }: Tree): number => 1 + Math.max(0, ...Object.values(sections).map(depthOf));

it("metadata are read as what they say, however they are set out", () => {
  fc.assert(
    fc.property(
      tree.filter((each) => depthOf(each) <= 8),
      blank,
      (each, space) => {
        expect(treeOf(parseMetadata(textOf(each, space)))).toEqual(each);
      },
    ),
  );
});
