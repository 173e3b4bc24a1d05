/** What repositories say about themselves. */
import * as fs from "node:fs";
import * as path from "node:path";
import { decodeText } from "../../../src/base/text.ts";
import { readDebianRelease } from "../../../src/distro/debian-release.ts";
import { readDiskInfo } from "../../../src/distro/disk-info.ts";
import { indexPath } from "../../../src/distro/index-path.ts";
import { readSuseContent } from "../../../src/distro/suse-content.ts";
import { readSuseProducts } from "../../../src/distro/suse-products.ts";
import { readTreeinfo } from "../../../src/distro/treeinfo.ts";
import { readXsPackages, readXsRepository } from "../../../src/distro/xs-repository.ts";
import { parseFixupMap } from "../../../src/initrd/fixup-map.ts";
import { digestIn, listsFor } from "../../../src/pipeline/listed-digests.ts";
import { overlayFromZip } from "../../../src/pipeline/overlay-zip.ts";
import { parseLocation } from "../../../src/repository/location.ts";
import { parseListing } from "../../../src/repository/nfs-listing.ts";
import { openZipRepository } from "../../../src/repository/zip.ts";
import { ZIP_OPTIONS } from "../../../src/repository/zip-directory.ts";
import { call } from "../../filesystem/call.ts";
import { bytesOf, drain, ignoreRefusal, type FuzzTarget } from "../target.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";

const SHA256 = "0123456789abcdef".repeat(4);

/** The beginnings of the signed indexes that apt keeps on this host. */
function releasesOfApt(): Uint8Array[] {
  const folder = "/var/lib/apt/lists";
  const names = fs.readdirSync(folder).filter((name) => name.endsWith("_InRelease"));
  return names.map((name) => new Uint8Array(fs.readFileSync(path.join(folder, name)).subarray(0, 8192)));
}

const ZIPPED = ["vmlinuz", "images/initrd.gz", "empty"];
/** A size or a place that the 64-bit fields have (APPNOTE, section 4.5.3). */
const ELSEWHERE = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
/** Stored, deflated, with 64-bit sizes, and with a symbolic link as one. */
const ZIP_WAYS = ["-0", "-9", "-fz", "-y"];

/** As Info-ZIP's zip(1) makes them. */
function zips(): Uint8Array[] {
  return inTemporaryFolder((folder) => {
    fs.mkdirSync(`${folder}/tree/images`, { recursive: true });
    for (const name of ZIPPED) fs.writeFileSync(`${folder}/tree/${name}`, name === "empty" ? "" : name.repeat(40));
    fs.symlinkSync("vmlinuz", `${folder}/tree/link`);
    return ZIP_WAYS.map((way) => {
      call("sh", ["-c", `cd ${folder}/tree && zip -q -r ${way} ../${way}.zip .`], "zip");
      return new Uint8Array(fs.readFileSync(`${folder}/${way}.zip`));
    });
  });
}

async function openedZip(bytes: Uint8Array) {
  const { fromBufferPromise } = await import("yauzl");
  return fromBufferPromise(Buffer.from(bytes), ZIP_OPTIONS);
}

const DIGESTS = `${SHA256}  ./netboot/xen/vmlinuz\n${SHA256.slice(0, 40)} *netboot/xen/initrd.gz\n`;
const LISTED = "dists/bookworm/main/installer-amd64/current/images/netboot/xen/initrd.gz";

