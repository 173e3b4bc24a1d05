/** The story of an installation's start in this process: what happens to the cache between its steps. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startFaultServer, type Behaviour, type FaultServer, type Routes } from "../../fixtures/http-server.ts";
import { silent, type Progress } from "../../src/base/progress.ts";
import { wholeCatalog } from "../../src/distro/whole-catalog.ts";
import type { Freshness } from "../../src/pipeline/obtain.ts";
import { startInstallation } from "../../src/pipeline/install-start.ts";
import { openStore } from "../../src/store/store.ts";
import type { Answer } from "../../src/toolstack/answer.ts";
import { openFileStore } from "../../src/toolstack/file-store.ts";
import { installRecord, readRecord, VM, writeRecord } from "../acceptance/vm-records.ts";
import { temporaryFolder } from "../program.ts";

const IMAGES = "/dists/bookworm/main/installer-amd64/current/images/";
const KERNEL = Buffer.alloc(3 * 1024 * 1024, "a kernel's bytes ");
const INITRD = Buffer.alloc(3 * 1024 * 1024, "an initrd's bytes ");
const hex = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const LIST = `${hex(KERNEL)}  ./netboot/xen/vmlinuz\n${hex(INITRD)}  ./netboot/xen/initrd.gz\n`;

let folder: ReturnType<typeof temporaryFolder>;
let server: FaultServer;
const at = (name: string) => path.join(folder.path, name);
beforeEach(() => (folder = temporaryFolder()));
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const file = (body: Uint8Array | string): Behaviour => ({ does: "answer", headers: { etag: '"1"' }, body });
/** As old servers send what they make on the fly: the end of the connection is the file's. */
const unannounced = (...pieces: Uint8Array[]): Behaviour => ({
  does: "babble",
  bytes: Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\netag: "1"\r\nconnection: close\r\n\r\n'), ...pieces]),
});
const FILES: Routes = {
  [`${IMAGES}SHA256SUMS`]: file(LIST),
  [`${IMAGES}netboot/xen/vmlinuz`]: file(KERNEL),
  [`${IMAGES}netboot/xen/initrd.gz`]: file(INITRD),
};

interface Given {
  readonly progress?: Partial<Progress>;
  readonly freshness?: Partial<Freshness>;
  readonly cacheSize?: number;
  readonly cacheFolder?: string;
  readonly otherConfig?: Record<string, string>;
}

async function start(given: Given = {}): Promise<Answer> {
  const record = installRecord(server.url);
  writeRecord(at("state"), { ...record, other_config: { ...record.other_config, ...given.otherConfig } });
  fs.mkdirSync(at("boot"), { recursive: true });
  const answers: Answer[] = [];
  await startInstallation({
    vm: VM,
    confine: null,
    disk: "/dev/null",
    environment: {},
    repositories: [],
    trust: [],
    guestInstallerFolder: "/nowhere",
    maxInitrdSize: 1024 ** 3,
    records: openFileStore(at("state")),
    catalog: wholeCatalog("/nowhere"),
    cacheFolder: given.cacheFolder ?? at("cache"),
    bootFolder: at("boot"),
    progress: { ...silent, ...given.progress },
    givenArguments: [],
    extraArguments: [],
    freshness: { freshFor: 0, offline: false, since: Date.now(), ...given.freshness },
    cacheSize: given.cacheSize ?? null,
    deliver: (answer) => answers.push(answer),
  });
  const [answer] = answers;
  if (answer === undefined) throw new Error("no answer was given");
  return answer;
}

const getsOf = (name: string) => server.requests.filter(({ path: asked }) => asked.endsWith(name)).length;
const content = () =>
  fs.readdirSync(at("cache/content"), { recursive: true, withFileTypes: true }).filter((each) => each.isFile());

describe("a file that goes from the cache between being found and being handed out", () => {
  it("is fetched once more, and the start goes on", async () => {
    server = await startFaultServer(FILES);
    let lost = 0;
    const progress = {
      say(line: string) {
        if (!line.startsWith("trust:") || lost > 0) return;
        lost += 1;
        fs.rmSync(openStore(at("cache")).find(`${server.url}${IMAGES.slice(1)}netboot/xen/initrd.gz`)?.path ?? "");
      },
    };
    const answer = await start({ progress });
    expect(lost).toBe(1);
    expect(fs.readFileSync(answer.ramdisk ?? "").equals(INITRD)).toBe(true);
    expect(getsOf("initrd.gz")).toBe(2);
    expect(fs.readdirSync(at("boot"))).toHaveLength(2);
  });

  it("is an error when it goes each time, and the record is as it was", async () => {
    server = await startFaultServer(FILES);
    const progress = {
      say(line: string) {
        if (line.startsWith("trust:")) fs.rmSync(at("cache/content"), { recursive: true });
      },
    };
    await expect(start({ progress })).rejects.toMatchObject({ code: "STORE_DAMAGED" });
    expect(readRecord(at("state")).PV_bootloader).toBe("eliloader");
    expect(fs.readdirSync(at("boot"))).toEqual([]);
  });
});

