/**
 * What is known of the distributions' trees, a row a release, written by hand from their own documentation and from
 * the sources of their installers; not from what our catalog answers.
 */
import { describe, expect, it } from "vitest";
import { namedRelease } from "../../src/distro/release-name.ts";
import { resolveTree } from "../../src/distro/resolve.ts";
import { catalog, madeUpTree, requestFor } from "./tree.ts";

const M = "http://mirror.example/";

type Row = readonly [
  family: string,
  release: string,
  arch: string,
  flavour: "xen" | "generic",
  kernel: string,
  ramdisk: string,
  words: string,
];

const DI = (suite: string, arch: string) => `dists/${suite}/main/installer-${arch}/current/images/netboot`;

function debianXen(suite: string, arch: string, name = suite): Row {
  const at = `${DI(suite, arch)}/xen`;
  return ["debianlike", name, arch, "xen", `${at}/vmlinuz`, `${at}/initrd.gz`, ""];
}

function debian(suite: string, arch: string): Row {
  const at = `${DI(suite, arch)}/debian-installer/${arch}`;
  return ["debianlike", suite, arch, "generic", `${at}/linux`, `${at}/initrd.gz`, ""];
}

/** The architectures that never had a Xen kernel of the tree's own. */
function debianElsewhere(suite: string): Row[] {
  const rows: readonly (readonly [arch: string, kernel: string, ramdisk: string])[] = [
    ["arm64", "netboot/debian-installer/arm64/linux", "netboot/debian-installer/arm64/initrd.gz"],
    ["armhf", "netboot/vmlinuz", "netboot/initrd.gz"],
    ["ppc64el", "netboot/debian-installer/ppc64el/vmlinux", "netboot/debian-installer/ppc64el/initrd.gz"],
    ["s390x", "generic/kernel.debian", "generic/initrd.debian"],
  ];
  return rows.map(([arch, kernel, ramdisk]) => {
    const at = `dists/${suite}/main/installer-${arch}/current/images`;
    return ["debianlike", suite, arch, "generic", `${at}/${kernel}`, `${at}/${ramdisk}`, ""];
  });
}

/** Up to 19.10; named by suite and by version, as both are in use. */
function ubuntu(line: string): Row[] {
  const [suite = "", version = ""] = line.split(" ");
  return ["i386", "amd64"].flatMap((arch): Row[] => {
    const at = `${DI(suite, arch)}/ubuntu-installer/${arch}`;
    return [
      debianXen(suite, arch, version),
      ["debianlike", suite, arch, "generic", `${at}/linux`, `${at}/initrd.gz`, ""],
    ];
  });
}

/** Its own Xen kernel up to 9, the one kernel for all since then, with PAE in a file of its own on i386. */
function fedora(version: number): Row[] {
  const words = `${version < 19 ? "method" : "inst.repo"}=${M}`;
  const row = (arch: string, flavour: Row[3], kernel: string, ramdisk: string): Row => {
    return ["rhlike", `fedora-${version}`, arch, flavour, kernel, ramdisk, words];
  };
  const at = version < 10 ? "images/xen" : "images/pxeboot";
  const pae = version < 10 ? "" : "-PAE";
  // Since 26 nothing is made for i386 any more that could be installed from.
  const i386 = version > 25 ? [] : [row("i386", "xen", `${at}/vmlinuz${pae}`, `${at}/initrd${pae}.img`)];
  return [
    ...i386,
    row("x86_64", "xen", `${at}/vmlinuz`, `${at}/initrd.img`),
    row("x86_64", "generic", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"),
  ];
}

/** A tree with Xen kernels of its own. */
function suseWithXen(release: string, arches: readonly string[] = ["i386", "x86_64"]): Row[] {
  return arches.flatMap((arch): Row[] => {
    const at = `boot/${arch}`;
    const xen = (suffix: string): Row => {
      const words = `install=${M} maxcpus=1`;
      return ["sleslike", release, arch, "xen", `${at}/vmlinuz-${suffix}`, `${at}/initrd-${suffix}`, words];
    };
    const generic: Row = [
      ...(["sleslike", release, arch, "generic"] as const),
      ...([`${at}/loader/linux`, `${at}/loader/initrd`, `install=${M}`] as const),
    ];
    return arch === "i386" ? [xen("xenpae"), xen("xen"), generic] : [xen("xen"), generic];
  });
}

function suseWithoutXen(release: string, words = `install=${M}`): Row {
  return ["sleslike", release, "x86_64", "generic", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", words];
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_each, at) => first + at);
}

