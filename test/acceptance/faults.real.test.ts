/**
 * A mirror that does everything wrong, and the built program: a start has exactly the bytes that the mirror's list
 * names, or it fails by name, its VM's record is as it was, and nothing of it stays.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { MIRROR_PATHS } from "../../fixtures/debian-installer.ts";
import { startFaultServer, type Behaviour, type FaultServer, type Routes } from "../../fixtures/http-server.ts";
import { parseSimple, programPath, run, start, temporaryFolder } from "../program.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };

const KERNEL = Buffer.from("a kernel, made up\n".repeat(1000));
/** Larger than what is begun anew in any case. */
const INITRD = Buffer.alloc(3 * 1024 * 1024, "an initrd, made up ");
const OTHER = Buffer.alloc(INITRD.length, "another build's initrd ");
const HALF = INITRD.length / 2;
const hex = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const LIST = `${hex(KERNEL)}  ./netboot/xen/vmlinuz\n${hex(INITRD)}  ./netboot/xen/initrd.gz\n`;
const images = MIRROR_PATHS.kernel.slice(0, MIRROR_PATHS.kernel.indexOf("netboot/"));

const file = (body: Buffer, etag = '"1"'): Behaviour => ({
  does: "answer",
  headers: { etag, "content-length": `${body.length}` },
  body,
});
const half: Behaviour = {
  does: "truncate",
  body: INITRD.subarray(0, HALF),
  announced: INITRD.length,
  headers: { etag: '"1"' },
};
/** RFC 9110, section 15.3.7. */
const rest = (body: Buffer, headers: Readonly<Record<string, string>> = {}): Behaviour => ({
  does: "answer",
  status: 206,
  headers: {
    etag: '"1"',
    "content-range": `bytes ${HALF}-${body.length - 1}/${body.length}`,
    "content-length": `${body.length - HALF}`,
    ...headers,
  },
  body: body.subarray(HALF),
});
const raw = (head: string, ...body: Buffer[]): Behaviour => ({
  does: "babble",
  bytes: Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${head}connection: close\r\n\r\n`), ...body]),
});
const page = "<!DOCTYPE html><html><head><title>Welcome</title></head><body>Please log in</body></html>\n";

/** What the mirror does when it is asked for the initrd, and how often it is asked. */
const ENDS_WELL: readonly (readonly [string, readonly Behaviour[], number])[] = [
  ["is slow to its first byte", [{ does: "slow", afterMs: 1500, headers: { etag: '"1"' }, body: INITRD }], 1],
  ["resets before its first byte", [{ does: "reset" }, file(INITRD)], 2],
  [
    "resets in the middle",
    [
      { does: "reset", body: INITRD.subarray(0, HALF), announced: INITRD.length, headers: { etag: '"1"' } },
      // As much as came is not known to a byte: the rest that fits it is what a real server makes.
      file(INITRD),
    ],
    2,
  ],
  ["sends a short body under the right length, then the rest", [half, rest(INITRD)], 2],
  ["sends more than it announced", [raw(`content-length: ${INITRD.length}\r\n`, INITRD, OTHER)], 1],
  ["answers 500, then 200", [{ does: "answer", status: 500 }, file(INITRD)], 2],
  [
    "answers 429 with Retry-After, then 200",
    [{ does: "answer", status: 429, headers: { "retry-after": "1" } }, file(INITRD)],
    2,
  ],
  [
    "sends another range than was asked for",
    [half, rest(INITRD, { "content-range": `bytes 0-${INITRD.length - 1}/${INITRD.length}` }), file(INITRD)],
    3,
  ],
  [
    "sends the rest of a file that has changed, then the listed one",
    [half, rest(OTHER, { etag: '"2"' }), file(INITRD)],
    3,
  ],
];

const FAILS: readonly (readonly [string, readonly Behaviour[], RegExp])[] = [
  [
    "always sends a short body",
    [{ does: "truncate", body: INITRD.subarray(0, 5000), announced: INITRD.length }],
    /announced 3145728 bytes and ended the connection after 5000/,
  ],
  ["sends a long body without a length", [raw("", INITRD, OTHER)], /expected sha256:[0-9a-f]{64}, found sha256:/],
  ["answers 500 for ever", [{ does: "answer", status: 500 }], /answered 500/],
  ["answers 304 though nothing is cached", [{ does: "answer", status: 304, headers: { etag: '"1"' } }], /304/],
  [
    // Under the very entity tag of the first half: only the digest over the whole can tell.
    "changes the file between two ranges and does not say so",
    [half, rest(OTHER)],
    /expected sha256:[0-9a-f]{64}, found sha256:/,
  ],
  [
    // An initrd may be labelled as gzip, so it is never unpacked; this one was packed once more.
    "packs the initrd on the way",
    [{ does: "answer", headers: { "content-encoding": "gzip", etag: '"1"' }, body: gzipSync(INITRD) }],
    /expected sha256:[0-9a-f]{64}, found sha256:/,
  ],
  ["sends HTML with 200", [{ does: "answer", headers: { "content-type": "text/html" }, body: page }], /initrd\.gz/],
];

let server: FaultServer;
beforeAll(async () => {
  const cases = [...ENDS_WELL, ...FAILS].map(([name, behaviours]): Routes => {
    const root = `/${folderOf(name)}/`;
    return {
      [`${root}${images}SHA256SUMS`]: file(Buffer.from(LIST)),
      [root + MIRROR_PATHS.kernel]: file(KERNEL),
      [root + MIRROR_PATHS.initrd]: behaviours,
    };
  });
  const gzippedKernel: Routes = {
    [`/gzip/${images}SHA256SUMS`]: file(Buffer.from(LIST)),
    [`/gzip/${MIRROR_PATHS.kernel}`]: {
      does: "answer",
      headers: { "content-encoding": "gzip", etag: '"1"' },
      body: gzipSync(KERNEL),
    },
    [`/gzip/${MIRROR_PATHS.initrd}`]: file(INITRD),
  };
  server = await startFaultServer(Object.assign({}, ...cases, gzippedKernel) as Routes);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});
beforeEach(() => fs.rmSync(at("boot"), { recursive: true, force: true }));

const folderOf = (name: string) => name.replaceAll(/[^a-z0-9]+/gi, "-");

async function startFrom(name: string) {
  const record = installRecord(`${server.url}${name}/`);
  writeRecord(at("state"), record);
  const ended = await start(programPath("eliloader"), ["-q", "--vm", VM, "/dev/null"], set);
  return { ended, record };
}

const filesIn = (name: string) => (fs.existsSync(at(name)) ? fs.readdirSync(at(name)) : []);

function expectWhole(ended: Awaited<ReturnType<typeof start>>): void {
  expect(ended).toMatchObject({ status: 0, stderr: "" });
  const { kernel, ramdisk } = parseSimple(ended.stdout);
  expect(fs.readFileSync(kernel).equals(KERNEL)).toBe(true);
  expect(fs.readFileSync(ramdisk ?? "").equals(INITRD)).toBe(true);
  expect(readRecord(at("state")).PV_bootloader).toBe("pygrub");
}

function expectCleanCache(): void {
  expect(filesIn("cache/tmp")).toEqual([]);
  expect(run(programPath("guestboot"), ["cache", "verify"], set)).toMatchObject({ status: 0, stdout: "" });
}

describe("a start goes well from a mirror that", () => {
  it.each(ENDS_WELL)("%s", async (name, _behaviours, times) => {
    const { ended } = await startFrom(folderOf(name));
    expectWhole(ended);
    const asked = server.requests.filter(({ path: each }) => each === `/${folderOf(name)}/${MIRROR_PATHS.initrd}`);
    expect(asked).toHaveLength(times);
    expect(filesIn("cache/partial")).toEqual([]);
    expectCleanCache();
  });

  it("packs the kernel on the way", async () => {
    const { ended } = await startFrom("gzip");
    expectWhole(ended);
    expectCleanCache();
  });
});

describe("a start fails, and leaves record and boot directory as they were, from a mirror that", () => {
  it.each(FAILS)("%s", async (name, _behaviours, words) => {
    const { ended, record } = await startFrom(folderOf(name));
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/^RuntimeError: .*\n$/);
    expect(ended.stderr).toMatch(words);
    expect(readRecord(at("state"))).toEqual(record);
    expect(filesIn("boot")).toEqual([]);
    expectCleanCache();
  });
});

it("a start that fails for want of space in the cache leaves nothing in its way", async () => {
  const full = at("full");
  fs.mkdirSync(full);
  const mounted = run("/usr/bin/env", ["mount", "-t", "tmpfs", "-o", "size=2m", "guestboot-test", full]);
  if (mounted.status !== 0) throw new Error(`this test mounts a small tmpfs and needs root: ${mounted.stderr}`);
  try {
    const record = installRecord(`${server.url}gzip/`);
    writeRecord(at("state"), record);
    const argv = ["-q", "--vm", VM, "/dev/null"];
    const ended = await start(programPath("eliloader"), argv, { ...set, GUESTBOOT_CACHE_DIR: full });
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/^RuntimeError: not enough free space in .*df -h/);
    expect(readRecord(at("state"))).toEqual(record);
    expect(filesIn("boot")).toEqual([]);
    expect(filesIn("full/tmp")).toEqual([]);
    expect(filesIn("full/partial")).toEqual([]);
  } finally {
    run("/usr/bin/env", ["umount", full]);
  }
});
