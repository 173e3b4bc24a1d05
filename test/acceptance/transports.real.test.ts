/**
 * Every family over every transport, end to end: record, repository on a real server, answer, changed
 * record. The trees are made up; what matters is which of their files is handed to the host.
 */
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeIsoImage } from "../../fixtures/iso-images.ts";
import { startGanesha, type Ganesha } from "../../fixtures/nfs-ganesha.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { startVsftpd, type Vsftpd } from "../../fixtures/vsftpd.ts";
import { parseSimple, programPath, start, temporaryFolder } from "../program.ts";
import { checkedJournal } from "../vm-journal.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };

const NETBOOT = "dists/bookworm/main/installer-amd64/current/images/netboot/xen";

interface FamilyTree {
  readonly keys: Readonly<Record<string, string>>;
  readonly files: readonly [kernel: string, ramdisk: string];
  readonly texts?: Readonly<Record<string, string>>;
  /** Rounds that its installation takes. */
  readonly rounds: 1 | 2;
}

const FAMILIES: Readonly<Record<string, FamilyTree>> = {
  debianlike: {
    keys: { "debian-release": "bookworm", "install-arch": "amd64" },
    files: [`${NETBOOT}/vmlinuz`, `${NETBOOT}/initrd.gz`],
    rounds: 1,
  },
  rhlike: {
    keys: { "install-arch": "x86_64" },
    files: ["images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"],
    texts: {
      ".treeinfo":
        "[general]\nfamily = CentOS\nversion = 6.10\narch = x86_64\n\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n",
    },
    rounds: 1,
  },
  sleslike: {
    keys: { "install-arch": "x86_64" },
    files: ["boot/x86_64/vmlinuz-xen", "boot/x86_64/initrd-xen"],
    rounds: 2,
  },
  alpine: {
    keys: { "install-arch": "x86_64", "debian-release": "latest-stable" },
    files: ["latest-stable/releases/x86_64/netboot/vmlinuz-lts", "latest-stable/releases/x86_64/netboot/initramfs-lts"],
    rounds: 1,
  },
  mageia: {
    keys: { "install-arch": "x86_64" },
    files: ["isolinux/x86_64/vmlinuz", "isolinux/x86_64/all.rdz"],
    texts: { VERSION: "Mageia 9 x86_64 final 20230827 10:00\n" },
    rounds: 1,
  },
  arch: {
    keys: { "install-arch": "x86_64" },
    files: ["arch/boot/x86_64/vmlinuz-linux", "arch/boot/x86_64/initramfs-linux.img"],
    rounds: 1,
  },
  ubuntuiso: {
    keys: { "install-arch": "amd64" },
    files: ["casper/vmlinuz", "casper/initrd"],
    texts: { ".disk/info": 'Ubuntu-Server 24.04.1 LTS "Noble Numbat" - Release amd64 (20240827)\n' },
    rounds: 1,
  },
  xenserver: {
    keys: {},
    files: ["boot/vmlinuz", "install.img"],
    texts: { "XS-REPOSITORY": "xs:main\nBase Pack\nXenServer\n8.0.0\n", "XS-PACKAGES": "", "boot/xen.gz": "xen" },
    rounds: 1,
  },
  pygrub: {
    keys: { "install-kernel": "k/vmlinuz", "install-ramdisk": "k/initrd" },
    files: ["k/vmlinuz", "k/initrd"],
    rounds: 1,
  },
};

let http: Nginx;
let https: Nginx;
let ftp: Vsftpd;
let nfs: Ganesha;

