import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEBIAN_INSTALLER } from "../../fixtures/debian-installer.ts";
import { call } from "../filesystem/call.ts";
import { programPath, run, temporaryFolder } from "../program.ts";

/**
 * Debian's own installer kernel unpacks what we have written. The preseed's first command prints the overlay's file, so
 * one line on the console proves that both were found; then it turns the machine off.
 */
const QEMU = "/usr/bin/qemu-system-x86_64";
const TIMEOUT_MS = 300_000;
const BUSYBOX = "/bin/busybox";
const PROOF = "the overlay is here: 2718281828";
const PRESEED = "d-i preseed/early_command string cat /overlay-proof > /dev/console; poweroff -f\n";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());
const at = (name: string) => path.join(temporary.path, name);

beforeAll(() => {
  if (!fs.existsSync(QEMU)) throw new Error(`${QEMU} is missing: apt-get install qemu-system-x86`);
  if (!fs.existsSync(DEBIAN_INSTALLER.initrd)) {
    throw new Error(`${DEBIAN_INSTALLER.initrd} is missing: apt-get install ${DEBIAN_INSTALLER.package}`);
  }
  fs.mkdirSync(at("overlay"));
  fs.writeFileSync(at("overlay/overlay-proof"), `${PROOF}\n`);
  fs.writeFileSync(at("answers.cfg"), PRESEED);
});

/** @returns the words that the kernel is to be told */
function patch(initrd: string, output: string, ...options: readonly string[]): string {
  const own = ["--overlay", at("overlay"), "--preseed", at("answers.cfg"), "--output", output, "--json"];
  const done = run(programPath("guestboot"), ["patch", initrd, ...own, ...options]);
  expect(done.stderr).not.toContain("guestboot:");
  expect(done.status).toBe(0);
  const facts: unknown = JSON.parse(done.stdout);
  if (typeof facts === "object" && facts !== null && "arguments" in facts) return String(facts.arguments);
  throw new Error(`no arguments: ${done.stdout}`);
}

