/**
 * Every Linux template with PV_bootloader=eliloader that XenServer 5 to 8 shipped, as its users start it: the record
 * is all there is. Names, other-config and PV_args as the toolstack's own list of templates has them.
 */
import { describe, expect, it } from "vitest";
import { findFamily } from "../../src/distro/catalog.ts";
import { readInstallRequest } from "../../src/distro/install-request.ts";
import { resolveTree } from "../../src/distro/resolve.ts";
import { planRound } from "../../src/pipeline/plan.ts";
import type { VmRecord } from "../../src/toolstack/vm-record.ts";
import { catalog, madeUpTree } from "./tree.ts";

interface Template {
  readonly name: string;
  readonly config: Readonly<Record<string, string>>;
  readonly PV_args: string;
  /** What its vendor's tree holds. */
  readonly kernel: string;
  readonly ramdisk: string;
  readonly network: string;
  readonly cdrom: string;
}

const EL_ARGS = "graphical utf8";
const SLES_ARGS = "console=ttyS0 xencons=ttyS";
const DEBIAN_ARGS = "-- quiet console=hvc0";

/** These carry no architecture: the tree knows it. */
function el(name: string, folder: "xen" | "pxeboot"): Template {
  const at = `images/${folder}`;
  const config = { "install-distro": "rhlike", "install-methods": "cdrom,nfs,http,ftp" };
  const network = "method=http://mirror.example/tree/";
  return { name, config, PV_args: EL_ARGS, kernel: `${at}/vmlinuz`, ramdisk: `${at}/initrd.img`, network, cdrom: "" };
}

function sles(name: string, arch: "i386" | "x86_64"): Template {
  const suffix = arch === "i386" ? "xenpae" : "xen";
  return {
    name: `${name} (${arch})`,
    config: { "install-distro": "sleslike", "install-arch": arch, "install-methods": "cdrom,nfs,http,ftp" },
    PV_args: SLES_ARGS,
    kernel: `boot/${arch}/vmlinuz-${suffix}`,
    ramdisk: `boot/${arch}/initrd-${suffix}`,
    network: "install=http://mirror.example/tree/ maxcpus=1",
    cdrom: "install=hd maxcpus=1",
  };
}

function debian(name: string, release: string, arch: "i386" | "amd64", PV_args = DEBIAN_ARGS): Template {
  const at = `dists/${release}/main/installer-${arch}/current/images/netboot/xen`;
  return {
    name: `${name} (${arch})`,
    config: {
      "install-distro": "debianlike",
      "install-arch": arch,
      "debian-release": release,
      "install-methods": "http,ftp",
    },
    PV_args,
    kernel: `${at}/vmlinuz`,
    ramdisk: `${at}/initrd.gz`,
    network: "",
    cdrom: "",
  };
}

const both = ["i386", "x86_64"] as const;
const bothDebian = ["i386", "amd64"] as const;

const templates: readonly Template[] = [
  ...["4.5", "4.6", "4.7", "4.8"].flatMap((v) => [
    el(`Red Hat Enterprise Linux ${v} (32-bit)`, "xen"),
    el(`CentOS ${v} (32-bit)`, "xen"),
  ]),
  ...["(32-bit)", "(64-bit)"].flatMap((bits) => [
    ...["Red Hat Enterprise Linux", "CentOS", "Oracle Enterprise Linux", "Scientific Linux"].flatMap((vendor) => [
      el(`${vendor} 5 ${bits}`, "xen"),
      el(`${vendor} 6 ${bits}`, "pxeboot"),
    ]),
  ]),
  ...["10 SP1", "10 SP2", "10 SP3", "10 SP4", "11", "11 SP1", "11 SP2", "11 SP3", "11 SP4"].flatMap((v) =>
    both.map((arch) => sles(`SUSE Linux Enterprise Server ${v}`, arch)),
  ),
  sles("SUSE Linux Enterprise Desktop 11 SP3", "x86_64"),
  ...["12", "12 SP1", "12 SP2"].flatMap((v) => [
    sles(`SUSE Linux Enterprise Server ${v}`, "x86_64"),
    sles(`SUSE Linux Enterprise Desktop ${v}`, "x86_64"),
  ]),
  debian("Debian Lenny 5.0", "lenny", "i386"),
  ...bothDebian.flatMap((arch) => [
    debian("Debian Squeeze 6.0", "squeeze", arch),
    debian("Debian Wheezy 7.0", "wheezy", arch),
    debian("Ubuntu Lucid Lynx 10.04", "lucid", arch),
    debian("Ubuntu Maverick Meerkat 10.10", "maverick", arch),
  ]),
  debian(
    "Ubuntu Precise Pangolin 12.04",
    "precise",
    "i386",
    `${DEBIAN_ARGS} d-i:base-installer/kernel/image=linux-generic-pae`,
  ),
  debian("Ubuntu Precise Pangolin 12.04", "precise", "amd64"),
  {
    name: "Xen API SDK",
    config: {
      "install-distro": "pygrub",
      "install-methods": "cdrom,http,ftp",
      "install-kernel": "vmlinuz",
      "install-ramdisk": "install.img",
    },
    PV_args: "xencons=hvc console=hvc0 install answerfile=file:///sdk.answerfile",
    kernel: "vmlinuz",
    ramdisk: "install.img",
    network: "",
    cdrom: "",
  },
];

