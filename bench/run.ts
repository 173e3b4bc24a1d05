/**
 * `npm run bench`: ours beside the programs that do the same, in turn: upstream pygrub on one 1 GiB ext4 image with a
 * Debian kernel and initrd, GRUB's reader on other filesystems, curl, sha256, wget and cpio; and how cost grows.
 * A benchmark, not a test: it marks a row that misses its bar, says by how much, and fails on nothing but a failure.
 *
 *   npm run bench -- --runs 15 --json
 *   npm run bench -- --rows starts,configs        these groups alone (GROUPS)
 *   npm run bench -- --short --runs 1             small sizes: to see that it works
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { DEBIAN_INSTALLER } from "../fixtures/debian-installer.ts";
import { makeInstallerLookalike } from "../fixtures/installer-lookalike.ts";
import { measureBootConfigs } from "./boot-config-rows.ts";
import { measureDisks, measureLookups } from "./disk-rows.ts";
import { measureCatalogGrowth } from "./growth-catalog-rows.ts";
import { measureGrowth } from "./growth-rows.ts";
import { measureStoreGrowth } from "./growth-store-rows.ts";
import { measureInitrds } from "./initrd-rows.ts";
import { measureInstallation } from "./install-rows.ts";
import { measureLayouts } from "./layout-rows.ts";
import { jsonText, load, machine, tableText } from "./report.ts";
import type { Row, Setting } from "./row.ts";
import { measureStarts } from "./start-rows.ts";
import { measureStore } from "./store-rows.ts";
import { measureStorm } from "./storm-rows.ts";

type Group = (setting: Setting) => Row[] | Promise<Row[]>;

/** In the table's order. */
const GROUPS: ReadonlyMap<string, Group> = new Map<string, Group>([
  ["starts", measureStarts],
  ["configs", measureBootConfigs],
  ["disks", measureDisks],
  ["lookups", measureLookups],
  ["install", measureInstallation],
  ["store", measureStore],
  ["storm", measureStorm],
  ["initrds", measureInitrds],
  ["layouts", measureLayouts],
  ["growth", measureGrowth],
  ["growth-store", measureStoreGrowth],
  ["growth-catalog", measureCatalogGrowth],
]);

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "15" },
    rows: { type: "string", default: [...GROUPS.keys()].join(",") },
    short: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const wanted = values.rows.split(",");
const unknown = wanted.find((name) => !GROUPS.has(name));
if (unknown !== undefined)
  throw new Error(`there are no rows "${unknown}"; there are ${[...GROUPS.keys()].join(", ")}`);
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs}: a number from 1 on is needed`);

// /tmp is a tmpfs on many machines.
const work = fs.mkdtempSync("/var/tmp/guestboot-bench-");
// Upstream opens the disk after it has become the user of --runas.
fs.chmodSync(work, 0o755);
const tmpfs = fs.mkdtempSync("/dev/shm/guestboot-bench-");
try {
  const loadBefore = load();
  const rows: Row[] = [];
  for (const [name, measure] of GROUPS) if (wanted.includes(name)) rows.push(...(await measureGroup(name, measure)));
  const about = { machine: machine(), runs, isShort: values.short, loadBefore, loadAfter: load() };
  process.stdout.write(values.json ? jsonText({ ...about, rows }) : tableText({ ...about, rows }));
} finally {
  for (const folder of [work, tmpfs]) fs.rmSync(folder, { recursive: true, force: true });
}

/** What a group has made goes before the next one: together they would take many gigabytes. */
async function measureGroup(name: string, measure: Group): Promise<Row[]> {
  const own = path.join(work, name);
  fs.mkdirSync(own);
  const folder = (below: string) => {
    const made = path.join(own, below);
    fs.mkdirSync(made);
    return made;
  };
  const dist = path.join(import.meta.dirname, "../dist");
  const installer = values.short ? makeInstallerLookalike(path.join(own, "files")) : DEBIAN_INSTALLER;
  const begun = performance.now();
  process.stderr.write(`${name} …\n`);
  try {
    return await measure({ folder, tmpfs, dist, installer, runs, isShort: values.short });
  } finally {
    fs.rmSync(own, { recursive: true, force: true });
    process.stderr.write(`${name}: ${((performance.now() - begun) / 1000).toFixed(0)} s\n`);
  }
}
