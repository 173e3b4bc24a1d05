import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { catalogFiles } from "../../src/base/program.ts";
import { findFamily } from "../../src/distro/catalog.ts";
import { extendCatalog, readCatalog } from "../../src/distro/read-catalog.ts";
import { catalog } from "./tree.ts";
import { candidatesFor } from "./candidates-for.ts";

const schema: unknown = JSON.parse(fs.readFileSync(new URL("../../distros/schema.json", import.meta.url), "utf8"));

/** Names of fields in `data` that the schema does not have, as far as it speaks of names. */
function unknownFields(data: unknown, rules: unknown, at = ""): string[] {
  if (typeof rules !== "object" || rules === null || typeof data !== "object" || data === null) return [];
  const { properties, additionalProperties, items } = rules as Record<string, unknown>;
  if (Array.isArray(data)) return data.flatMap((each) => unknownFields(each, items, at));
  return Object.entries(data).flatMap(([name, value]) => {
    const rule = (properties as Record<string, unknown> | undefined)?.[name] ?? additionalProperties;
    return rule === false || rule === undefined ? [`${at}.${name}`] : unknownFields(value, rule, `${at}.${name}`);
  });
}

describe("the program's catalog", () => {
  it.each(catalogFiles())("$name holds only what its schema names", ({ text }) => {
    expect(unknownFields(JSON.parse(text), schema)).toEqual([]);
  });

  it("has every family that other-config may name", () => {
    const names = catalog.map((family) => family.family);
    for (const name of ["rhlike", "sleslike", "debianlike", "pygrub", "rhel41", "rhel44", "xenserver"]) {
      expect(names).toContain(name);
    }
    for (const alias of ["debian", "rhel", "sles", "ubuntu"]) expect(findFamily(catalog, alias)).toBeDefined();
  });

  it("uses no name twice", () => {
    const names = catalog.flatMap((family) => [family.family, ...family.aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const { releases, layouts } of catalog) {
      const all = releases.flatMap((release) => [release.release, ...release.aliases]);
      expect(new Set(all).size).toBe(all.length);
      expect(new Set(layouts.map((layout) => layout.name)).size).toBe(layouts.length);
    }
  });

  it("has a layout for every release and architecture that it lists", () => {
    for (const family of catalog) {
      for (const { release, arches, family: moved } of family.releases) {
        for (const arch of moved === undefined ? (arches ?? []) : []) {
          expect(candidatesFor(family, { release, arch, flavour: null })).not.toEqual([]);
        }
      }
    }
  });

  it("looks for suites that it knows", () => {
    const debian = findFamily(catalog, "debianlike");
    const known = debian.releases.map((each) => each.release);
    expect(debian.suites.filter((suite) => suite !== "stable" && !known.includes(suite))).toEqual([]);
  });
});

describe("an admin's file", () => {
  let folder = "";
  beforeAll(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-distros-"));
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

  const duke = `{
  "family": "debianlike",
  "releases": [{ "release": "duke", "aliases": ["15"], "arches": ["amd64"], "layouts": ["debian-netboot"] }]
}`;

  it("adds a release in under ten lines", () => {
    fs.writeFileSync(path.join(folder, "duke.json"), duke);
    const extended = readCatalog(catalogFiles(), folder);
    const family = findFamily(extended, "debian");
    const [first, ...more] = candidatesFor(family, { release: "15", arch: "amd64", flavour: null });
    expect(first?.kernel).toBe("dists/duke/main/installer-amd64/current/images/netboot/debian-installer/amd64/linux");
    expect(more).toEqual([]);
    expect(candidatesFor(family, { release: "bookworm", arch: "amd64", flavour: "xen" })).not.toEqual([]);
  });

  it("puts its own in the place of a release, layout or installer of the same name", () => {
    const text = JSON.stringify({
      family: "rhlike",
      layouts: [{ name: "el-pxeboot", flavour: "generic", kernel: "my/vmlinuz", ramdisks: ["my/initrd"] }],
      installers: { "anaconda-rdp": { network: "mine={repository}", cdrom: "", graphical: null, password: null } },
    });
    const family = findFamily(extendCatalog(catalog, [{ name: "mine.json", text }]), "rhel");
    const found = candidatesFor(family, { release: "10", arch: "x86_64", flavour: "generic" });
    expect(found[0]?.kernel).toBe("my/vmlinuz");
    expect(found[0]?.installer?.network).toBe("mine={repository}");
    expect(family.releases).toEqual(findFamily(catalog, "rhel").releases);
  });

  it("adds a family when it is whole", () => {
    const whole = { family: "mine", arches: { i386: "i386" }, rounds: 1, layouts: [], releases: [] };
    expect(extendCatalog(catalog, [{ name: "m", text: JSON.stringify(whole) }]).at(-1)?.family).toBe("mine");
    expect(() => extendCatalog(catalog, [{ name: "m.json", text: '{"family":"mine"}' }])).toThrow(/m\.json: arches/);
  });

  it.each([
    ["[]", "family"],
    ['{"releases":[]}', "family"],
    ['{"family":"debianlike","releases":[{"release":"x","layouts":["nope"]}]}', 'there is no "nope"'],
    ['{"family":"debianlike","releases":[{"relase":"x"}]}', "releases"],
    [
      '{"family":"debianlike","layouts":[{"name":"l","flavour":"xen","kernel":"../../etc/shadow","ramdisks":["r"]}]}',
      "below a repository",
    ],
    ['{"family":"debianlike","roots":["http"]}', "folder ending in /"],
    ["{", "not JSON"],
  ])("%s is refused by file and field", (text, words) => {
    expect(() => extendCatalog(catalog, [{ name: "d/x.json", text }])).toThrow(words);
    expect(() => extendCatalog(catalog, [{ name: "d/x.json", text }])).toThrow(/^d\/x\.json: /);
  });
});