function recordOf(template: Template, repository: string): VmRecord {
  return {
    uuid: "11111111-2222-3333-4444-555555555555",
    name_label: template.name,
    PV_bootloader: "eliloader",
    PV_bootloader_args: "",
    PV_args: template.PV_args,
    PV_kernel: "",
    PV_ramdisk: "",
    other_config: { ...template.config, "install-repository": repository },
    VBDs: [],
  };
}

async function installerOf(template: Template, repository: string) {
  const record = recordOf(template, repository);
  const request = readInstallRequest(record.other_config, record.uuid);
  const plan = planRound(record, request, findFamily(catalog, request.family));
  if (plan.kind !== "installer") throw new Error("the first round boots the installer");
  return resolveTree(catalog, plan.request, madeUpTree([template.kernel, template.ramdisk]).tree);
}

describe("the template", () => {
  it.each(templates)("$name installs over the network", async (template) => {
    const found = await installerOf(template, "http://user:pw@mirror.example/tree");
    expect(found).toMatchObject({ kernel: template.kernel, ramdisks: [template.ramdisk], warnings: [] });
    expect(found.arguments).toBe(template.network);
  });

  it.each(templates.filter((each) => each.config["install-distro"] !== "pygrub"))(
    "$name installs from cdrom",
    async (template) => {
      const found = await installerOf(template, "cdrom");
      expect(found).toMatchObject({ kernel: template.kernel, arguments: template.cdrom });
    },
  );

  it("of EL 6 gets EL 6's spelling from the tree's own index", async () => {
    const template = el("CentOS 6 (64-bit)", "pxeboot");
    const images = `kernel = ${template.kernel}\ninitrd = ${template.ramdisk}\n`;
    const { tree } = madeUpTree({
      ".treeinfo": `[general]\nfamily = CentOS\nversion = 6.10\narch = x86_64\n[images-xen]\n${images}`,
      [template.kernel]: "",
      [template.ramdisk]: "",
    });
    const record = recordOf(template, "http://mirror.example/tree/");
    const request = readInstallRequest(record.other_config, record.uuid);
    const plan = planRound(record, request, findFamily(catalog, request.family));
    if (plan.kind !== "installer") throw new Error("the first round boots the installer");
    const found = await resolveTree(catalog, plan.request, tree);
    expect(found.arguments).toBe(template.network);
    expect(found.candidate).toMatchObject({ release: "6", arch: "x86_64", flavour: "xen" });
    expect(found.warnings).toEqual([]);
  });

  it("Xen API SDK from cdrom leaves the choice to the medium's own boot config", () => {
    const sdk = templates.find((each) => each.name === "Xen API SDK") ?? el("", "xen");
    const record = recordOf(sdk, "cdrom");
    const request = readInstallRequest(record.other_config, record.uuid);
    const plan = planRound(record, request, findFamily(catalog, request.family));
    expect(plan).toMatchObject({ kind: "installer", isChosenByMedium: true });
  });
});
