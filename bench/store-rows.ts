/**
 * The rows of the benchmark about the cache: a cold fetch of 1 GiB beside curl and beside sha256 alone; beside what
 * brings the bytes to the disk as ours does: curl with sync, dd without any network, and curl with tee and sha256sum,
 * the whole of the work by other programs; and starts of an installation whose files are in the cache beside our bare
 * start. The mirror is signed as a real one: the fetch asks for a signature and holds its key, the starts find the
 * signed index of somebody whose key this host does not hold.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { MIRROR_PATHS, makeDebianMirror } from "../fixtures/debian-installer.ts";
import { startNginx } from "../fixtures/nginx.ts";
import { Gpg } from "../test/trust/gpg.ts";
import { serveSignedMirror, warmStart } from "./installation.ts";
import { measureInTurn, medianOf, type Command } from "./measure.ts";
import { timedRow, type Row, type Setting } from "./row.ts";
import { signMirror } from "./signed-mirror.ts";

/** Each run moves 3 GiB. */
const MOST_COLD_RUNS = 5;
const MEMORY_BAR_MB = 150;
const GIBIBYTE = 1024 ** 3;

/** sha256 with nothing around it, in a process of the runtime that we are built on. */
const HASH_ALONE = `const { createHash } = require("node:crypto"), fs = require("node:fs");
const hash = createHash("sha256"), buffer = Buffer.alloc(1 << 20), fd = fs.openSync(process.argv[1], "r");
for (let length; (length = fs.readSync(fd, buffer)) > 0;) hash.update(buffer.subarray(0, length));
console.log(hash.digest("hex"));`;

const PIPELINE = 'curl -sf "$2" | tee "$1" | sha256sum && sync "$1"';

export async function measureStore(setting: Setting): Promise<Row[]> {
  return [...(await warmStarts(setting)), ...(await coldFetch(setting))];
}

async function warmStarts({ folder, dist, installer, runs }: Setting): Promise<Row[]> {
  await using nginx = await serveSignedMirror(folder("mirror"), installer);
  const place = { dist, folder: folder("warm"), url: nginx.url };
  const version: Command = {
    name: "guestboot --version",
    argv: ["/usr/bin/env", path.join(dist, "guestboot"), "--version"],
  };
  const fresh = warmStart(place, "fresh", ["GUESTBOOT_CACHE_FRESH_FOR=1h"]);
  const asking = warmStart(place, "revalidating", ["GUESTBOOT_CACHE_FRESH_FOR=0"]);
  const [a, b, bare] = measureInTurn([fresh, asking, version], runs);
  if (a === undefined || b === undefined || bare === undefined) throw new Error("three measurements");
  return [
    timedRow("warm start, fresh / --version", a, bare, { bar: 1.8, memoryBar: MEMORY_BAR_MB }),
    timedRow("warm start, revalidating / --version", b, bare, { memoryBar: MEMORY_BAR_MB }),
  ];
}

async function coldFetch({ folder, dist, installer, runs, isShort }: Setting): Promise<Row[]> {
  const root = folder("mirror-of-much");
  const keyring = path.join(folder("keys"), "archive.gpg");
  makeDebianMirror(root, installer);
  makeLarge(path.join(root, MIRROR_PATHS.initrd), isShort ? GIBIBYTE / 16 : GIBIBYTE);
  sign(root, keyring);
  await using nginx = await startNginx({ root });
  const [cache, output, work] = [folder("cache"), folder("fetched"), folder("curled")];
  const curled = path.join(work, "curled");
  const fetch: Command = {
    name: "guestboot fetch, cold",
    argv: [
      ...(["/usr/bin/env", `GUESTBOOT_CACHE_DIR=${cache}`, path.join(dist, "guestboot"), "fetch", nginx.url] as const),
      ...["--distro", "debian", "--release", "bookworm", "--arch", "amd64", "--quiet", "--output", output],
      ...["--trust", "require-signed", "--keyring", keyring],
    ],
    tidy() {
      for (const each of [cache, output]) fs.rmSync(each, { recursive: true, force: true });
      fs.mkdirSync(output);
    },
  };
  const curl: Command = {
    name: "curl -o",
    argv: ["curl", "-sf", "-o", curled, nginx.url + MIRROR_PATHS.initrd],
    tidy: () => fs.rmSync(curled),
  };
  const hash: Command = {
    name: "sha256 alone",
    argv: [process.execPath, "-e", HASH_ALONE, path.join(root, MIRROR_PATHS.initrd)],
  };
  const synced: Command = {
    ...curl,
    name: "curl -o, sync",
    argv: ["/bin/sh", "-c", 'curl -sf -o "$1" "$2" && sync "$1"', "sh", curled, nginx.url + MIRROR_PATHS.initrd],
  };
  // What the disk takes through the page cache; past it, as large files are fetched, it takes less.
  const disk: Command = {
    ...curl,
    name: "dd conv=fsync",
    argv: ["dd", `if=${path.join(root, MIRROR_PATHS.initrd)}`, `of=${curled}`, "bs=1M", "conv=fsync", "status=none"],
  };
  const pipeline: Command = {
    ...curl,
    name: "curl, tee, sha256sum, sync",
    argv: ["/bin/bash", "-o", "pipefail", "-c", PIPELINE, "bash", curled, nginx.url + MIRROR_PATHS.initrd],
  };
  const commands = [fetch, curl, hash, synced, disk, pipeline] as const;
  const [a, b, c, ...durable] = measureInTurn(commands, Math.min(runs, MOST_COLD_RUNS));
  if (a === undefined || b === undefined || c === undefined) throw new Error("each command gives a measurement");
  const slower = b.median > c.median ? b : c;
  const cold = `cold fetch of ${isShort ? "64 MiB" : "1 GiB"}`;
  const what = `${cold} / the slower of curl and sha256, ${slower.name}`;
  const row = timedRow(what, a, slower, { bar: 1.15, memoryBar: MEMORY_BAR_MB });
  return [
    { ...row, ratio: medianOf(a.times.map((time, run) => time / Math.max(b.times[run] ?? 0, c.times[run] ?? 0))) },
    ...durable.map((other) => timedRow(`${cold} / ${other.name}`, a, other, { memoryBar: MEMORY_BAR_MB })),
  ];
}

/** Puts a file of random bytes there, on the disk: what is still to be written would take part in the first runs. */
function makeLarge(file: string, bytes: number): void {
  fs.rmSync(file);
  execFileSync("/bin/sh", ["-c", 'head -c "$1" /dev/urandom > "$2" && sync "$2"', "sh", `${bytes}`, file]);
}

/** @param keyring the file that the mirror's key is written into */
function sign(root: string, keyring: string): void {
  using gpg = new Gpg();
  const key = gpg.makeKey("archive");
  gpg.exportTo(keyring, [key]);
  signMirror(root, gpg, key);
}
