import * as fs from "node:fs";
import { describe, expect, it } from "vitest";
import { catalogFiles } from "../../src/base/program.ts";
import { findFamily, parseFamily } from "../../src/distro/catalog.ts";
import { resolveTree } from "../../src/distro/resolve.ts";
import { candidatesFor } from "./candidates-for.ts";
import { madeUpTree, requestFor } from "./tree.ts";

const catalog = catalogFiles().map(({ name, text }) => parseFamily(name, text));
const debian = findFamily(catalog, "debianlike");
const IMAGES = "dists/bookworm/main/installer-amd64/current/images/netboot";

describe("the catalog", () => {
  it("finds a family by its alias", () => {
    expect(findFamily(catalog, "debian").family).toBe("debianlike");
  });

  it("names those it knows when asked for another", () => {
    expect(() => findFamily(catalog, "gentoo")).toThrow(/"gentoo" is not known \(known: .*debianlike/);
  });

  it("says which file and field is wrong", () => {
    expect(() => parseFamily("distros/x.json", "{")).toThrow(/distros\/x\.json: not JSON/);
    expect(() => parseFamily("distros/x.json", '{"family":"x"}')).toThrow(/distros\/x\.json: arches/);
  });

  it("has a JSON schema that names the same fields as the program reads", () => {
    const schema = JSON.parse(fs.readFileSync(new URL("../../distros/schema.json", import.meta.url), "utf8")) as {
      properties: Record<string, unknown>;
      required: string[];
    };
    const layouts = [{ name: "l", flavour: "xen", kernel: "k", ramdisks: ["r"] }];
    const all = {
      $schema: "s",
      family: "f",
      aliases: [],
      note: "n",
      arches: {},
      rounds: 1,
      files: "repository",
      index: [],
      roots: [""],
      layouts,
      installers: { i: { network: "", cdrom: null, graphical: null, password: null } },
      installer: "i",
      unindexed: "i",
      unlisted: {},
      names: [],
      shapes: [],
      suites: [],
      secondRound: { folders: ["/"], files: {} },
      releases: [],
    };
    expect(parseFamily("x", JSON.stringify(all)).family).toBe("f");
    expect(Object.keys(schema.properties).sort()).toEqual(Object.keys(all).sort());
    for (const field of schema.required) {
      const without = Object.fromEntries(Object.entries(all).filter(([name]) => name !== field));
      expect(() => parseFamily("x", JSON.stringify(without))).toThrow(`x: ${field}`);
    }
  });
});

describe("candidates", () => {
  it("prefer Debian's Xen images, then the generic ones", () => {
    const found = candidatesFor(debian, { release: "bookworm", arch: "amd64", flavour: null });
    const mirror = found.filter((each) => each.kernel.startsWith("dists/"));
    expect(mirror.map((each) => each.kernel)).toEqual([
      `${IMAGES}/xen/vmlinuz`,
      `${IMAGES}/debian-installer/amd64/linux`,
    ]);
    expect(mirror.map((each) => each.ramdisks)).toEqual([
      [`${IMAGES}/xen/initrd.gz`],
      [`${IMAGES}/debian-installer/amd64/initrd.gz`],
    ]);
    expect(found.slice(0, 2)).toEqual(mirror);
  });

  it("keep to the flavour that was asked for", () => {
    const found = candidatesFor(debian, { release: "bookworm", arch: "amd64", flavour: "generic" });
    expect(found.map((each) => each.flavour)).not.toContain("xen");
    expect(found[0]?.layout).toBe("debian-netboot");
  });

  it("know a release by its number, and a suite that the catalog does not list", () => {
    const target = { arch: "amd64", flavour: "xen" } as const;
    expect(candidatesFor(debian, { ...target, release: "12.5" })[0]?.kernel).toBe(`${IMAGES}/xen/vmlinuz`);
    expect(candidatesFor(debian, { ...target, release: "12" })[0]?.kernel).toBe(`${IMAGES}/xen/vmlinuz`);
    expect(candidatesFor(debian, { ...target, release: "stable" })[0]?.kernel).toMatch(/^dists\/stable\//);
  });

  it.each(["../../etc", "a/b", "", ".", "bookworm\n", "-x"])("refuse the release %j, which is no name", (release) => {
    expect(() => candidatesFor(debian, { release, arch: "amd64", flavour: null })).toThrow(/cannot be the name/);
  });

  it("leave nothing over where a release is needed and nobody knows it, but a medium's own", () => {
    const found = candidatesFor(debian, { release: null, arch: "amd64", flavour: "xen" });
    expect(found.map((each) => each.kernel)).toContain("install.amd/xen/vmlinuz");
    expect(found.filter((each) => each.kernel.includes("dists/"))).toEqual([]);
  });

  it.each([
    ["rhlike", "CentOS-7.9", "7"],
    ["rhlike", "7.9.2009", "7"],
    ["rhlike", "Rocky Linux 9.4", "9"],
    ["rhlike", "Fedora 42", "fedora-42"],
    ["rhlike", "fedora-99", "fedora-99"],
    ["sleslike", "SUSE Linux Enterprise Server 11 SP3", "11"],
    ["sleslike", "sles12sp2", "12"],
    ["sleslike", "openSUSE 11.4", "opensuse-11"],
    ["sleslike", "openSUSE 10.1", "opensuse-10.1"],
    ["sleslike", "Leap 15.6", "leap-15"],
    ["debianlike", "14.04.5", "trusty"],
    ["debianlike", "Squeeze", "squeeze"],
    ["alpine", "3.20", "v3.20"],
    ["alpine", "v3.99", "v3.99"],
    ["mageia", "9", "9"],
  ] as const)("%s: %j is the release %s", (family, given, release) => {
    const [first] = candidatesFor(findFamily(catalog, family), { release: given, arch: "x86_64", flavour: null });
    expect(first?.release).toBe(release);
  });

  it("refuse an architecture by name", () => {
    expect(() => candidatesFor(debian, { release: "bookworm", arch: "sparc", flavour: null })).toThrow(/"sparc"/);
    expect(() => candidatesFor(debian, { release: "trixie", arch: "i386", flavour: null })).toThrow(/on i386/);
  });
});

describe("resolving a tree without an index", () => {
  const request = requestFor({ family: "debianlike", release: "bookworm", arch: "amd64" });
  const candidates = candidatesFor(debian, { release: "bookworm", arch: "amd64", flavour: null });

  it("takes the first candidate that is there whole", async () => {
    const generic = candidates[1];
    const { tree } = madeUpTree([`${IMAGES}/xen/vmlinuz`, generic?.kernel ?? "", ...(generic?.ramdisks ?? [])]);
    const found = await resolveTree(catalog, request, tree);
    expect(found.candidate.layout).toBe("debian-netboot");
    expect(found.kernel).toBe(generic?.kernel);
  });

  it("lists every path that was tried when none is there", async () => {
    const { tree } = madeUpTree([]);
    const failure = await resolveTree(catalog, request, tree).catch((error: unknown) => String(error));
    for (const { kernel, ramdisks } of candidates) {
      for (const path of [kernel, ...ramdisks]) expect(failure).toContain(path);
    }
    expect(failure).toContain("http://mirror.example/");
  });

  it("hands on the first failure only after everything that runs has ended", async () => {
    let ended = false;
    const look = async (path: string) => {
      if (path.endsWith("vmlinuz")) throw new Error("refused");
      await new Promise((resolve) => setTimeout(resolve, 20));
      ended = true;
      return path;
    };
    await expect(resolveTree(catalog, request, { ...madeUpTree([]).tree, look })).rejects.toThrow("refused");
    expect(ended).toBe(true);
  });
});
