/**
 * What is known of the distributions' trees, a row a release, written by hand from their own documentation and from
 * the sources of their installers; not from what our catalog answers.
 */
import { describe, expect, it } from "vitest";
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

function ubuntu(suite: string, version: string): Row[] {
  const at = `${DI(suite, "i386")}/ubuntu-installer/i386`;
  return [
    debianXen(suite, "amd64", version),
    ["debianlike", suite, "i386", "generic", `${at}/linux`, `${at}/initrd.gz`, ""],
  ];
}

const rows: readonly Row[] = [
  debian("etch", "i386"),
  debian("etch", "amd64"),
  debianXen("lenny", "i386"),
  debian("lenny", "amd64"),
  ...["squeeze", "wheezy", "jessie", "stretch", "buster", "bullseye", "bookworm"].flatMap((suite) =>
    ["i386", "amd64"].flatMap((arch) => [debianXen(suite, arch), debian(suite, arch)]),
  ),
  ...["trixie", "forky"].flatMap((suite) => [debianXen(suite, "amd64"), debian(suite, "amd64")]),
  debian("bookworm", "arm64"),
  [
    "debianlike",
    "bookworm",
    "armhf",
    "generic",
    `${DI("bookworm", "armhf")}/vmlinuz`,
    `${DI("bookworm", "armhf")}/initrd.gz`,
    "",
  ],
  [
    "debianlike",
    "bookworm",
    "ppc64el",
    "generic",
    `${DI("bookworm", "ppc64el")}/debian-installer/ppc64el/vmlinux`,
    `${DI("bookworm", "ppc64el")}/debian-installer/ppc64el/initrd.gz`,
    "",
  ],
  [
    "debianlike",
    "bookworm",
    "s390x",
    "generic",
    "dists/bookworm/main/installer-s390x/current/images/generic/kernel.debian",
    "dists/bookworm/main/installer-s390x/current/images/generic/initrd.debian",
    "",
  ],
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
    "hardy 8.04",
    "lucid 10.04",
    "maverick 10.10",
    "precise 12.04",
    "trusty 14.04",
    "xenial 16.04",
    "bionic 18.04",
    "eoan 19.10",
  ].flatMap((line) => ubuntu(line.split(" ")[0] ?? "", line.split(" ")[1] ?? "")),
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
  debian("daedalus", "amd64"),
  debian("kali-rolling", "amd64"),
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
  ...["7", "8", "9"].map((n): Row => [
    "rhlike",
    `fedora-${n}`,
    "i386",
    "xen",
    "images/xen/vmlinuz",
    "images/xen/initrd.img",
    `method=${M}`,
  ]),
  ...["10", "16", "18"].flatMap((n): Row[] => [
    ["rhlike", `fedora-${n}`, "x86_64", "xen", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", `method=${M}`],
    [
      "rhlike",
      `fedora-${n}`,
      "i386",
      "xen",
      "images/pxeboot/vmlinuz-PAE",
      "images/pxeboot/initrd-PAE.img",
      `method=${M}`,
    ],
  ]),
  ...["19", "30", "41", "42", "43"].map((n): Row => [
    "rhlike",
    `fedora-${n}`,
    "x86_64",
    "generic",
    "images/pxeboot/vmlinuz",
    "images/pxeboot/initrd.img",
    `inst.repo=${M}`,
  ]),
  [
    "rhlike",
    "fedora-41",
    "x86_64",
    "generic",
    "releases/41/Everything/x86_64/os/images/pxeboot/vmlinuz",
    "releases/41/Everything/x86_64/os/images/pxeboot/initrd.img",
    `inst.repo=${M}releases/41/Everything/x86_64/os/`,
  ],

  ...["10", "11", "opensuse-11.4"].flatMap((release): Row[] => [
    [
      "sleslike",
      release,
      "i386",
      "xen",
      "boot/i386/vmlinuz-xenpae",
      "boot/i386/initrd-xenpae",
      `install=${M} maxcpus=1`,
    ],
    ["sleslike", release, "i386", "xen", "boot/i386/vmlinuz-xen", "boot/i386/initrd-xen", `install=${M} maxcpus=1`],
    ["sleslike", release, "i386", "generic", "boot/i386/loader/linux", "boot/i386/loader/initrd", `install=${M}`],
    [
      "sleslike",
      release,
      "x86_64",
      "xen",
      "boot/x86_64/vmlinuz-xen",
      "boot/x86_64/initrd-xen",
      `install=${M} maxcpus=1`,
    ],
    ["sleslike", release, "x86_64", "generic", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", `install=${M}`],
  ]),
  ["sleslike", "12", "x86_64", "xen", "boot/x86_64/vmlinuz-xen", "boot/x86_64/initrd-xen", `install=${M} maxcpus=1`],
  ["sleslike", "12sp3", "x86_64", "generic", "boot/x86_64/loader/linux", "boot/x86_64/loader/initrd", `install=${M}`],
  [
    "sleslike",
    "leap-42.3",
    "x86_64",
    "xen",
    "boot/x86_64/vmlinuz-xen",
    "boot/x86_64/initrd-xen",
    `install=${M} maxcpus=1`,
  ],
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
  ...["16", "leap-16.0"].map((release): Row => [
    "sleslike",
    release,
    "x86_64",
    "generic",
    "boot/x86_64/loader/linux",
    "boot/x86_64/loader/initrd",
    `root=live:${M}LiveOS/squashfs.img rd.neednet=1 inst.install_url=${M}`,
  ]),

  [
    "mageia",
    "9",
    "x86_64",
    "generic",
    "isolinux/x86_64/vmlinuz",
    "isolinux/x86_64/all.rdz",
    "automatic=method:http,network:dhcp,server:mirror.example,directory:/",
  ],
  ...["lts", "virt"].map((kind): Row => [
    "alpine",
    "v3.20",
    "x86_64",
    "generic",
    `v3.20/releases/x86_64/netboot/vmlinuz-${kind}`,
    `v3.20/releases/x86_64/netboot/initramfs-${kind}`,
    `alpine_repo=${M}v3.20/main modloop=${M}v3.20/releases/x86_64/netboot/modloop-${kind} modules=loop,squashfs ip=dhcp`,
  ]),
  [
    "arch",
    "2026.08.01",
    "x86_64",
    "generic",
    "iso/2026.08.01/arch/boot/x86_64/vmlinuz-linux",
    "iso/2026.08.01/arch/boot/x86_64/initramfs-linux.img",
    `archisobasedir=arch archiso_http_srv=${M}iso/2026.08.01/ ip=dhcp cms_verify=y`,
  ],
  ["xenserver", "6.2.0", "x86_64", "xen", "boot/vmlinuz", "install.img", ""],
];

describe("a tree of", () => {
  it.each(rows)("%s %s %s has its %s kernel at %s", async (family, release, arch, flavour, kernel, ramdisk, words) => {
    const { tree } = madeUpTree([kernel, ramdisk]);
    const found = await resolveTree(catalog, requestFor({ family, release, arch, flavour }), tree);
    expect(found).toMatchObject({ kernel, ramdisks: [ramdisk], arguments: words });
    expect(found.candidate).toMatchObject({ family, flavour });
    expect(found.warnings).toEqual([]);
  });

  it.each([
    ["18.04 desktop", "casper/vmlinuz", "casper/initrd.lz"],
    ["22.04 server", "casper/vmlinuz", "casper/initrd"],
    ["22.04 server", "casper/hwe-vmlinuz", "casper/hwe-initrd"],
  ])("Ubuntu's ISO (%s) has casper's kernel, which finds its own CD", async (_which, kernel, ramdisk) => {
    const installer = { repository: "cdrom", graphical: null };
    const wanted = requestFor({ family: "ubuntu", arch: "amd64", installer });
    const found = await resolveTree(catalog, wanted, madeUpTree([kernel, ramdisk]).tree);
    expect(found).toMatchObject({ kernel, ramdisks: [ramdisk], arguments: "" });
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
