/**
 * The rows of the benchmark about the cache: a cold fetch of 1 GiB beside curl and beside sha256 alone, and starts of an
 * installation whose files are in the cache beside our bare start. The mirror is signed as a real one: the fetch asks for
 * a signature and holds its key, the starts find the signed index of somebody whose key this host does not hold.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { MIRROR_PATHS, makeDebianMirror } from "../fixtures/debian-installer.ts";
import { startNginx, type Nginx } from "../fixtures/nginx.ts";
import { Gpg } from "../test/trust/gpg.ts";
import { installRecord, VM, writeRecord } from "../test/acceptance/vm-records.ts";
import { signMirror } from "./signed-mirror.ts";
import { measureInTurn, medianOf, ratioOf, type Command, type Measured } from "./measure.ts";

interface StoreRow {
  readonly what: string;
  readonly ours: Measured;
  readonly other: Measured;
  readonly ratio: number;
  readonly bar: number | null;
  readonly memoryBar: number;
}

/** Each run moves 3 GiB. */
const MOST_COLD_RUNS = 5;
const MEMORY_BAR_MB = 150;

/** sha256 with nothing around it, in a process of the runtime that we are built on. */
const HASH_ALONE = `const { createHash } = require("node:crypto"), fs = require("node:fs");
const hash = createHash("sha256"), buffer = Buffer.alloc(1 << 20), fd = fs.openSync(process.argv[1], "r");
for (let length; (length = fs.readSync(fd, buffer)) > 0;) hash.update(buffer.subarray(0, length));
console.log(hash.digest("hex"));`;

export async function measureStore(work: string, dist: string, runs: number): Promise<StoreRow[]> {
  const mirror = path.join(work, "mirror");
  makeDebianMirror(mirror);
  using gpg = new Gpg();
  const key = gpg.makeKey("archive");
  const keyring = gpg.exportTo(path.join(work, "archive.gpg"), [key]);
  signMirror(mirror, gpg, key);
  await using nginx = await startNginx({ root: mirror });
  const warm = warmStarts(work, dist, nginx, runs);
  const big = path.join(work, "mirror-of-1-GiB");
  fs.mkdirSync(path.join(big, path.dirname(MIRROR_PATHS.initrd)), { recursive: true });
  fs.copyFileSync(path.join(mirror, MIRROR_PATHS.kernel), path.join(big, MIRROR_PATHS.kernel));
  execFileSync("head", ["-c", `${1024 ** 3}`, "/dev/urandom"], {
    stdio: ["ignore", fs.openSync(path.join(big, MIRROR_PATHS.initrd), "w"), "inherit"],
  });
  signMirror(big, gpg, key);
  await using nginxOfBig = await startNginx({ root: big });
  return [...warm, coldFetch(work, dist, nginxOfBig, big, keyring, Math.min(runs, MOST_COLD_RUNS))];
}

function coldFetch(work: string, dist: string, nginx: Nginx, root: string, keyring: string, runs: number): StoreRow {
  const [cache, output, curled] = ["cold-cache", "fetched", "curled"].map((name) => path.join(work, name));
  if (cache === undefined || output === undefined || curled === undefined) throw new Error("three names");
  fs.mkdirSync(output);
  const url = nginx.url;
  const fetch: Command = {
    name: "guestboot fetch, 1 GiB, cold",
    argv: [
      ...["/usr/bin/env", `GUESTBOOT_CACHE_DIR=${cache}`, path.join(dist, "guestboot"), "fetch", url],
      ...["--distro", "debian", "--release", "bookworm", "--arch", "amd64", "--quiet", "--output", output],
      ...["--trust", "require-signed", "--keyring", keyring],
    ] as [string, ...string[]],
    tidy() {
      for (const folder of [cache, output]) fs.rmSync(folder, { recursive: true, force: true });
      fs.mkdirSync(output);
    },
  };
  const curl: Command = {
    name: "curl -o",
    argv: ["curl", "-sf", "-o", curled, url + MIRROR_PATHS.initrd],
    tidy: () => fs.rmSync(curled),
  };
  const hash: Command = {
    name: "sha256 alone",
    argv: [process.execPath, "-e", HASH_ALONE, path.join(root, MIRROR_PATHS.initrd)],
  };
  const [a, b, c] = measureInTurn([fetch, curl, hash], runs);
  if (a === undefined || b === undefined || c === undefined) throw new Error("three commands give three measurements");
  const slower = b.median > c.median ? b : c;
  const ratio = medianOf(a.times.map((time, run) => time / Math.max(b.times[run] ?? 0, c.times[run] ?? 0)));
  return {
    what: `cold fetch of 1 GiB / ${slower.name}`,
    ours: a,
    other: slower,
    ratio,
    bar: 1.15,
    memoryBar: MEMORY_BAR_MB,
  };
}

function warmStarts(work: string, dist: string, nginx: Nginx, runs: number): StoreRow[] {
  const at = (name: string) => path.join(work, name);
  const record = () => writeRecord(at("state"), installRecord(nginx.url));
  const tidy = () => {
    fs.rmSync(at("boots"), { recursive: true, force: true });
    record();
  };
  const start = (name: string, freshFor: string): Command => ({
    name,
    argv: [
      ...["/usr/bin/env", `GUESTBOOT_STATE_DIR=${at("state")}`, `GUESTBOOT_CACHE_DIR=${at("cache")}`],
      ...[`GUESTBOOT_BOOT_DIR=${at("boots")}`, `GUESTBOOT_CACHE_FRESH_FOR=${freshFor}`],
      ...[path.join(dist, "eliloader"), "-q", "--vm", VM, "/dev/null"],
    ] as [string, ...string[]],
    tidy,
  });
  record();
  const version: Command = {
    name: "guestboot --version",
    argv: ["/usr/bin/env", path.join(dist, "guestboot"), "--version"],
  };
  const [fresh, asking, bare] = measureInTurn([start("fresh", "1h"), start("revalidating", "0"), version], runs);
  if (fresh === undefined || asking === undefined || bare === undefined) throw new Error("three measurements");
  const row = { other: bare, memoryBar: MEMORY_BAR_MB };
  return [
    { what: "warm start, fresh / --version", ours: fresh, ratio: ratioOf(fresh, bare), bar: 1.8, ...row },
    { what: "warm start, revalidating / --version", ours: asking, ratio: ratioOf(asking, bare), bar: null, ...row },
  ];
}
