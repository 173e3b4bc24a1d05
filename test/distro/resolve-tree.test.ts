import { describe, expect, it } from "vitest";
import { resolveTree } from "../../src/distro/resolve.ts";
import { seeded } from "../base/seeded.ts";
import { catalog, madeUpTree, requestFor } from "./tree.ts";

const SHA = "0123456789abcdef".repeat(4);
const PXE = ["images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"] as const;
const XEN = ["images/xen/vmlinuz", "images/xen/initrd.img"] as const;

function treeinfo(family: string, version: string, arch: string, more = ""): string {
  return `[general]\nfamily = ${family}\nversion = ${version}\narch = ${arch}\n${more}`;
}

const pxeImages = (platform: string) => `[images-${platform}]\nkernel = ${PXE[0]}\ninitrd = ${PXE[1]}\n`;

const withPaths = (index: Record<string, string>, ...paths: readonly string[]) => ({
  ...Object.fromEntries(paths.map((path) => [path, ""])),
  ...index,
});

describe("a tree with an index", () => {
  it("is taken at its word before the catalog's layouts, and the index is fetched once", async () => {
    const odd = "[images-xen]\nkernel = odd/k\ninitrd = odd/i\n[checksums]\nodd/k = sha256:" + SHA;
    const { tree, looked, read } = madeUpTree(
      withPaths({ ".treeinfo": treeinfo("CentOS", "7", "x86_64", odd) }, "odd/k", "odd/i", ...PXE),
    );
    const found = await resolveTree(catalog, requestFor({ family: "rhlike", arch: "x86_64" }), tree);
    expect(found.candidate).toMatchObject({ release: "7", flavour: "xen", kernel: "odd/k", ramdisks: ["odd/i"] });
    expect(found.digests.get("odd/k")).toBe(`sha256:${SHA}`);
    expect(found.index).toBe(".treeinfo");
    expect(looked).toEqual(["odd/k", "odd/i"]);
    expect(read).toEqual([".treeinfo"]);
  });

  it("is read as treeinfo where a mirror hides files with a dot", async () => {
    const { tree } = madeUpTree(withPaths({ treeinfo: treeinfo("CentOS", "6.10", "i386", pxeImages("xen")) }, ...PXE));
    const found = await resolveTree(catalog, requestFor({}), tree);
    expect(found.candidate).toMatchObject({ family: "rhlike", release: "6", arch: "i386", flavour: "xen" });
    expect(found.tried).toContain(".treeinfo");
  });

  it("prefers the Xen kernel that an incomplete index leaves out", async () => {
    const files = withPaths({ ".treeinfo": treeinfo("CentOS", "5.2", "i386", pxeImages("i386")) }, ...PXE, ...XEN);
    const found = await resolveTree(catalog, requestFor({ family: "rhlike", arch: "i386" }), madeUpTree(files).tree);
    expect(found.candidate).toMatchObject({ flavour: "xen", kernel: XEN[0], layout: "el-xen" });
    const generic = requestFor({ family: "rhlike", arch: "i386", flavour: "generic" });
    expect((await resolveTree(catalog, generic, madeUpTree(files).tree)).kernel).toBe(PXE[0]);
  });

  it("falls back to the layouts where the index names files that are not there", async () => {
    const files = withPaths(
      { ".treeinfo": treeinfo("Fedora", "9", "i386", "[images-xen]\nkernel = gone\ninitrd = gone2\n") },
      ...XEN,
    );
    const found = await resolveTree(catalog, requestFor({}), madeUpTree(files).tree);
    expect(found.kernel).toBe(XEN[0]);
    expect(found.tried).toEqual(expect.arrayContaining(["gone", "gone2"]));
  });

  it("prefers what SUSE's content lists", async () => {
    const boot = "boot/i386";
    const files = withPaths(
      {
        content: `LABEL openSUSE 11.1\nHASH SHA256 ${SHA}  ${boot}/vmlinuz-xen\nHASH SHA256 ${SHA}  ${boot}/initrd-xen\n`,
      },
      `${boot}/vmlinuz-xen`,
      `${boot}/initrd-xen`,
    );
    const { tree, looked } = madeUpTree(files);
    const found = await resolveTree(catalog, requestFor({ arch: "i586" }), tree);
    expect(found.candidate).toMatchObject({ release: "opensuse-11", arch: "i386", layout: "suse-xen" });
    expect(looked).toEqual([`${boot}/vmlinuz-xen`, `${boot}/initrd-xen`]);
    expect(found.digests.get(`${boot}/initrd-xen`)).toBe(`sha256:${SHA}`);
  });

  it("is refused when it points out of the repository", async () => {
    const files = { ".treeinfo": treeinfo("CentOS", "7", "x86_64", "[images-xen]\nkernel=../../k\ninitrd=i\n") };
    await expect(resolveTree(catalog, requestFor({}), madeUpTree(files).tree)).rejects.toMatchObject({
      code: "INVALID_SOURCE",
      message: expect.stringMatching(/^\.treeinfo names "\.\.\/\.\.\/k"/) as unknown,
    });
  });

  it("counts as missing when it is a web page, and the admin is told", async () => {
    const { tree } = madeUpTree(withPaths({ ".treeinfo": "<!DOCTYPE html><html>Not found</html>" }, ...PXE));
    const found = await resolveTree(catalog, requestFor({ family: "rhlike", release: "7", arch: "x86_64" }), tree);
    expect(found.kernel).toBe(PXE[0]);
    expect(found.warnings).toEqual([".treeinfo is a web page and no index"]);
  });

  it("may not be endless", async () => {
    const { tree } = madeUpTree({ ".treeinfo": "x".repeat(4 * 1024 * 1024 + 1) });
    await expect(resolveTree(catalog, requestFor({ family: "rhlike" }), tree)).rejects.toMatchObject({
      code: "BUDGET_EXCEEDED",
    });
  });

  it("that is cut off, or lists other installers, is told of where nothing else is found", async () => {
    const cut = `Origin: Debian\nCodename: bookworm\nSHA256:\n ${SHA} 1 main/installer-arm64/current/images/SHA256SUMS\n ${SHA}`;
    const { tree } = madeUpTree({ "dists/bookworm/Release": cut });
    const wanted = requestFor({ family: "debian", release: "bookworm", arch: "amd64" });
    await expect(resolveTree(catalog, wanted, tree)).rejects.toMatchObject({
      code: "INVALID_SOURCE",
      message: expect.stringMatching(
        /not there: install\.amd.*; dists\/bookworm\/Release lists the installers dists\/bookworm\/main\/installer-arm64\/current\/images\/; dists\/bookworm\/Release ends in the middle of a line/,
      ) as unknown,
    });
    const unknown = resolveTree(catalog, requestFor({}), madeUpTree({ ".treeinfo": "[gener" }).tree);
    await expect(unknown).rejects.toThrow(/not there: treeinfo.*; \.treeinfo ends in the middle of a line/);
  });

  it("that lists a suite's installers ends the search for one that is not among them", async () => {
    const release = `Origin: Debian\nSuite: s\nCodename: bookworm\nArchitectures: amd64 i386\nSHA256:\n ${SHA} 1 main/installer-amd64/current/images/SHA256SUMS\n`;
    const { tree, looked } = madeUpTree({ "dists/bookworm/Release": release });
    const wanted = requestFor({ family: "debianlike", release: "bookworm", arch: "i386" });
    await expect(resolveTree(catalog, wanted, tree)).rejects.toMatchObject({ code: "INVALID_SOURCE" });
    expect(looked.filter((path) => path.startsWith("dists/"))).toEqual([]);
  });
});