const rows: readonly Row[] = [
  debian("etch", "i386"),
  debian("etch", "amd64"),
  debianXen("lenny", "i386"),
  debian("lenny", "i386"),
  debian("lenny", "amd64"),
  ...["squeeze", "wheezy", "jessie", "stretch", "buster", "bullseye", "bookworm"].flatMap((suite) =>
    ["i386", "amd64"].flatMap((arch) => [debianXen(suite, arch), debian(suite, arch)]),
  ),
  ...["trixie", "forky"].flatMap((suite) => [debianXen(suite, "amd64"), debian(suite, "amd64")]),
  ...["jessie", "stretch", "buster", "bullseye", "bookworm"].flatMap(debianElsewhere),
  ...["trixie", "forky"].flatMap(debianElsewhere),
  ["debianlike", "squeeze", "i386", "xen", "install.386/xen/vmlinuz", "install.386/xen/initrd.gz", ""],
  ["debianlike", "squeeze", "amd64", "xen", "install.amd/xen/vmlinuz", "install.amd/xen/initrd.gz", ""],
  ["debianlike", "bookworm", "amd64", "generic", "install.amd/vmlinuz", "install.amd/initrd.gz", ""],
  ["debianlike", "bookworm", "arm64", "generic", "install.a64/vmlinuz", "install.a64/initrd.gz", ""],
  ["debianlike", "bookworm", "ppc64el", "generic", "install/vmlinux", "install/initrd.gz", ""],
  ["debianlike", "bookworm", "s390x", "generic", "boot/linux_vm", "boot/root.bin", ""],
  [
    "debianlike",
    "daily",
    "amd64",
    "generic",
    "amd64/daily/netboot/debian-installer/amd64/linux",
    "amd64/daily/netboot/debian-installer/amd64/initrd.gz",
    "",
  ],
  ...[
    "dapper 6.06",
    "edgy 6.10",
    "feisty 7.04",
    "gutsy 7.10",
    "hardy 8.04",
    "intrepid 8.10",
    "jaunty 9.04",
    "karmic 9.10",
    "lucid 10.04",
    "maverick 10.10",
    "natty 11.04",
    "oneiric 11.10",
    "precise 12.04",
    "quantal 12.10",
    "raring 13.04",
    "saucy 13.10",
    "trusty 14.04",
    "utopic 14.10",
    "vivid 15.04",
    "wily 15.10",
    "xenial 16.04",
    "yakkety 16.10",
    "zesty 17.04",
    "artful 17.10",
    "bionic 18.04",
    "cosmic 18.10",
    "disco 19.04",
    "eoan 19.10",
  ].flatMap(ubuntu),
  [
    "debianlike",
    "trusty",
    "amd64",
    "xen",
    `${DI("trusty-updates", "amd64")}/xen/vmlinuz`,
    `${DI("trusty-updates", "amd64")}/xen/initrd.gz`,
    "",
  ],
  [
    "debianlike",
    "focal",
    "amd64",
    "xen",
    "dists/focal/main/installer-amd64/current/legacy-images/netboot/xen/vmlinuz",
    "dists/focal/main/installer-amd64/current/legacy-images/netboot/xen/initrd.gz",
    "",
  ],
  [
    "debianlike",
    "focal",
    "amd64",
    "generic",
    "dists/focal/main/installer-amd64/current/legacy-images/netboot/ubuntu-installer/amd64/linux",
    "dists/focal/main/installer-amd64/current/legacy-images/netboot/ubuntu-installer/amd64/initrd.gz",
    "",
  ],
  ...["ascii", "beowulf", "chimaera", "daedalus", "excalibur"].map((suite) => debian(suite, "amd64")),
  debian("kali-rolling", "amd64"),
  debian("kali-rolling", "arm64"),
  ["debianlike", "bookworm", "amd64", "xen", "install/netboot/xen/vmlinuz", "install/netboot/xen/initrd.gz", ""],
  [
    "debianlike",
    "xenial",
    "amd64",
    "generic",
    "install/netboot/ubuntu-installer/amd64/linux",
    "install/netboot/ubuntu-installer/amd64/initrd.gz",
    "",
  ],
  ["debianlike", "ucs", "amd64", "generic", "debian-installer/amd64/linux", "debian-installer/amd64/initrd.gz", ""],

  ["rhlike", "4", "i386", "generic", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", `method=${M}`],
  ["rhlike", "5", "i386", "xen", "images/xen/vmlinuz", "images/xen/initrd.img", `method=${M}`],
  ["rhlike", "5", "x86_64", "xen", "images/xen/vmlinuz", "images/xen/initrd.img", `method=${M}`],
  ["rhlike", "5", "x86_64", "generic", "isolinux/vmlinuz", "isolinux/initrd.img", `method=${M}`],
  ["rhlike", "6", "i386", "xen", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", `method=${M}`],
  ["rhlike", "6", "x86_64", "xen", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", `method=${M}`],
  ["rhlike", "7", "x86_64", "xen", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", `inst.repo=${M}`],
  [
    "rhlike",
    "8",
    "x86_64",
    "generic",
    "BaseOS/x86_64/os/images/pxeboot/vmlinuz",
    "BaseOS/x86_64/os/images/pxeboot/initrd.img",
    `inst.repo=${M}BaseOS/x86_64/os/`,
  ],
  ["rhlike", "9", "aarch64", "generic", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", `inst.repo=${M}`],
  [
    "rhlike",
    "9",
    "x86_64",
    "generic",
    "baseos/latest/x86_64/images/pxeboot/vmlinuz",
    "baseos/latest/x86_64/images/pxeboot/initrd.img",
    `inst.repo=${M}baseos/latest/x86_64/`,
  ],
  ["rhlike", "10", "x86_64", "generic", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", `inst.repo=${M}`],
  ["rhlike", "4", "x86_64", "generic", "isolinux/vmlinuz", "isolinux/initrd.img", `method=${M}`],
  ["rhlike", "5", "i386", "generic", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", `method=${M}`],
  ["rhlike", "6", "x86_64", "generic", "isolinux/vmlinuz", "isolinux/initrd.img", `method=${M}`],
  ["rhlike", "7", "x86_64", "generic", "isolinux/vmlinuz", "isolinux/initrd.img", `inst.repo=${M}`],
  [
    "rhlike",
    "10",
    "aarch64",
    "generic",
    "BaseOS/aarch64/os/images/pxeboot/vmlinuz",
    "BaseOS/aarch64/os/images/pxeboot/initrd.img",
    `inst.repo=${M}BaseOS/aarch64/os/`,
  ],
  ...range(7, 44).flatMap(fedora),
  [
    "rhlike",
    "fedora-30",
    "x86_64",
    "xen",
    "releases/30/Server/x86_64/os/images/pxeboot/vmlinuz",
    "releases/30/Server/x86_64/os/images/pxeboot/initrd.img",
    `inst.repo=${M}releases/30/Server/x86_64/os/`,
  ],
  [
    "rhlike",
    "fedora-41",
    "x86_64",
    "generic",
    "releases/41/Everything/x86_64/os/images/pxeboot/vmlinuz",
    "releases/41/Everything/x86_64/os/images/pxeboot/initrd.img",
    `inst.repo=${M}releases/41/Everything/x86_64/os/`,
  ],

  ...["9", "10", "10sp1", "10sp4", "11", "11sp1", "11sp4"].flatMap((release) => suseWithXen(release)),
  ...["10.2", "10.3", "11.0", "11.4", "12.1", "12.3", "13.1", "13.2"].flatMap((n) => suseWithXen(`opensuse-${n}`)),
  ...["12", "12sp1", "12sp2", "leap-42.1", "leap-42.3"].flatMap((release) => suseWithXen(release, ["x86_64"])),
  ...["12sp3", "12sp5", "15sp1", "15sp7", "leap-15.0"].map((release) => suseWithoutXen(release)),
  ["sleslike", "opensuse-10.1", "x86_64", "generic", "boot/loader/linux64", "boot/loader/initrd64", `install=${M}`],
  ["sleslike", "opensuse-10.0", "i386", "generic", "boot/loader/linux", "boot/loader/initrd", `install=${M}`],
  ...["15", "leap-15.6", "tumbleweed"].flatMap((release): Row[] => [
    ["sleslike", release, "x86_64", "generic", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", `install=${M}`],
    ["sleslike", release, "aarch64", "generic", "boot/aarch64/linux", "boot/aarch64/initrd", `install=${M}`],
    ["sleslike", release, "s390x", "generic", "boot/s390x/linux", "boot/s390x/initrd", `install=${M}`],
    ["sleslike", release, "ppc64le", "generic", "boot/ppc64le/linux", "boot/ppc64le/initrd", `install=${M}`],
  ]),
  ["sleslike", "11", "s390x", "generic", "boot/s390x/vmrdr.ikr", "boot/s390x/initrd", `install=${M}`],
  ["sleslike", "11", "ppc64", "generic", "suseboot/linux64", "suseboot/initrd64", `install=${M}`],
  ...["16", "leap-16.0"].map((release) =>
    suseWithoutXen(release, `root=live:${M}LiveOS/squashfs.img rd.neednet=1 inst.install_url=${M}`),
  ),

  ...range(1, 9).flatMap((n) =>
    [["x86_64", "x86_64"] as const, ["i386", "i586"] as const].map(([arch, folder]): Row => [
      "mageia",
      `${n}`,
      arch,
      "generic",
      `isolinux/${folder}/vmlinuz`,
      `isolinux/${folder}/all.rdz`,
      "automatic=method:http,network:dhcp,server:mirror.example,directory:/",
    ]),
  ),
  ...["latest-stable", "edge", ...range(12, 23).map((n) => `v3.${n}`)].flatMap((release) =>
    ["lts", "virt"].flatMap((kind) =>
      [["x86_64", "x86_64"] as const, ["i386", "x86"] as const, ["aarch64", "aarch64"] as const].map(
        ([arch, folder]): Row => [
          "alpine",
          release,
          arch,
          "generic",
          `${release}/releases/${folder}/netboot/vmlinuz-${kind}`,
          `${release}/releases/${folder}/netboot/initramfs-${kind}`,
          `alpine_repo=${M}${release}/main modloop=${M}${release}/releases/${folder}/netboot/modloop-${kind} modules=loop,squashfs ip=dhcp`,
        ],
      ),
    ),
  ),
  [
    "arch",
    "2026.08.01",
    "x86_64",
    "generic",
    "iso/2026.08.01/arch/boot/x86_64/vmlinuz-linux",
    "iso/2026.08.01/arch/boot/x86_64/initramfs-linux.img",
    `archisobasedir=arch archiso_http_srv=${M}iso/2026.08.01/ ip=dhcp cms_verify=y`,
  ],
  [
    "arch",
    "latest",
    "x86_64",
    "generic",
    "arch/boot/x86_64/vmlinuz-linux",
    "arch/boot/x86_64/initramfs-linux.img",
    `archisobasedir=arch archiso_http_srv=${M} ip=dhcp cms_verify=y`,
  ],
  ["xenserver", "6.2.0", "x86_64", "xen", "boot/vmlinuz", "install.img", ""],
];

/** Since 20.10 the archive has no installer any more; before that, both. */
const UBUNTU_ISOS = [
  ...["bionic", "focal", "groovy", "hirsute", "impish", "jammy", "kinetic"],
  ...["lunar", "mantic", "noble", "oracular", "plucky", "questing"],
];

describe("a tree of", () => {
  it.each(rows)("%s %s %s has its %s kernel at %s", async (family, release, arch, flavour, kernel, ramdisk, words) => {
    const { tree } = madeUpTree([kernel, ramdisk]);
    const found = await resolveTree(catalog, requestFor({ family, release, arch, flavour }), tree);
    expect(found).toMatchObject({ kernel, ramdisks: [ramdisk], arguments: words });
    expect(found.candidate).toMatchObject({ family, flavour });
    expect(found.warnings).toEqual([]);
  });

  it.each<readonly [release: string, kernel: string, ramdisk: string]>([
    ...UBUNTU_ISOS.map((release) => [release, "casper/vmlinuz", "casper/initrd"] as const),
    ["18.04", "casper/vmlinuz", "casper/initrd.lz"],
    ["22.04", "casper/hwe-vmlinuz", "casper/hwe-initrd"],
  ])("Ubuntu %s's ISO has casper's kernel, which finds its own CD", async (release, kernel, ramdisk) => {
    const installer = { repository: "cdrom", graphical: null };
    for (const family of ["ubuntu", "debianlike"]) {
      const wanted = requestFor({ family, release, arch: "amd64", installer });
      const found = await resolveTree(catalog, wanted, madeUpTree([kernel, ramdisk]).tree);
      const isOlder = family === "debianlike" && ["18.04", "bionic", "focal"].includes(release);
      expect(found).toMatchObject({ kernel, ramdisks: [ramdisk], arguments: "" });
      expect(found.candidate.family).toBe(isOlder ? "debianlike" : "ubuntuiso");
    }
  });

  it("every release that the catalog lists stands in one of the tables above", () => {
    const inTables = [...rows, ...UBUNTU_ISOS.map((release) => ["ubuntuiso", release] as const)];
    for (const family of catalog.filter(({ files }) => files === "repository")) {
      const mine = inTables.filter(([name]) => name === family.family);
      const named = new Set(mine.map(([, release]) => namedRelease(family, release).release));
      const listed = family.releases.filter(({ family: moved }) => moved === undefined);
      expect(listed.map(({ release }) => release).filter((release) => !named.has(release))).toEqual([]);
    }
  });
});

describe("graphical installation over the network is spelled", () => {
  it.each([
    ["rhlike", "4", "vnc vncpassword=secret"],
    ["rhlike", "6", "vnc vncpassword=secret"],
    ["rhlike", "7", "inst.vnc inst.vncpassword=secret"],
    ["rhlike", "9", "inst.vnc inst.vncpassword=secret"],
    ["rhlike", "10", "inst.rdp inst.rdp.username=install inst.rdp.password=secret"],
    ["rhlike", "fedora-18", "vnc vncpassword=secret"],
    ["rhlike", "fedora-41", "inst.vnc inst.vncpassword=secret"],
    ["rhlike", "fedora-42", "inst.rdp inst.rdp.username=install inst.rdp.password=secret"],
    ["sleslike", "11", "vnc=1 vncpassword=secret"],
    ["sleslike", "15", "vnc=1 vncpassword=secret"],
  ])("for %s %s: %s", async (family, release, words) => {
    const { tree } = madeUpTree([
      "images/pxeboot/vmlinuz",
      "images/pxeboot/initrd.img",
      "boot/x86_64/loader/linux",
      "boot/x86_64/loader/initrd",
    ]);
    const installer = { repository: M, graphical: { password: "secret" } };
    const wanted = requestFor({ family, release, arch: "x86_64", flavour: "generic", installer });
    expect((await resolveTree(catalog, wanted, tree)).arguments).toMatch(new RegExp(` ${words}$`));
  });

  it.each([
    ["debianlike", "bookworm"],
    ["sleslike", "16"],
    ["alpine", "v3.20"],
    ["arch", "latest"],
    ["mageia", "9"],
    ["ubuntuiso", "noble"],
  ])("not at all for %s %s", async (family, release) => {
    const installer = { repository: M, graphical: { password: null } };
    const wanted = requestFor({ family, release, arch: "x86_64", installer });
    await expect(resolveTree(catalog, wanted, madeUpTree([]).tree)).rejects.toMatchObject({
      code: "UNSUPPORTED_INSTALL_METHOD",
      message: expect.stringContaining("no graphical mode over the network") as unknown,
    });
  });
});
