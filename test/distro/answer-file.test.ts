import { describe, expect, it } from "vitest";
import { catalogFiles } from "../../src/base/program.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { answerFileOf, answerPlace } from "../../src/distro/answer-file.ts";
import { findFamily, type AnswerKind, type Installer } from "../../src/distro/catalog.ts";
import { readCatalog } from "../../src/distro/read-catalog.ts";
import { namedRelease } from "../../src/distro/release-name.ts";

const catalog = readCatalog(catalogFiles());

function installerOf(familyName: string, release: string): Installer | null {
  const family = findFamily(catalog, familyName);
  const name = namedRelease(family, release).listed?.installer ?? family.installer ?? "";
  return family.installers[name] ?? null;
}

function codeOf(...given: Parameters<typeof answerPlace>): string {
  try {
    answerPlace(...given);
    return "none";
  } catch (error) {
    return error instanceof GuestbootError ? error.code : String(error);
  }
}

describe("an answer file", () => {
  // anaconda's boot-options.rst and its older manuals; linuxrc's and AutoYaST's manuals; the Debian installation guide, B.2.
  const PLACES: readonly (readonly [string, string, AnswerKind, string, string])[] = [
    ["debian", "bookworm", "preseed", "preseed.cfg", "priority=critical"],
    ["rhel", "5", "kickstart", "ks.cfg", "ks=file:/ks.cfg"],
    ["rhel", "6", "kickstart", "ks.cfg", "ks=file:/ks.cfg"],
    ["rhel", "7", "kickstart", "ks.cfg", "inst.ks=file:/ks.cfg"],
    ["rhel", "10", "kickstart", "ks.cfg", "inst.ks=file:/ks.cfg"],
    ["rhel", "fedora-18", "kickstart", "ks.cfg", "ks=file:/ks.cfg"],
    ["rhel", "fedora-42", "kickstart", "ks.cfg", "inst.ks=file:/ks.cfg"],
    ["rhel41", "4.1", "kickstart", "ks.cfg", "ks=file:/ks.cfg"],
    ["sles", "11", "autoyast", "autoinst.xml", "autoyast=file:///autoinst.xml"],
    ["sles", "15", "autoyast", "autoinst.xml", "autoyast=file:///autoinst.xml"],
  ];
  it.each(PLACES)("of %s %s: a %s file goes to %s, with %s", (family, release, kind, file, words) => {
    expect(answerPlace(installerOf(family, release), kind, "/root/answers", family)).toEqual({
      file,
      arguments: words,
    });
  });

  it("of SLES 16 is fetched by the installer itself, so it must have an address", () => {
    const agama = installerOf("sles", "16");
    const place = answerPlace(agama, "autoyast", "https://example.org/a.json", "sles 16");
    expect(place).toEqual({ file: null, arguments: "inst.auto=https://example.org/a.json" });
    expect(codeOf(agama, "autoyast", "/root/a.json", "sles 16")).toBe("UNSUPPORTED_INSTALL_METHOD");
    expect(codeOf(agama, "autoyast", "http://x/ init=/bin/sh", "sles 16")).toBe("UNSUPPORTED_INSTALL_METHOD");
  });

  it("of another kind than the installer's is refused", () => {
    expect(codeOf(installerOf("debian", "bookworm"), "kickstart", "/k", "debian")).toBe("UNSUPPORTED_INSTALL_METHOD");
    expect(codeOf(null, "preseed", "/p", "xenserver")).toBe("UNSUPPORTED_INSTALL_METHOD");
  });
});

describe("a VM's record", () => {
  it("names one answer file, or none", () => {
    expect(answerFileOf({}, "vm")).toBeNull();
    expect(answerFileOf({ "install-preseed": "" }, "vm")).toBeNull();
    expect(answerFileOf({ "install-kickstart": " http://x/ks.cfg " }, "vm")).toEqual({
      kind: "kickstart",
      from: "http://x/ks.cfg",
    });
  });

  it("that names two is refused", () => {
    const both = { "install-kickstart": "/a", "install-autoyast": "/b" };
    expect(() => answerFileOf(both, "vm")).toThrow("install-autoyast");
  });
});
