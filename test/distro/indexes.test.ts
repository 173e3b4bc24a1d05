import { describe, expect, it } from "vitest";
import { readDebianRelease } from "../../src/distro/debian-release.ts";
import { readDiskInfo } from "../../src/distro/disk-info.ts";
import { indexPath } from "../../src/distro/index-path.ts";
import { readIni } from "../../src/distro/ini.ts";
import { readSuseContent } from "../../src/distro/suse-content.ts";
import { readSuseProducts } from "../../src/distro/suse-products.ts";
import { readTreeinfo } from "../../src/distro/treeinfo.ts";
import { readXsPackages, readXsRepository } from "../../src/distro/xs-repository.ts";

const SHA = "0123456789abcdef".repeat(4);

describe("a path in an index", () => {
  it.each(["/etc/passwd", "../x", "a/../../x", "a/%2e%2E/x", "//host/x", "http://host/x", "a\\b", "a\nb", "", "."])(
    "%j is refused by the name of the index",
    (path) => {
      expect(() => indexPath(path, "images/.treeinfo")).toThrow(/^images\/\.treeinfo names ".*", which /);
    },
  );

  it("is cleaned of what says nothing", () => {
    expect(indexPath("./images//xen/./vmlinuz", "i")).toBe("images/xen/vmlinuz");
    expect(indexPath("a..b/..c", "i")).toBe("a..b/..c");
  });
});

describe(".treeinfo", () => {
  it("is read with its comments, colons, dots and hyphens", () => {
    const text = `; WARNING.0 = This section provides compatibility.
# a comment
[general]
family = CentOS
version: 6.10
arch = x86_64

[images-x86_64]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img

[images-xen]
kernel: images/pxeboot/vmlinuz
initrd: images/pxeboot/initrd.img
[variant-AppStream.x]
repository = ../../../AppStream/x86_64/os
[checksums]
images/pxeboot/vmlinuz = sha256:${SHA}
images/pxeboot/initrd.img: sha256:${SHA}
images/old = sha:${SHA.slice(0, 40)}
`;
    const info = readTreeinfo(text.replaceAll("\n", "\r\n"), ".treeinfo");
    expect(info).toMatchObject({ family: "CentOS", version: "6.10", arch: "x86_64" });
    expect(info.images.map((each) => each.platform)).toEqual(["x86_64", "xen"]);
    expect(info.images[1]).toMatchObject({ kernel: "images/pxeboot/vmlinuz", ramdisk: "images/pxeboot/initrd.img" });
    expect([...info.digests]).toEqual([
      ["images/pxeboot/vmlinuz", `sha256:${SHA}`],
      ["images/pxeboot/initrd.img", `sha256:${SHA}`],
    ]);
  });

  it("needs no [general]: [release] and [tree] say the same", () => {
    const text =
      "[header]\nversion = 1.2\n[release]\nname = Fedora\nshort = Fedora\nversion = 30\n[tree]\narch = x86_64\n";
    expect(readTreeinfo(text, "t")).toMatchObject({ family: "Fedora", version: "30", arch: "x86_64", images: [] });
  });

  it("is refused when it leads out of the tree", () => {
    const text = "[images-xen]\nkernel = ../../../etc/shadow\ninitrd = i\n";
    expect(() => readTreeinfo(text, ".treeinfo")).toThrow(/\.treeinfo names ".*shadow", which leads out/);
    expect(() => readTreeinfo("[checksums]\nhttp://evil/x = sha256:1\n", "t")).not.toThrow();
    expect(() => readTreeinfo(`[checksums]\n//evil/x = sha256:${SHA}\n`, "t")).toThrow(/another host/);
  });

  it("does not trip over names that every object has, nor over nonsense", () => {
    const sections = readIni("[__proto__]\nconstructor = 1\ntoString\n=x\n[a\n[b]]\nk = v\n", "t");
    expect(sections.get("__proto__")?.get("constructor")).toBe("1");
    expect(sections.get("b")?.get("k")).toBe("v");
    expect(readTreeinfo("\u0000\u0001[[[", "t").images).toEqual([]);
  });

  it("ends in bounded time", () => {
    expect(() => readIni("\n".repeat(100_001), "t")).toThrow(/more than 100000 lines in t/);
    expect(readIni(`[a]\n${"x".repeat(3_000_000)}`, "t").size).toBe(1);
  });
});

describe("SUSE's content", () => {
  it("tells product, version, architectures and digests", () => {
    const text = `CONTENTSTYLE 11
LABEL SUSE Linux Enterprise Server 11 SP3
VERSION 11.3-1.138
BASEARCHS i686 x86_64
META SHA1 ${SHA.slice(0, 40)}  packages.gz
HASH SHA1 ${SHA.slice(0, 40)}  boot/x86_64/vmlinuz-xen
HASH SHA256 ${SHA}  boot/x86_64/initrd-xen
KEY SHA1 ${SHA.slice(0, 40)}  gpg-pubkey-307e3d54-4be01a65.asc
`;
    const content = readSuseContent(text, "content");
    expect(content).toMatchObject({ label: "SUSE Linux Enterprise Server 11 SP3", arches: ["i686", "x86_64"] });
    expect([...content.files]).toEqual([
      ["boot/x86_64/vmlinuz-xen", `sha1:${SHA.slice(0, 40)}`],
      ["boot/x86_64/initrd-xen", `sha256:${SHA}`],
    ]);
  });

  it("may not list files of others", () => {
    expect(() => readSuseContent(`HASH SHA256 ${SHA}  ../../etc/shadow\n`, "content")).toThrow(/content names/);
  });
});

