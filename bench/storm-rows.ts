/**
 * The rows of the benchmark about a host that starts 64 installations at once with nothing in the cache: how long it
 * takes beside a single such start, and what the mirror is asked.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { MIRROR_PATHS } from "../fixtures/debian-installer.ts";
import type { Nginx } from "../fixtures/nginx.ts";
import { installRecord, VM, writeRecord } from "../test/acceptance/vm-records.ts";
import { serveSignedMirror, settingsOf, type InstallationPlace } from "./installation.ts";
import type { Command } from "./measure.ts";
import { compare, type CountedRow, type Row, type Setting } from "./row.ts";

const STARTS = 64;
/** A storm takes as long as 64 starts do. */
const MOST_RUNS = 3;
const MEMORY_BAR_MB = 150;

export async function measureStorm({ folder, dist, installer, runs, isShort }: Setting): Promise<Row[]> {
  const starts = isShort ? 8 : STARTS;
  // Servers of their own: each has its own log.
  await using many = await serveSignedMirror(folder("mirror-of-many"), installer);
  await using one = await serveSignedMirror(folder("mirror-of-one"), installer);
  const storm = coldStarts({ dist, folder: folder("many"), url: many.url }, starts);
  const single = coldStarts({ dist, folder: folder("one"), url: one.url }, 1);
  const what = `${starts} installations at once, cold cache / one`;
  const row = compare(what, [storm, single], Math.min(runs, MOST_RUNS), { memoryBar: MEMORY_BAR_MB });
  // Each measurement has a warm-up before it and a run for the memory behind it.
  const storms = row.ours.times.length + 2;
  return [
    row,
    gets(`GETs of kernel and initrd, ${starts} at once`, many, storms, isOfFile),
    gets(`GETs of anything, ${starts} at once`, many, storms, () => true),
    gets("GETs of anything, one start", one, storms, () => true),
  ];
}

/** Starts so many, a process each, and waits for all; fails when one does. */
const ALL_AT_ONCE = `program=$1; shift; running=
for vm; do "$program" -q --vm "$vm" /dev/null > /dev/null & running="$running $!"; done
for process in $running; do wait "$process" || exit 1; done`;

function coldStarts(place: InstallationPlace, count: number): Command {
  const vms = Array.from({ length: count }, (_, index) => VM.replace(/^0a1b2c3d/, (0xc0000000 + index).toString(16)));
  const at = (name: string) => path.join(place.folder, name);
  const tidy = () => {
    for (const name of ["boots", "cache"]) fs.rmSync(at(name), { recursive: true, force: true });
    for (const vm of vms) writeRecord(at("state"), { ...installRecord(place.url), uuid: vm }, vm);
  };
  tidy();
  const script = ["/bin/sh", "-c", ALL_AT_ONCE, "sh", path.join(place.dist, "eliloader"), ...vms];
  return { name: `${count} × eliloader, cold`, argv: ["/usr/bin/env", ...settingsOf(place), ...script], tidy };
}

const isOfFile = (request: string) => Object.values(MIRROR_PATHS).some((file) => request.includes(`/${file} `));

/** As the web server's log has them, for one storm. */
function gets(what: string, nginx: Nginx, storms: number, isCounted: (request: string) => boolean): CountedRow {
  const count = nginx.requests().filter((request) => request.startsWith("GET ") && isCounted(request)).length;
  return { kind: "counted", what, count: Math.round((count / storms) * 10) / 10, unit: "GETs", bar: null };
}
