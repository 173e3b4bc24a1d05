import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startStaticServer, type StaticServer } from "../../fixtures/static-server.ts";
import { openStore } from "../../src/store/store.ts";
import { altered, DEBIAN, debianTree, hex, INITRD, KERNEL, type Tree } from "../pipeline/signed-trees.ts";
import { programPath, start, temporaryFolder } from "../program.ts";
import { Gpg } from "../trust/gpg.ts";

let gpg: Gpg;
let keyring: string;
let root: string;
let server: StaticServer;
let stack: AsyncDisposableStack;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  gpg = stack.use(new Gpg());
  const key = gpg.makeKey("archive");
  keyring = gpg.exportTo(path.join(gpg.folder, "archive.gpg"), [key]);
  root = stack.use(temporaryFolder()).path;
  const signed = debianTree(gpg, { keys: [key] });
  write("signed", signed);
  write("forged", altered(signed, DEBIAN.initrd));
  write("flux", altered(signed, `${DEBIAN.images}SHA256SUMS`));
  write("unsigned", debianTree(gpg, { sign: "none" }));
  server = stack.use(await startStaticServer(root));
});

afterAll(() => stack.disposeAsync());

function write(name: string, tree: Tree): void {
  for (const [file, bytes] of tree) {
    const target = path.join(root, name, file);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, bytes);
  }
}

const TARGET = ["--distro", "debian", "--release", "bookworm", "--arch", "amd64", "--json"];

async function guestboot(folder: string, command: string, tree: string, ...args: readonly string[]) {
  const set = { GUESTBOOT_CACHE_DIR: path.join(folder, "cache") };
  const ended = await start(programPath("guestboot"), [command, `${server.url}${tree}`, ...TARGET, ...args], set);
  const answer: unknown = JSON.parse(ended.stdout);
  return { ...ended, answer };
}