describe("SUSE's media.1/products", () => {
  it("has a product a line", () => {
    expect(readSuseProducts("/ SLES11-SP3 11.3-1.12\n/ openSUSE 13.1-1.10\nnonsense\n", "p")).toEqual([
      { folder: "/", name: "SLES11-SP3", version: "11.3" },
      { folder: "/", name: "openSUSE", version: "13.1" },
    ]);
  });
});

describe("Debian's Release", () => {
  it("tells suite, codename, architectures and the installers with their digests", () => {
    const text = `Origin: Debian
Label: Debian
Suite: oldstable
Version: 11.8
Codename: bullseye
Architectures: all amd64 arm64 i386
MD5Sum:
 0123456789abcdef0123456789abcdef    12345 main/installer-amd64/current/images/MD5SUMS
SHA256:
 ${SHA}    12345 main/binary-amd64/Packages
 ${SHA}    74442 main/installer-amd64/20210731+deb11u5/images/SHA256SUMS
 ${SHA}    74442 main/installer-amd64/current/images/SHA256SUMS
 ${SHA}    1 main/installer-amd64/current/legacy-images/SHA256SUMS
`;
    const release = readDebianRelease(text, "dists/bullseye/Release");
    expect(release).toMatchObject({ origin: "Debian", suite: "oldstable", codename: "bullseye", version: "11.8" });
    expect(release.architectures).toContain("i386");
    expect(release.installers.map(({ arch, build, folder }) => [arch, build, folder])).toEqual([
      ["amd64", "20210731+deb11u5", "images"],
      ["amd64", "current", "images"],
      ["amd64", "current", "legacy-images"],
    ]);
    expect(release.installers[1]?.digest).toBe(`sha256:${SHA}`);
  });
});

describe(".disk/info", () => {
  it.each([
    [
      'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210-11:27',
      "Debian GNU/Linux",
      "12.5.0",
      "bookworm",
      "amd64",
    ],
    [
      'Ubuntu-Server 22.04.3 LTS "Jammy Jellyfish" - Release amd64 (20230810)',
      "Ubuntu-Server",
      "22.04.3",
      "jammy",
      "amd64",
    ],
    ['Ubuntu 12.04.5 LTS "Precise Pangolin" - Release i386 (20140807.1)', "Ubuntu", "12.04.5", "precise", "i386"],
  ])("%s", (line, product, version, codename, arch) => {
    expect(readDiskInfo(`${line}\n`)).toEqual({ product, version, codename, arch });
  });

  it("is nothing where the line is something else", () => {
    expect(readDiskInfo("")).toBeNull();
    expect(readDiskInfo("a".repeat(5000))).toBeNull();
  });
});

describe("a XenServer repository", () => {
  const md5 = "0123456789abcdef0123456789abcdef";

  it("is four lines, and a line a package", () => {
    expect(readXsRepository("xs:main\nBase Pack\nXenServer\n6.2.0\n", "XS-REPOSITORY")).toEqual({
      id: "xs:main",
      name: "Base Pack",
      targetProduct: "XenServer",
      targetVersion: "6.2.0",
    });
    const packages = readXsPackages(
      `base 12345 ${md5} tbz2 required packages/base.tar.bz2 /\ndrv 5 ${md5} driver drv.ko /lib/modules/\${KERNEL_VERSION}/extra\nfw 6 ${md5} firmware fw.bin\n`,
      "XS-PACKAGES",
    );
    expect(packages).toEqual([
      { name: "base", size: 12345, md5, type: "tbz2", required: true, file: "packages/base.tar.bz2", destination: "/" },
      {
        name: "drv",
        size: 5,
        md5,
        type: "driver",
        file: "drv.ko",
        destination: "/lib/modules/${KERNEL_VERSION}/extra",
      },
      { name: "fw", size: 6, md5, type: "firmware", destination: "fw.bin" },
    ]);
  });

  it.each([
    ["id", "no colon\nn\np\n1.0\n"],
    ["version", "a:b\nn\np\nnew\n"],
    ["too short", "a:b\nn\n"],
    ["too long", "a:b\nn\np\n1.0\nmore\n"],
  ])("is refused with a wrong %s", (_what, text) => {
    expect(() => readXsRepository(text, "XS-REPOSITORY")).toThrow(
      /XS-REPOSITORY is no index of a XenServer repository: line [1-5]/,
    );
  });

  it.each(["x y", `x 1 ${md5} tbz2 maybe f /`, `x -1 ${md5} firmware f`, "x 1 nomd5 firmware f", `x 1 ${md5} rpm f`])(
    "is refused with the package %j",
    (line) => {
      expect(() => readXsPackages(`${line}\n`, "XS-PACKAGES")).toThrow(/XS-PACKAGES .* line 1/);
    },
  );
});