beforeAll(async () => {
  for (const [family, { files, texts }] of Object.entries(FAMILIES)) {
    const contents = [...files.map((file) => [file, `${family} ${file}`] as const), ...Object.entries(texts ?? {})];
    for (const [file, text] of contents) {
      const target = path.join(at("trees"), family, file);
      fs.mkdirSync(path.dirname(target), { recursive: true });
      fs.writeFileSync(target, text);
    }
  }
  // Servers read as users of their own.
  fs.chmodSync(folder.path, 0o755);
  http = await startNginx({ root: at("trees") });
  https = await startNginx({ root: at("trees"), tls: selfSigned() });
  ftp = await startVsftpd({ root: at("trees") });
  nfs = await startGanesha({ root: at("trees") });
});
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  await https[Symbol.asyncDispose]();
  await ftp[Symbol.asyncDispose]();
  await nfs[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

interface Source {
  readonly address: string;
  /** What the toolstack names. */
  readonly disk: string;
  readonly keys?: Readonly<Record<string, string>>;
}

/** The address of a family's tree. */
const TRANSPORTS: Readonly<Record<string, (family: string) => Source>> = {
  http: (family) => ({ address: `${http.url}${family}`, disk: "/dev/null" }),
  https: (family) => ({
    address: `${https.url}${family}`,
    disk: "/dev/null",
    keys: { "install-ca-file": at("cert.pem") },
  }),
  ftp: (family) => ({ address: `${ftp.url}${family}`, disk: "/dev/null" }),
  nfs: (family) => ({ address: `${nfs.url}/${family}`, disk: "/dev/null" }),
  folder: (family) => ({ address: path.join(at("trees"), family), disk: "/dev/null" }),
  zip(family) {
    const archive = at(`${family}.zip`);
    const made = spawnSync("zip", ["-q", "-r", archive, "."], {
      cwd: path.join(at("trees"), family),
      encoding: "utf8",
    });
    if (made.status !== 0) throw new Error(`zip (apt-get install zip): ${made.stderr}`);
    return { address: archive, disk: "/dev/null" };
  },
  "ISO image": (family) => ({ address: makeIso(family), disk: "/dev/null" }),
};

function selfSigned(): { certificate: string; key: string } {
  const made = { certificate: at("cert.pem"), key: at("key.pem") };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  const name = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-keyout", made.key, "-out", made.certificate];
  execFileSync("openssl", ["req", "-x509", ...key, ...name, ...files], { stdio: "ignore" });
  return made;
}

function makeIso(family: string): string {
  const iso = at(`${family}.iso`);
  makeIsoImage({ path: iso, folder: path.join(at("trees"), family), program: "xorriso", options: ["-R"] });
  return iso;
}

async function install(family: string, { address, disk, keys: more }: Source) {
  const { keys, files, rounds } = FAMILIES[family] ?? { keys: {}, files: ["", ""], rounds: 1 };
  const asked = { ...keys, ...more, "install-distro": family, "install-repository": address };
  const before = { ...installRecord(""), other_config: asked };
  writeRecord(at("state"), before);
  const ended = await start(programPath("eliloader"), ["-q", "--vm", VM, disk], set);
  expect(ended).toMatchObject({ status: 0, stderr: "" });
  const answer = parseSimple(ended.stdout);
  expect(fs.readFileSync(answer.kernel, "utf8")).toBe(`${family} ${files[0]}`);
  expect(fs.readFileSync(answer.ramdisk ?? "", "utf8")).toBe(`${family} ${files[1]}`);
  const after = checkedJournal(readRecord(at("state")), before);
  if (rounds === 1) {
    const kept = Object.fromEntries(Object.entries(asked).filter(([key]) => key !== "install-distro"));
    expect(after).toEqual({ ...before, PV_bootloader: "pygrub", other_config: kept });
  } else expect(after).toEqual({ ...before, other_config: { ...asked, "install-round": "2" } });
  return answer;
}

describe.each(Object.keys(TRANSPORTS))("over %s", (transport) => {
  it.each(Object.keys(FAMILIES))("%s installs", async (family) => {
    await install(family, TRANSPORTS[transport]?.(family) ?? { address: "", disk: "" });
  });
});

describe("from the guest's CD device", () => {
  it.each([
    ["debianlike", null],
    ["rhlike", null],
    ["sleslike", "install=hd maxcpus=1"],
    ["mageia", "automatic=method:cdrom"],
    ["ubuntuiso", null],
    ["xenserver", null],
  ])("%s installs, with the installer's words for a medium", async (family, words) => {
    const answer = await install(family, { address: "cdrom", disk: makeIso(family) });
    expect(answer.args?.trim() ?? null).toBe(words);
  });

  it.each(["alpine", "arch"])("%s does not, whose installer needs an address, and it is said", async (family) => {
    const config = { ...FAMILIES[family]?.keys, "install-distro": family, "install-repository": "cdrom" };
    const before = { ...installRecord(""), other_config: config };
    writeRecord(at("state"), before);
    const ended = await start(programPath("eliloader"), ["-q", "--vm", VM, makeIso(family)], set);
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/^RuntimeError: .*cannot install from cdrom.*install-repository.*\n$/);
    expect(readRecord(at("state"))).toEqual(before);
  });
});
