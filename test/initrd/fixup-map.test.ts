import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { findFixup, overlayFile, parseFixupMap, readFixups } from "../../src/initrd/fixup-map.ts";
import { temporaryFolder } from "../program.ts";
import { failureOf } from "./initrd-files.ts";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());

const MD5 = "0123456789abcdef0123456789abcdef";
const errorOf = (line: string) => {
  try {
    parseFixupMap(`# a remark\n\n${line}\n`, "/maps/x.map");
    return "none";
  } catch (error) {
    return String(error);
  }
};

describe("a map of fixups", () => {
  it("has a line for each initrd, with blank lines and remarks between", () => {
    const text = `# vendor's initrds\n\n  \n${MD5} cpio rhel5.cpio rhel5\r\n${MD5.toUpperCase()}\text2\trhel4.cpio  RHEL 4 update 1\n`;
    expect(parseFixupMap(text, "/m.map")).toEqual([
      { md5: MD5, type: "cpio", overlay: "rhel5.cpio", label: "rhel5", where: "/m.map, line 4" },
      { md5: MD5, type: "ext2", overlay: "rhel4.cpio", label: "RHEL 4 update 1", where: "/m.map, line 5" },
    ]);
  });

  it.each([
    ["three fields", `${MD5} cpio overlay`],
    ["one field", MD5],
    ["another type", `${MD5} tar overlay label`],
    ["a digest that is none", "1234 cpio overlay label"],
    ["an overlay in another folder", `${MD5} cpio ../overlay label`],
  ])("with %s is refused, naming file and line", (_what, line) => {
    expect(errorOf(line)).toContain("/maps/x.map, line 3");
  });

  it("is read from each file of the folder whose name ends in .map", () => {
    const folder = fs.mkdtempSync(path.join(temporary.path, "maps-"));
    fs.writeFileSync(path.join(folder, "b.map"), `${MD5} cpio second label\n`);
    fs.writeFileSync(path.join(folder, "a.map"), `${MD5} cpio first label\n`);
    fs.writeFileSync(path.join(folder, "readme"), "no map\n");
    const fixups = readFixups(folder);
    expect(fixups.map((fixup) => fixup.overlay)).toEqual(["first", "second"]);
    expect(findFixup(fixups, MD5)?.overlay).toBe("first");
    expect(findFixup(fixups, "f".repeat(32))).toBeNull();
  });

  it("is missing where the control domain has no support package: there are no fixups then", () => {
    expect(readFixups(path.join(temporary.path, "none"))).toEqual([]);
  });

  it("that names an overlay that is not there says so", async () => {
    const [fixup] = parseFixupMap(`${MD5} cpio gone.cpio label`, "/m.map");
    if (fixup === undefined) throw new Error("no line was read");
    const look = () => Promise.resolve(overlayFile(temporary.path, fixup));
    expect(await failureOf(async () => look())).toBe("SUPPORT_PACKAGE_MISSING");
  });
});