describe("a cache with a limit", () => {
  it("lets go of what was not used for longest when a start has fetched, and never of that start's own files", async () => {
    server = await startFaultServer(FILES);
    const store = openStore(at("cache"));
    const old = Buffer.alloc(2 * 1024 * 1024, "old");
    async function* body() {
      yield await Promise.resolve(old);
    }
    const stored = await store.write(
      "http://other.example/old",
      { url: "x", size: old.length, etag: null, lastModified: null },
      body(),
    );
    fs.utimesSync(stored.path, 1, 1);
    for (const name of fs.readdirSync(at("cache/index"))) fs.utimesSync(path.join(at("cache/index"), name), 1, 1);
    const { kernel, ramdisk } = await start({ cacheSize: 1024 * 1024 });
    expect(store.find("http://other.example/old")).toBeNull();
    expect(fs.existsSync(stored.path)).toBe(false);
    expect(fs.readFileSync(kernel).equals(KERNEL)).toBe(true);
    expect(fs.readFileSync(ramdisk ?? "").equals(INITRD)).toBe(true);
    expect(store.list().map(({ size }) => size)).toEqual(expect.arrayContaining([KERNEL.length, INITRD.length]));
  });
});

describe("a disk that fills while the files come", () => {
  it.each<[string, Routes]>([
    [
      "an initrd whose size nobody knows beforehand",
      { [`${IMAGES}netboot/xen/initrd.gz`]: unannounced(INITRD, INITRD) },
    ],
    ["a kernel and an initrd that fit each, but not both", {}],
  ])("fails the start by name, and what came is given back: %s", async (_what, routes) => {
    server = await startFaultServer({ ...FILES, ...routes });
    const full = at("full");
    fs.mkdirSync(full);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=5m", "guestboot-test", full]);
    try {
      await expect(start({ cacheFolder: full })).rejects.toMatchObject({ code: "NO_SPACE" });
      expect(fs.readdirSync(path.join(full, "tmp"))).toEqual([]);
      const partial = path.join(full, "partial");
      expect(fs.existsSync(partial) ? fs.readdirSync(partial) : []).toEqual([]);
      expect(readRecord(at("state")).PV_bootloader).toBe("eliloader");
      expect(fs.readdirSync(at("boot"))).toEqual([]);
    } finally {
      execFileSync("umount", [full]);
    }
  });
});

describe("a start without the network", () => {
  it("asks nothing, and has all from the cache", async () => {
    server = await startFaultServer(FILES);
    await start();
    const asked = server.requests.length;
    const { kernel } = await start({ freshness: { offline: true } });
    expect(fs.readFileSync(kernel).equals(KERNEL)).toBe(true);
    expect(server.requests).toHaveLength(asked);
  });

  it("fails by name when the cache has not all, and the record is as it was", async () => {
    server = await startFaultServer(FILES);
    await expect(start({ freshness: { offline: true } })).rejects.toMatchObject({ code: "NOT_CACHED" });
    expect(server.requests).toEqual([]);
    expect(readRecord(at("state")).PV_bootloader).toBe("eliloader");
  });
});

describe("the digests that a tree lists", () => {
  it("stop a start from a kernel that is another one, and the cache does not keep it", async () => {
    server = await startFaultServer({ ...FILES, [`${IMAGES}netboot/xen/vmlinuz`]: file(INITRD) });
    await expect(start()).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
      message: expect.stringContaining(`expected sha256:${hex(KERNEL)}, found sha256:${hex(INITRD)}`) as string,
    });
    expect(openStore(at("cache")).find(`${server.url}${IMAGES.slice(1)}netboot/xen/vmlinuz`)).toBeNull();
    expect(readRecord(at("state")).PV_bootloader).toBe("eliloader");
  });

  it("are what the cache knows the files by", async () => {
    server = await startFaultServer(FILES);
    await start();
    const files = openStore(at("cache"))
      .list()
      .filter(({ size }) => size === KERNEL.length || size === INITRD.length);
    expect(files.map(({ trust }) => trust)).toEqual(["listed", "listed"]);
    expect(content().length).toBeGreaterThanOrEqual(2);
  });

  it("are asked for before a download, where a policy wants more than there are", async () => {
    server = await startFaultServer(FILES);
    await expect(start({ otherConfig: { "install-trust": "require-signed" } })).rejects.toMatchObject({
      code: "TRUST_REQUIRED",
    });
    expect(
      server.requests.filter(({ method, path: asked }) => method === "GET" && /vmlinuz|initrd/.test(asked)),
    ).toEqual([]);
  });
});

describe("a server that is long in coming to its first byte, where the cache has no copy,", () => {
  it("is waited for", async () => {
    server = await startFaultServer({
      ...FILES,
      [`${IMAGES}netboot/xen/initrd.gz`]: {
        does: "slow",
        afterMs: 2500,
        headers: { etag: '"1"', "content-length": `${INITRD.length}` },
        body: INITRD,
      },
    });
    expect(fs.readFileSync((await start()).ramdisk ?? "").equals(INITRD)).toBe(true);
    expect(getsOf("initrd.gz")).toBe(1);
  });
});