export const repositoryTargets: readonly FuzzTarget[] = [
  {
    name: ".treeinfo",
    seeds: () => [
      bytesOf(
        `; WARNING.0 = compatibility\n[header]\ntype = productmd.treeinfo\nversion = 1.2\n[general]\nfamily: Fedora\n` +
          `version = 39\narch = x86_64\nplatforms = x86_64,xen\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\n` +
          `initrd = images/pxeboot/initrd.img\n[images-xen]\nkernel = a\ninitrd = b\n[checksums]\na = sha256:${SHA256}\n` +
          `[variant-BaseOS]\nid = BaseOS\n[stage2]\nmainimage = images/install.img\n`,
      ),
    ],
    dictionary: [
      "[general]",
      "[checksums]",
      "[images-",
      "]",
      "=",
      ":",
      "sha256:",
      "../",
      "__proto__",
      "constructor",
      "\n",
    ],
    run: (input) => readTreeinfo(decodeText(input), ".treeinfo"),
  },
  {
    name: "zip",
    seeds: zips,
    dictionary: ["PK\x01\x02", "PK\x03\x04", "PK\x05\x06", "PK\x06\x06", "PK\x06\x07", "../", ELSEWHERE],
    largest: 8192,
    run: async (input) => {
      // An overlay is taken out whole; a repository, by the names that somebody asks for.
      await overlayFromZip("overlay.zip", () => openedZip(input)).catch(ignoreRefusal);
      const open = async () => ({ zip: await openedZip(input), changed: 0 });
      await using repository = await openZipRepository("tree.zip", "file:///tree.zip/", {}, open);
      for (const name of ZIPPED) {
        const fetched = await repository.fetch(name);
        if (fetched.outcome === "content") await drain(fetched.body).catch(ignoreRefusal);
      }
    },
  },
  {
    name: "list of digests",
    seeds: () => [bytesOf(DIGESTS)],
    dictionary: [SHA256, "  ./", " *", "\r\n", "netboot/xen/initrd.gz"],
    run: (input) => {
      for (const { below } of listsFor(LISTED)) digestIn(decodeText(input), LISTED, below);
    },
  },
  {
    name: "SUSE content",
    seeds: () => [
      bytesOf(
        `CONTENTSTYLE 11\nDISTRO cpe:/o:suse:sles:11:sp3\nLABEL SUSE Linux Enterprise Server 11 SP3\nVERSION 11.3\n` +
          `BASEARCHS i586 x86_64\nDEFAULTBASE i586\nHASH SHA256 ${SHA256}  boot/x86_64/loader/linux\n` +
          `META SHA1 ${SHA256.slice(24)}  appdata\nKEY SHA256 ${SHA256}  gpg-pubkey.asc\n`,
      ),
    ],
    dictionary: ["HASH SHA256 ", "HASH SHA1 ", "META ", "KEY ", "VERSION ", "LABEL ", "BASEARCHS ", "  ../", "\n"],
    run: (input) => readSuseContent(decodeText(input), "content"),
  },
  {
    name: "SUSE products",
    seeds: () => [bytesOf("/ SLES 11.3-0\n/sdk SUSE-Linux-SDK 12.1.0\n")],
    run: (input) => readSuseProducts(decodeText(input), "media.1/products"),
  },
  {
    name: "Release",
    seeds: () => releasesOfApt(),
    dictionary: [
      "SHA256:\n",
      ` ${SHA256} 1234 main/installer-amd64/current/images/SHA256SUMS\n`,
      "Valid-Until: Sat, 01 Jan 2028 00:00:00 UTC\n",
      "Suite: ",
      "Codename: ",
      "legacy-images",
      "\n",
    ],
    run: (input) => readDebianRelease(decodeText(input), "Release"),
  },
  {
    name: ".disk/info",
    seeds: () => [
      bytesOf('Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210-11:27'),
      bytesOf('Ubuntu-Server 22.04.3 LTS "Jammy Jellyfish" - Release amd64 (20230810)'),
    ],
    run: (input) => readDiskInfo(decodeText(input)),
  },
  {
    name: "XS-PACKAGES",
    seeds: () => [
      bytesOf(
        `main 1234 ${SHA256.slice(32)} tbz2 required packages.main/a.tar.bz2 /\n` +
          `drv 10 ${SHA256.slice(32)} driver a.ko /lib/modules/\${KERNEL_VERSION}/a.ko\nfw 1 ${SHA256.slice(32)} firmware f\n`,
      ),
      bytesOf("xs:main\nBase Pack\nXenServer\n6.2.0\n"),
    ],
    dictionary: ["tbz2", "driver", "firmware", "required", "optional", "${KERNEL_VERSION}", "../", " ", "\n"],
    run: (input) => {
      const text = decodeText(input);
      if ((input[0] ?? 0) % 2 === 0) return readXsRepository(text, "XS-REPOSITORY");
      return readXsPackages(text, "XS-PACKAGES");
    },
  },
  {
    name: "fixup map",
    seeds: () => [
      bytesOf(`# comment\n${SHA256.slice(32)} cpio overlay.cpio rhel5\n\n${SHA256.slice(32)} ext2 o.cpio rhel41\n`),
    ],
    dictionary: [" cpio ", " ext2 ", "#", "../", "\n"],
    run: (input) => parseFixupMap(decodeText(input), "guest.map"),
  },
  {
    name: "path in an index",
    seeds: () => ["images/pxeboot/vmlinuz", "./a//b/../c", "%2e%2e/x", "http://host/x"].map(bytesOf),
    dictionary: ["../", "./", "//", "%2e", "\\", "\0"],
    run: (input) => indexPath(decodeText(input), "an index"),
  },
  {
    name: "repository address",
    seeds: () =>
      ["http://user:pass@host:80/a/b/", "nfs:ro,vers=3:server:/export", "nfs://server/path", "ftp://h/x", "cdrom"].map(
        bytesOf,
      ),
    dictionary: ["http://", "https://", "ftp://", "nfs:", "nfs://", "file://", "@", ":", "%00", "[::1]"],
    largest: 512,
    run: (input) => parseLocation(decodeText(input)),
  },
  {
    name: "NFS listing",
    seeds: () => [
      bytesOf("-rw-r--r--  1     0     0         1234 vmlinuz\ndrwxr-xr-x  2     0     0         4096 images\n"),
    ],
    run: (input) => parseListing(decodeText(input)),
  },
];
