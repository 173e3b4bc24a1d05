/**
 * What the finished executable runs, once, so that the build can keep the code of it (see `kept-code.ts`): the command
 * lines, and a small signed mirror, records and images for them to run on. All of it lies in one folder, and the mirror
 * is a server on the loopback interface.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { gzipSync } from "node:zlib";
import * as openpgp from "openpgp";
import { MIRROR_PATHS } from "../fixtures/debian-installer.ts";
import { digestList, RELEASE_PATHS, releaseOf } from "../fixtures/debian-release.ts";
import { installRecord } from "../fixtures/install-record.ts";
import { startStaticServer } from "../fixtures/static-server.ts";

export interface WarmUp extends AsyncDisposable {
  /** As `src/cli/start-snapshot.ts` reads them: each the program's name and what comes behind it. */
  readonly commands: readonly (readonly string[])[];
  /** In the same form, for after those: a start that needs nothing but what the cache has. */
  readonly warmStart: readonly string[];
  /** Of guestboot: they need the kept code of all parts, and of the packages that most starts need. */
  readonly checks: readonly (readonly string[])[];
  readonly environment: NodeJS.ProcessEnv;
}

/** The end of an archive (cpio(5), newc), which is an archive by itself. */
const EMPTY_ARCHIVE = `070701${"0".repeat(8 * 11)}0000000b${"0".repeat(8)}TRAILER!!!\0\0\0\0`;

/**
 * @param folder is made; who builds removes it
 * @param image a guest's disk
 */
export async function prepareWarmUp(folder: string, image: string): Promise<WarmUp> {
  const at = (name: string) => path.join(folder, name);
  fs.mkdirSync(at("state/vms"), { recursive: true });
  for (const name of ["overlay", "fetched"]) fs.mkdirSync(at(name));
  fs.writeFileSync(at("overlay/preseed.cfg"), "d-i debian-installer/locale string en_US\n".repeat(100));
  const initrd = gzipSync(EMPTY_ARCHIVE);
  fs.writeFileSync(at("initrd.gz"), initrd);
  fs.writeFileSync(at("archive.gpg"), await makeSignedMirror(at("mirror"), initrd));
  const server = await startStaticServer(at("mirror"));
  const vms = ["cold", "asks", "fresh", "again"].map((name, index) => {
    const uuid = `00000000-0000-4000-8000-00000000000${index}`;
    fs.writeFileSync(
      at(`state/vms/${uuid}.json`),
      JSON.stringify(installRecord(server.url, { uuid, name_label: name })),
    );
    return uuid;
  });
  const starts = vms.map((vm) => ["eliloader", "-q", "--vm", vm, "--args", "console=hvc0", "/dev/null"]);
  const release = ["--distro", "debian", "--release", "bookworm", "--arch", "amd64"];
  const signed = ["--trust", "require-signed", "--keyring", at("archive.gpg"), "--quiet"];
  const patch = ["patch", at("initrd.gz"), "--overlay", at("overlay"), "--output", at("patched"), "--quiet"];
  return {
    commands: [
      ...starts.slice(0, -1),
      ["guestboot", "resolve", server.url, "--json"],
      ["guestboot", "fetch", server.url, ...release, ...signed, "--output", at("fetched")],
      ["guestboot", "layouts", "list"],
      ["guestboot", ...patch],
      ["guestboot", "cache", "list"],
      ["guestboot", "vm", "show", vms[0] ?? ""],
      ["guestboot", "help"],
      // Last, since it gives up the runtime's permissions.
      ["guestboot", "entries", image, "--json"],
    ],
    warmStart: starts.at(-1) ?? [],
    checks: [["resolve", server.url], patch, ["help"]],
    environment: {
      ...process.env,
      GUESTBOOT_STATE_DIR: at("state"),
      GUESTBOOT_CACHE_DIR: at("cache"),
      GUESTBOOT_BOOT_DIR: at("boot"),
      GUESTBOOT_CACHE_FRESH_FOR: "0",
      GUESTBOOT_STORE: "file",
      GUESTBOOT_LOG_SOCKET: at("no-log"),
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** What of a Debian mirror an installation looks at, with a key of its own that ends here. @returns the keyring */
async function makeSignedMirror(root: string, initrd: Buffer): Promise<Uint8Array> {
  const kernel = Buffer.alloc(4096, "a kernel's bytes ");
  const list = digestList({ kernel: sha256(kernel), initrd: sha256(initrd) });
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: "rsa",
    rsaBits: 2048,
    userIDs: [{ name: "warm-up" }],
    format: "object",
  });
  const message = await openpgp.createCleartextMessage({ text: releaseOf(list, sha256(list)) });
  const inRelease = await openpgp.sign({ message, signingKeys: privateKey });
  const files = [
    [MIRROR_PATHS.kernel, kernel],
    [MIRROR_PATHS.initrd, initrd],
    [RELEASE_PATHS.inRelease, inRelease],
    [RELEASE_PATHS.sums, list],
  ] as const;
  for (const [name, content] of files) {
    const file = path.join(root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  }
  return publicKey.write();
}

const sha256 = (bytes: Uint8Array | string) => createHash("sha256").update(bytes).digest("hex");