describe("recognition from the address alone", () => {
  const images = "dists/bookworm/main/installer-amd64/current/images/netboot";
  const debian = [`${images}/xen/vmlinuz`, `${images}/xen/initrd.gz`];
  const alpine = "latest-stable/releases/x86_64/netboot";
  const arch = "iso/latest/arch/boot/x86_64";
  const xs = `base 1 ${SHA.slice(0, 32)} tbz2 required base.tar.bz2 /\n`;

  it.each([
    [
      "Fedora",
      withPaths({ ".treeinfo": treeinfo("Fedora", "30", "x86_64", pxeImages("xen")) }, ...PXE),
      "rhlike fedora-30 x86_64",
    ],
    [
      "Red Hat 7",
      withPaths({ ".treeinfo": treeinfo("Red Hat Enterprise Linux", "7.6", "x86_64", pxeImages("xen")) }, ...PXE),
      "rhlike 7 x86_64",
    ],
    [
      "a rebuild that nobody knows",
      withPaths({ ".treeinfo": treeinfo("Foo Linux", "9", "x86_64", pxeImages("x86_64")) }, ...PXE),
      "rhlike unknown x86_64",
    ],
    [
      "Alma 9 above its BaseOS",
      withPaths(
        { "BaseOS/x86_64/os/.treeinfo": treeinfo("AlmaLinux", "9.4", "x86_64", pxeImages("x86_64")) },
        ...PXE.map((path) => `BaseOS/x86_64/os/${path}`),
      ),
      "rhlike 9 x86_64",
    ],
    [
      "Leap",
      withPaths(
        {
          ".treeinfo": treeinfo(
            "openSUSE Leap",
            "15.1",
            "x86_64",
            "[images-xen]\nkernel=boot/x86_64/loader/linux\ninitrd=boot/x86_64/loader/initrd\n",
          ),
        },
        "boot/x86_64/loader/linux",
        "boot/x86_64/loader/initrd",
      ),
      "sleslike leap-15 x86_64",
    ],
    [
      "SLES 11 by its content",
      withPaths(
        { content: "LABEL SUSE Linux Enterprise Server 11 SP3\nBASEARCHS x86_64\n" },
        "boot/x86_64/vmlinuz-xen",
        "boot/x86_64/initrd-xen",
      ),
      "sleslike 11 x86_64",
    ],
    [
      "SLES 12 by its products",
      withPaths({ "media.1/products": "/ SLES12-SP1 12.1-1\n" }, "boot/x86_64/vmlinuz-xen", "boot/x86_64/initrd-xen"),
      "sleslike 12 x86_64",
    ],
    [
      "a Debian mirror",
      withPaths(
        {
          "dists/stable/Release":
            "Origin: Debian\nSuite: stable\nCodename: bookworm\nVersion: 12.5\nArchitectures: i386 amd64\n",
        },
        ...debian,
      ),
      "debianlike bookworm amd64",
    ],
    [
      "a mirror of one old suite",
      withPaths(
        { "dists/lenny/Release": "Origin: Debian\nSuite: oldstable\nCodename: lenny\nArchitectures: i386\n" },
        ...["vmlinuz", "initrd.gz"].map((name) => `dists/lenny/main/installer-i386/current/images/netboot/xen/${name}`),
      ),
      "debianlike lenny i386",
    ],
    [
      "a Debian CD",
      withPaths(
        { ".disk/info": 'Debian GNU/Linux 7.11.0 "Wheezy" - Official i386 NETINST 1\n' },
        "install.386/xen/vmlinuz",
        "install.386/xen/initrd.gz",
      ),
      "debianlike wheezy i386",
    ],
    [
      "Ubuntu's live ISO",
      withPaths(
        { ".disk/info": 'Ubuntu-Server 22.04.3 LTS "Jammy Jellyfish" - Release amd64 (1)\n' },
        "casper/vmlinuz",
        "casper/initrd",
      ),
      "ubuntuiso jammy amd64",
    ],
    [
      "Mageia",
      withPaths({ VERSION: "Mageia 9 x86_64\n" }, "isolinux/x86_64/vmlinuz", "isolinux/x86_64/all.rdz"),
      "mageia 9 x86_64",
    ],
    ["Alpine", withPaths({}, `${alpine}/vmlinuz-lts`, `${alpine}/initramfs-lts`), "alpine latest-stable x86_64"],
    ["Arch", withPaths({}, `${arch}/vmlinuz-linux`, `${arch}/initramfs-linux.img`), "arch latest x86_64"],
    [
      "XenServer",
      withPaths(
        { "packages.main/XS-REPOSITORY": "xs:main\nBase\nXenServer\n6.2.0\n", "packages.main/XS-PACKAGES": xs },
        "boot/vmlinuz",
        "install.img",
        "boot/xen.gz",
      ),
      "xenserver 6.2.0 x86_64",
    ],
  ])("%s", async (_what, files, expected) => {
    const { candidate } = await resolveTree(catalog, requestFor({}), madeUpTree(files).tree);
    expect(`${candidate.family} ${candidate.release} ${candidate.arch}`).toBe(expected);
  });

  it("asks for no more than a few dozen things, none of them twice, and names them all when nothing helps", async () => {
    const { tree, read, looked } = madeUpTree([]);
    const failure = await resolveTree(catalog, requestFor({}), tree).catch((error: unknown) => String(error));
    for (const path of [".treeinfo", "treeinfo", "content", "media.1/products", ".disk/info", "dists/stable/Release"]) {
      expect(failure).toContain(path);
    }
    expect(failure).toContain("http://mirror.example/ does not tell which distribution it is");
    expect(new Set(read).size).toBe(read.length);
    expect(read.filter((path) => path.startsWith("dists/")).length).toBeLessThanOrEqual(40);
    expect(read.length + looked.length).toBeLessThan(70);
  });

  it("asks for at most eight suites at once", async () => {
    let running = 0;
    let most = 0;
    const { tree } = madeUpTree([]);
    const readText = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 1));
      running--;
      return null;
    };
    await resolveTree(catalog, requestFor({}), { ...tree, readText }).catch(() => undefined);
    expect(most).toBe(8);
  });
});

