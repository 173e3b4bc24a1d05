/**
 * Sixty-four starts at once on an empty cache, boot folder on a tmpfs: one download a file, and no copy of an image.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeDebianMirror, MIRROR_PATHS } from "../../fixtures/debian-installer.ts";
import { startFaultServer, type FaultServer, type Routes } from "../../fixtures/http-server.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { environment, parseSimple, programPath, start, temporaryFolder } from "../program.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const STARTS = 64;
/** Milliseconds: on two processors that others use too, so many starts take a while. */
const PATIENCE = 180_000;
const folder = temporaryFolder();
/** A file system of its own, as /var/run is. */
const tmpfs = temporaryFolder("/dev/shm");
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: tmpfs.path };
const vmOf = (index: number) => VM.replace(/^0a1b2c3d/, (0xc0000000 + index).toString(16));
let nginx: Nginx;
let server: FaultServer;

beforeAll(async () => {
  makeDebianMirror(at("mirror"));
  nginx = await startNginx({ root: at("mirror") });
  server = await startFaultServer(slowly());
});
afterAll(async () => {
  await nginx[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  tmpfs[Symbol.dispose]();
  folder[Symbol.dispose]();
});

/** Hands on to nginx, which needs the time that real mirrors need: all starts are there before the first has its files. */
function slowly(): Routes {
  const files = Object.values(MIRROR_PATHS).map((name) => {
    const body = fs.readFileSync(path.join(at("mirror"), name));
    const headers = { etag: '"1"', "content-length": `${body.length}` };
    return [`/${name}`, { does: "slow", afterMs: 8000, headers, body }] as const;
  });
  return Object.fromEntries(files);
}

describe("sixty-four starts at once on a cold cache", () => {
  it("all succeed with one GET a file, and their boot files cost no copy", async () => {
    const vms = Array.from({ length: STARTS }, (_, index) => vmOf(index));
    for (const vm of vms) writeRecord(at("state"), { ...installRecord(server.url), uuid: vm, name_label: vm }, vm);
    const ended = await Promise.all(
      vms.map((vm) => start(programPath("eliloader"), ["-q", "--vm", vm, "/dev/null"], set, PATIENCE)),
    );
    for (const each of ended) expect(each).toMatchObject({ status: 0, stderr: "" });
    const asked = server.requests.map(({ path: name }) => name);
    for (const name of Object.values(MIRROR_PATHS)) expect(asked.filter((each) => each === `/${name}`)).toHaveLength(1);
    // The indexes too, but by a start that begins only after the answer to the others: it must ask anew.
    expect(asked.length - new Set(asked).size).toBeLessThanOrEqual(3);

    const kernels = ended.map(({ stdout }) => parseSimple(stdout).kernel);
    expect(new Set(kernels).size).toBe(STARTS);
    const source = fs.readFileSync(path.join(at("mirror"), MIRROR_PATHS.kernel));
    expect(fs.readFileSync(kernels[0] ?? "").equals(source)).toBe(true);
    // Links to one and the same file, which lies in the cache.
    expect(kernels.every((name) => fs.lstatSync(name).isSymbolicLink())).toBe(true);
    expect(new Set(kernels.map((name) => fs.statSync(name).ino)).size).toBe(1);
    expect(fs.readdirSync(at("cache/tmp"))).toEqual([]);
    expect(fs.readdirSync(at("cache/boots"))).toEqual([]);
    for (const vm of vms) expect(readRecord(at("state"), vm).PV_bootloader).toBe("pygrub");

    // The toolstack removes its links; the next start lets go of the pins.
    for (const name of fs.readdirSync(tmpfs.path)) fs.rmSync(path.join(tmpfs.path, name));
    expect(fs.readdirSync(at("cache/pinned"))).toHaveLength(2 * STARTS);
    writeRecord(at("state"), installRecord(server.url));
    expect(await start(programPath("eliloader"), ["-q", "--vm", VM, "/dev/null"], set)).toMatchObject({ status: 0 });
    expect(fs.readdirSync(at("cache/pinned"))).toHaveLength(2);
  }, 300_000);
});

describe("a start that others wait for", () => {
  it("is replaced by one of them within seconds of being killed", async () => {
    const slow = await startNginx({ root: at("mirror"), extra: "limit_rate 5m;" });
    const env = { ...set, GUESTBOOT_CACHE_DIR: at("cold") };
    const vms = [vmOf(100), vmOf(101), vmOf(102)];
    for (const vm of vms) writeRecord(at("state"), { ...installRecord(slow.url), uuid: vm, name_label: vm }, vm);
    const leader = spawn(programPath("eliloader"), ["-q", "--vm", vms[0] ?? "", "/dev/null"], {
      env: environment(env),
      stdio: "ignore",
    });
    const gone = once(leader, "exit");
    const partial = at("cold/partial");
    await expect.poll(() => fs.existsSync(partial) && fs.readdirSync(partial).length, { timeout: 30_000 }).toBe(2);
    const waiters = vms.slice(1).map((vm) => start(programPath("eliloader"), ["-q", "--vm", vm, "/dev/null"], env));
    await new Promise((resolve) => setTimeout(resolve, 2000));
    leader.kill("SIGKILL");
    await gone;
    const killed = performance.now();
    // Its file has been taken over as soon as one has a name that tells of another process.
    const isImage = (name: string) =>
      (fs.statSync(at(`cold/tmp/${name}`), { throwIfNoEntry: false })?.size ?? 0) > 1024 * 1024;
    const isReplaced = () =>
      fs.readdirSync(at("cold/tmp")).some((name) => name.split("~")[1] !== `${leader.pid}` && isImage(name));
    await expect.poll(isReplaced, { timeout: 5_000, interval: 20 }).toBe(true);
    for (const each of await Promise.all(waiters)) expect(each).toMatchObject({ status: 0, stderr: "" });
    // The rest of the transfer takes some eight seconds.
    expect(performance.now() - killed).toBeLessThan(20_000);
    const requests = slow.requests();
    await slow[Symbol.asyncDispose]();
    // One went on where the leader had stopped, and the other asked for nothing.
    const fetched = requests.filter((line) => line.includes("initrd.gz"));
    expect(fetched.filter((line) => / 20[06]$/.test(line)).length).toBeLessThanOrEqual(2);
    expect(fs.readdirSync(partial)).toEqual([]);
  }, 120_000);
});