describe("guestboot resolve and fetch", () => {
  it("say how the files are known, and put only those that are", async () => {
    using folder = temporaryFolder();
    const signed = ["--keyring", keyring, "--trust", "require-signed"];
    const resolved = await guestboot(folder.path, "resolve", "signed", ...signed);
    expect(resolved.answer).toMatchObject({
      trust: "signed",
      kernel: { digest: `sha256:${hex(KERNEL)}` },
      ramdisks: [{ digest: `sha256:${hex(INITRD)}` }],
    });
    const output = path.join(folder.path, "out");
    fs.mkdirSync(output);
    const fetched = await guestboot(folder.path, "fetch", "signed", ...signed, "--output", output);
    expect(fetched.answer).toMatchObject({ trust: "signed" });
    expect(fs.readFileSync(path.join(output, "initrd.gz"))).toEqual(INITRD);
    // In the log, with the file that says so and whose key signed it; and in the list of the cache.
    expect(fetched.stderr).toMatch(/trust: signed \(dists\/bookworm\/InRelease, signed by [0-9A-F]{16} .*archive/);
    const cache = { GUESTBOOT_CACHE_DIR: path.join(folder.path, "cache") };
    const listed = await start(programPath("guestboot"), ["cache", "list", "--json"], cache);
    const files = (JSON.parse(listed.stdout) as { url: string; trust: string }[]).filter(({ url }) =>
      /vmlinuz|initrd/.test(url),
    );
    expect(files.map(({ trust }) => trust)).toEqual(["signed", "signed"]);
    const words = await start(programPath("guestboot"), ["cache", "list"], cache);
    expect(words.stdout).toMatch(/signed.*initrd\.gz/);
    fs.rmSync(path.join(output, "initrd.gz"));
    const forged = await guestboot(folder.path, "fetch", "forged", ...signed, "--output", output);
    expect(forged).toMatchObject({ status: 1, answer: { error: { code: "DIGEST_MISMATCH" } } });
    expect(fs.readdirSync(output)).toEqual(["vmlinuz"]);
  });

  it("know before a download that there is less proof than the policy asks for", async () => {
    using folder = temporaryFolder();
    const output = path.join(folder.path, "out");
    fs.mkdirSync(output);
    const asked = ["--trust", "require-signed", "--keyring", keyring, "--output", output];
    const { status, answer } = await guestboot(folder.path, "fetch", "unsigned", ...asked);
    expect({ status, answer }).toMatchObject({ status: 1, answer: { error: { code: "TRUST_REQUIRED" } } });
    // The index and the list came, and nothing that is booted.
    const held = openStore(path.join(folder.path, "cache")).list();
    expect(held.filter(({ url }) => /vmlinuz|initrd/.test(url))).toEqual([]);
  });

  it("fetch --offline takes everything from the cache, and fails by name where it has not all", async () => {
    using folder = temporaryFolder();
    const output = path.join(folder.path, "out");
    fs.mkdirSync(output);
    const options = ["--keyring", keyring, "--output", output];
    const empty = await guestboot(folder.path, "fetch", "signed", ...options, "--offline");
    expect(empty).toMatchObject({ status: 1, answer: { error: { code: "NOT_CACHED" } } });
    const mirror = await startStaticServer(root);
    const set = { GUESTBOOT_CACHE_DIR: path.join(folder.path, "cache") };
    const fetchFrom = (...more: readonly string[]) =>
      start(programPath("guestboot"), ["fetch", `${mirror.url}signed`, ...TARGET, ...options, ...more], set);
    expect(await fetchFrom()).toMatchObject({ status: 0 });
    await mirror[Symbol.asyncDispose]();
    for (const name of fs.readdirSync(output)) fs.rmSync(path.join(output, name));
    const offline = await fetchFrom("--offline");
    expect(offline.status, offline.stdout).toBe(0);
    expect(JSON.parse(offline.stdout)).toMatchObject({ trust: "signed" });
    expect(fs.readFileSync(path.join(output, "initrd.gz"))).toEqual(INITRD);
  });

  it("ask for what the policy asks for", async () => {
    using folder = temporaryFolder();
    const without = await guestboot(folder.path, "resolve", "signed", "--trust", "require-signed");
    expect(without.answer).toMatchObject({ error: { code: "TRUST_REQUIRED" } });
    expect((await guestboot(folder.path, "resolve", "signed")).answer).toMatchObject({ trust: "listed" });
    expect((await guestboot(folder.path, "resolve", "signed", "--trust", "none")).answer).toMatchObject({
      trust: "none",
    });
    const pins = ["--sha256", `kernel=${hex(KERNEL)}`, "--sha256", `ramdisk=${hex(INITRD)}`];
    const pinned = await guestboot(folder.path, "resolve", "unsigned", "--trust", "require-signed", ...pins);
    expect(pinned.answer).toMatchObject({ trust: "signed" });
  });
});

describe("an installation's start", () => {
  async function eliloader(tree: string, otherConfig: Readonly<Record<string, string>>, ...options: readonly string[]) {
    using folder = temporaryFolder();
    const boot = path.join(folder.path, "boot");
    const file = path.join(folder.path, "state/vms/6f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.json");
    for (const each of [boot, path.dirname(file)]) fs.mkdirSync(each, { recursive: true });
    const record = {
      uuid: "6f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
      PV_bootloader: "eliloader",
      other_config: {
        "install-distro": "debianlike",
        "install-repository": `${server.url}${tree}`,
        "debian-release": "bookworm",
        "install-arch": "amd64",
        ...otherConfig,
      },
      VBDs: [{ userdevice: "0", type: "Disk", bootable: true }],
    };
    fs.writeFileSync(file, JSON.stringify(record));
    const set = {
      GUESTBOOT_CACHE_DIR: path.join(folder.path, "cache"),
      GUESTBOOT_STATE_DIR: path.join(folder.path, "state"),
      GUESTBOOT_BOOT_DIR: boot,
    };
    const ended = await start(
      programPath("guestboot"),
      ["boot", "--vm=6f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", ...options, "/dev/null"],
      set,
    );
    const after: unknown = JSON.parse(fs.readFileSync(file, "utf8"));
    return { ...ended, before: record, after, files: fs.readdirSync(boot) };
  }

  it("without the network fails by name when the cache has nothing, and says how to go on", async () => {
    const offline = await eliloader("signed", {}, "--offline");
    expect(offline).toMatchObject({ status: 1, after: { PV_bootloader: "eliloader" }, files: [] });
    expect(offline.stderr).toMatch(/is not in the cache, and nothing may be asked of the network/);
  });

  it("goes on with files that fit", async () => {
    expect(await eliloader("unsigned", {})).toMatchObject({ status: 0, after: { PV_bootloader: "pygrub" } });
    const pins = { "install-kernel-sha256": hex(KERNEL), "install-ramdisk-sha256": hex(INITRD) };
    const strict = await eliloader("unsigned", { ...pins, "install-trust": "require-signed" });
    expect(strict.status, strict.stderr).toBe(0);
  });

  it.each([
    ["a forged initrd", "forged", {}, /initrd\.gz is not the file that .* lists: expected sha256:/],
    ["a mirror in flux", "flux", {}, /SHA256SUMS is not the file that .* lists.*being updated/],
    ["too little proof", "unsigned", { "install-trust": "require-signed" }, /the policy is require-signed/],
    ["another pin", "signed", { "install-kernel-sha256": hex("another") }, /whose digest was pinned: expected/],
    ["a policy that is none", "signed", { "install-trust": "always" }, /install-trust "always" is no policy/],
  ])("fails with %s, and leaves record and folder as they were", async (_what, tree, otherConfig, words) => {
    const { status, stderr, before, after, files } = await eliloader(tree, otherConfig);
    expect(status).toBe(1);
    expect(stderr).toMatch(words);
    expect(after).toEqual(before);
    expect(files).toEqual([]);
  });
});