describe("an index by somebody hostile", () => {
  it("cannot put control characters, paths or floods into names and warnings", async () => {
    const evil = treeinfo(`CentOS\u001b[2J${"x".repeat(5000)}`, "../../7", "x86_64\u0007", pxeImages("xen"));
    const found = await resolveTree(catalog, requestFor({}), madeUpTree(withPaths({ ".treeinfo": evil }, ...PXE)).tree);
    expect(found.candidate.release).toBe("unknown");
    const wanted = requestFor({ family: "sleslike", release: "15", arch: "x86_64", flavour: "generic" });
    const files = withPaths({ ".treeinfo": evil }, "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd");
    const { warnings } = await resolveTree(catalog, wanted, madeUpTree(files).tree);
    expect(warnings.join("\n")).toMatch(/^distribution sleslike was asked for, [\x20-\x7e]{0,400}$/);
  });

  const nasty = [
    "1".repeat(400_000),
    " ".repeat(400_000),
    `${"1 ".repeat(200_000)}x`,
    `/ a${" ".repeat(400_000)}x`,
    ".a".repeat(200_000),
    `[${"[".repeat(400_000)}`,
    '"'.repeat(400_000),
  ];
  const places = [
    ".treeinfo",
    "content",
    "media.1/products",
    ".disk/info",
    "dists/stable/Release",
    "VERSION",
    "XS-REPOSITORY",
  ];
  it.each(places)("in %s ends in bounded time", async (place) => {
    for (const text of nasty) {
      for (const whole of [
        text,
        `LABEL openSUSE ${text}\nVERSION ${text}`,
        `[general]\nfamily = CentOS ${text}\nversion = ${text}`,
        `Origin: Debian\nCodename: ${text}\nVersion: ${text}`,
      ]) {
        const { tree } = madeUpTree({ [place]: whole, "XS-PACKAGES": whole });
        const started = performance.now();
        await resolveTree(catalog, requestFor({}), tree).catch((error: unknown) => {
          expect(error).toHaveProperty("code");
        });
        expect(performance.now() - started).toBeLessThan(2000);
      }
    }
  });

  it("ends in a result or in one of our errors, whatever is broken in it", async () => {
    const next = seeded(7);
    const below = (limit: number) => next() % limit;
    const index = treeinfo("CentOS", "7", "x86_64", `${pxeImages("xen")}[checksums]\n${PXE[0]} = sha256:${SHA}\n`);
    const others = [
      `LABEL SUSE Linux Enterprise Server 11 SP3\nHASH SHA256 ${SHA}  boot/x86_64/vmlinuz-xen\n`,
      `Origin: Debian\nCodename: bookworm\nSHA256:\n ${SHA} 1 main/installer-amd64/current/images/SHA256SUMS\n`,
    ];
    for (let round = 0; round < 2000; round++) {
      const text = Array.from([index, ...others][round % 3] ?? "");
      for (let change = 0; change < 4; change++) {
        text[below(text.length)] = ["/", "..", "\n", "\0", "[", "=", "é", "\ud800", ":"][below(9)] ?? "";
      }
      const place = [".treeinfo", "content", "dists/stable/Release"][round % 3] ?? "";
      await resolveTree(catalog, requestFor({}), madeUpTree({ [place]: text.join("") }).tree).then(
        ({ candidate }) => expect(candidate.kernel).not.toMatch(/\.\.|^\//),
        (error: unknown) => expect(error).toHaveProperty("code"),
      );
    }
  });
});

describe("where the request and the tree disagree", () => {
  const files = withPaths(
    { ".treeinfo": treeinfo("CentOS", "7", "x86_64", pxeImages("xen") + pxeImages("x86_64")) },
    ...PXE,
  );

  it("the request wins and a warning says so", async () => {
    const wanted = requestFor({ family: "rhlike", release: "6", arch: "i386" });
    const found = await resolveTree(catalog, wanted, madeUpTree(files).tree);
    expect(found.candidate).toMatchObject({ release: "6", arch: "i386" });
    expect(found.arguments).toBe("method=http://mirror.example/");
    expect(found.warnings).toEqual([
      "architecture i386 was asked for, but .treeinfo says x86_64: going on with i386",
      "release 6 was asked for, but .treeinfo says 7: going on with 6",
    ]);
  });

  it("another vendor's tree is told of too", async () => {
    const wanted = requestFor({ family: "sleslike", release: "15", arch: "x86_64" });
    const { tree } = madeUpTree({ ...files, "boot/x86_64/loader/linux": "", "boot/x86_64/loader/initrd": "" });
    const { warnings } = await resolveTree(catalog, wanted, tree);
    expect(warnings).toContain(
      "distribution sleslike was asked for, but .treeinfo says CentOS: going on with sleslike",
    );
  });

  it("nothing is said where they agree, or a suite is called by another name", async () => {
    expect(
      (
        await resolveTree(
          catalog,
          requestFor({ family: "rhlike", release: "7.9", arch: "amd64" }),
          madeUpTree(files).tree,
        )
      ).warnings,
    ).toEqual([]);
    const images = "dists/stable/main/installer-amd64/current/images/netboot/xen";
    const { tree } = madeUpTree(
      withPaths(
        { "dists/stable/Release": "Origin: Debian\nSuite: stable\nCodename: trixie\nArchitectures: amd64\n" },
        `${images}/vmlinuz`,
        `${images}/initrd.gz`,
      ),
    );
    const found = await resolveTree(catalog, requestFor({ family: "debian", release: "stable" }), tree);
    expect(found.warnings).toEqual([]);
    expect(found.kernel).toBe(`${images}/vmlinuz`);
  });
});

describe("a release's number", () => {
  it.each([
    ["fedora", "18", "fedora-18", "method=http://mirror.example/"],
    ["fedora", "43", "fedora-43", "inst.repo=http://mirror.example/"],
    ["rhel", "6.10", "6", "method=http://mirror.example/"],
    ["centos", "7", "7", "inst.repo=http://mirror.example/"],
  ])("of %s %s is %s", async (family, release, expected, words) => {
    const found = await resolveTree(catalog, requestFor({ family, release }), madeUpTree(PXE).tree);
    expect(found.candidate.release).toBe(expected);
    expect(found.arguments).toBe(words);
  });
});

describe("what cannot be", () => {
  it("is refused before a file is fetched", async () => {
    const { tree, looked } = madeUpTree(["install.amd/xen/vmlinuz", "install.amd/xen/initrd.gz"]);
    const graphical = { repository: "cdrom", graphical: { password: null } };
    const wanted = requestFor({ family: "debianlike", release: "bookworm", installer: graphical });
    await expect(resolveTree(catalog, wanted, tree)).rejects.toMatchObject({ code: "UNSUPPORTED_INSTALL_METHOD" });
    expect(looked).toEqual([]);
  });

  it("lists everything that was tried", async () => {
    const wanted = requestFor({ family: "rhlike", release: "5", arch: "i386" });
    const failure = await resolveTree(catalog, wanted, madeUpTree([]).tree).catch((error: unknown) => String(error));
    for (const path of [".treeinfo", "treeinfo", ...XEN, ...PXE, "isolinux/vmlinuz"]) expect(failure).toContain(path);
    expect(failure).toContain("http://mirror.example/ has no installer of rhlike 5 for i386");
  });

  it("is a support package where the files belong to this host", async () => {
    const { tree } = madeUpTree([]);
    const sources: string[] = [];
    const look = (path: string, source: string) => {
      sources.push(source);
      return tree.look(path, "guest-installer");
    };
    const wanted = requestFor({ family: "rhel41", defaultArch: "i386" });
    await expect(resolveTree(catalog, wanted, { ...tree, look })).rejects.toMatchObject({
      code: "SUPPORT_PACKAGE_MISSING",
    });
    expect(new Set(sources)).toEqual(new Set(["guest-installer"]));
  });

  it("is Ubuntu's archive since 20.10: its ISO is looked at instead", async () => {
    const { tree } = madeUpTree(["casper/vmlinuz", "casper/initrd"]);
    const found = await resolveTree(
      catalog,
      requestFor({ family: "debianlike", release: "24.04", arch: "amd64" }),
      tree,
    );
    expect(found.candidate).toMatchObject({ family: "ubuntuiso", release: "noble" });
  });
});