/** What the serial console shows until the machine is off. */
async function boot(initrd: string, words: string): Promise<string> {
  const machine = ["-accel", "tcg", "-m", "1024", "-nic", "none", "-display", "none", "-monitor", "none", "-no-reboot"];
  const kernel = ["-kernel", DEBIAN_INSTALLER.kernel, "-initrd", initrd];
  const append = ["-serial", "stdio", "-append", `console=ttyS0 DEBIAN_FRONTEND=text ${words}`];
  const child = spawn(QEMU, [...machine, ...kernel, ...append], { stdio: ["ignore", "pipe", "pipe"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS - 10_000);
  let console = "";
  child.stdout.setEncoding("latin1").on("data", (text: string) => (console += text));
  child.stderr.setEncoding("latin1").on("data", (text: string) => (console += text));
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  child.on("error", reject);
  child.on("close", () => resolve(console.replaceAll("\r", "")));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

describe("Debian's installer kernel boots a patched initrd", () => {
  it("with overlay and preseed appended to the original", { timeout: TIMEOUT_MS }, async () => {
    const words = patch(DEBIAN_INSTALLER.initrd, at("appended"));
    expect(await boot(at("appended"), words)).toContain(`\n${PROOF}\n`);
  });

  it("that came as xz and was repacked to gzip", { timeout: TIMEOUT_MS }, async () => {
    const script = 'gzip -dc "$1" | xz -0 -T0 --check=crc32 > "$2"';
    call("sh", ["-c", script, "sh", DEBIAN_INSTALLER.initrd, at("initrd.xz")], "xz-utils");
    const words = patch(at("initrd.xz"), at("from-xz"), "--repack");
    expect(fs.readFileSync(at("from-xz")).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
    expect(await boot(at("from-xz"), words)).toContain(`\n${PROOF}\n`);
  });

  it("that came as zstd and was repacked to zstd", { timeout: TIMEOUT_MS }, async () => {
    call("sh", ["-c", 'gzip -dc "$1" | zstd -q -1 > "$2"', "sh", DEBIAN_INSTALLER.initrd, at("initrd.zst")], "zstd");
    const words = patch(at("initrd.zst"), at("repacked"), "--repack", "--compression", "zstd");
    expect(fs.readFileSync(at("repacked")).subarray(0, 4)).toEqual(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]));
    expect(await boot(at("repacked"), words)).toContain(`\n${PROOF}\n`);
  });

  it("that came as LZ4 and was appended to, for a kernel new enough", { timeout: TIMEOUT_MS }, async () => {
    const script = 'gzip -dc "$1" | lz4 -l -q - "$2"';
    call("sh", ["-c", script, "sh", DEBIAN_INSTALLER.initrd, at("initrd.lz4")], "lz4");
    const words = patch(at("initrd.lz4"), at("from-lz4"), "--kernel", DEBIAN_INSTALLER.kernel);
    expect(fs.statSync(at("from-lz4")).size).toBeGreaterThan(fs.statSync(at("initrd.lz4")).size);
    expect(await boot(at("from-lz4"), words)).toContain(`\n${PROOF}\n`);
  });
});

/** By other programs, in the order in which they stand: the kernel finds the end of LZ4 by four zeros behind it only. */
const MEMBERS = [
  ["plain", "cat", "newc", "coreutils"],
  ["lz4", "lz4 -l -q", "newc", "lz4"],
  ["gzip", "gzip", "newc", "gzip"],
  ["xz", "xz --check=crc32", "newc", "xz-utils"],
  ["lzma", "xz --format=lzma", "newc", "xz-utils"],
  ["bzip2", "bzip2", "newc", "bzip2"],
  ["lzo", "lzop", "newc", "lzop"],
  ["crc", "gzip", "crc", "cpio"],
  ["zstd", "zstd -q", "newc", "zstd"],
] as const;

const SMALL_INIT = `#!/bin/busybox sh
for file in /from-*; do /bin/busybox echo "$file $(/bin/busybox cat $file)"; done
/bin/busybox echo "link $(/bin/busybox readlink /lib) $(/bin/busybox cat /usr/lib/old /usr/lib/new)"
/bin/busybox poweroff -f
`;

describe("a kernel finds the overlay behind members of every compression, microcode first", () => {
  const initrd = at("small");
  beforeAll(() => {
    if (!fs.existsSync(BUSYBOX)) throw new Error(`${BUSYBOX} is missing: apt-get install busybox-static`);
    const member = (name: string, [packer, format, debianPackage]: readonly [string, string, string]) => {
      const pad = 'head -c $((-$(stat -c %s "$2") & 3)) /dev/zero';
      const pack = `(cd "$1" && find . -mindepth 1 | cpio --quiet -o -H ${format}) | ${packer}`;
      call("sh", ["-c", `touch "$2"; (${pad}; ${pack}) >> "$2"`, "sh", at(name), initrd], debianPackage);
    };
    fs.mkdirSync(at("early/kernel/x86/microcode"), { recursive: true });
    fs.writeFileSync(at("early/kernel/x86/microcode/AuthenticAMD.bin"), "microcode");
    member("early", ["cat", "newc", "cpio"]);
    for (const [name, ...how] of MEMBERS) {
      fs.mkdirSync(at(`member-${name}`));
      fs.writeFileSync(at(`member-${name}/from-${name}`), "the original\n");
      member(`member-${name}`, how);
      fs.appendFileSync(initrd, new Uint8Array(name === "lz4" ? 4 : 0));
    }
    for (const folder of ["bin", "dev", "usr/lib"]) fs.mkdirSync(at(`root/${folder}`), { recursive: true });
    fs.copyFileSync(BUSYBOX, at("root/bin/busybox"));
    fs.writeFileSync(at("root/init"), SMALL_INIT, { mode: 0o755 });
    fs.writeFileSync(at("root/usr/lib/old"), "old");
    fs.symlinkSync("usr/lib", at("root/lib"));
    call("mknod", [at("root/dev/console"), "c", "5", "1"], "coreutils");
    member("root", ["zstd -q", "newc", "zstd"]);
    for (const name of ["plain", "lz4", "crc"]) fs.writeFileSync(at(`overlay/from-${name}`), "the overlay\n");
  });

  it.each([["appended"], ["repacked"]])("%s", { timeout: TIMEOUT_MS }, async (how) => {
    fs.mkdirSync(at("overlay/lib"), { recursive: true });
    fs.writeFileSync(at("overlay/lib/new"), "new");
    const options = how === "repacked" ? ["--repack"] : [];
    patch(initrd, at(`small-${how}`), "--kernel", DEBIAN_INSTALLER.kernel, ...options);
    const console = await boot(at(`small-${how}`), "quiet");
    for (const [name] of MEMBERS) {
      const expected = fs.existsSync(at(`overlay/from-${name}`)) ? "the overlay" : "the original";
      expect(console).toContain(`/from-${name} ${expected}\n`);
    }
    // The overlay's folder lib does not take the place of the link lib.
    expect(console).toContain("link usr/lib oldnew\n");
  });
});
