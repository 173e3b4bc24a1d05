/**
 * `npm run bench`: ours beside the programs that do the same, in turn: upstream pygrub on one 1 GiB ext4 image with a
 * Debian kernel and initrd, GRUB's reader on other filesystems, curl, sha256, cpio.
 * A benchmark, not a test: it marks a row that misses its bar, says by how much, and fails on nothing but a failure.
 *
 *   npm run bench -- --runs 15 --json
 *   npm run bench -- --rows starts,configs        of starts, configs, layouts, disks, initrds, store
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { makeFilesystemImage } from "../fixtures/disk-images.ts";
import { DEBIAN_INSTALLER } from "../fixtures/debian-installer.ts";
import { buildExecutable } from "../scripts/executable.ts";
import { measureBootConfigs } from "./boot-config-rows.ts";
import { measureDisks, measureLookups } from "./disk-rows.ts";
import { initrdComparisons } from "./initrd.ts";
import { measureLayouts } from "./layout-rows.ts";
import { measureInTurn, ratioOf, type Command, type Measured } from "./measure.ts";
import { measureStore } from "./store-rows.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "15" },
    rows: { type: "string", default: "starts,configs,layouts,disks,initrds,store" },
    json: { type: "boolean" },
  },
});
const RUNS = Number(values.runs);
const isWanted = (group: string) => values.rows.split(",").includes(group);

const root = path.dirname(import.meta.dirname);
const OURS = path.join(root, "dist/pygrub");
const GUESTBOOT = path.join(root, "dist/guestboot");
const UPSTREAM = "/usr/lib/xen-4.17/bin/pygrub";

/** One comparison: ours, upstream's, and the most that their ratio may be; null where no bar is set. */
interface Row {
  readonly what: string;
  readonly ours: Measured;
  readonly other: Measured;
  readonly ratio: number;
  readonly bar: number | null;
  /** MB; `MEMORY_BAR_MB` when not given. */
  readonly memoryBar?: number;
  /** Milliseconds between the two, where that is what counts, and its bar. */
  readonly difference?: number;
  readonly differenceBar?: number | null;
}

const MEMORY_BAR_MB = 130;
/** What `src/pipeline/confine.ts` can be built without: the runtime's permissions alone are given up then. */
const ALL_WALLS = "root limits user filter";

const work = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-bench-"));
// Upstream opens the disk after it has become the user of --runas.
fs.chmodSync(work, 0o755);
const onTmpfs = fs.mkdtempSync("/dev/shm/guestboot-bench-");
try {
  const dist = path.join(root, "dist");
  const rows: Row[] = [];
  if (isWanted("starts")) rows.push(...(await measureStarts()));
  if (isWanted("configs")) rows.push(...measureBootConfigs(emptyFolder("configs"), dist, RUNS));
  if (isWanted("layouts")) rows.push(...(await measureLayouts(emptyFolder("layouts"), dist, RUNS)));
  if (isWanted("disks")) rows.push(...measureDisks(emptyFolder("disks"), onTmpfs, dist, RUNS));
  if (isWanted("initrds")) rows.push(...measureInitrds());
  if (isWanted("store")) rows.push(...(await measureStore(emptyFolder("store"), dist, RUNS)));
  if (values.json === true) process.stdout.write(`${JSON.stringify(asJson(rows), null, 2)}\n`);
  else print(rows);
} finally {
  fs.rmSync(work, { recursive: true, force: true });
  fs.rmSync(onTmpfs, { recursive: true, force: true });
}

function emptyFolder(name: string): string {
  const folder = path.join(work, name);
  fs.mkdirSync(folder);
  return folder;
}

async function measureStarts(): Promise<Row[]> {
  const image = makeImage();
  const onDisk = emptyFolder("boot");
  const cached = path.join(emptyFolder("code-cache"), "pygrub");
  await buildExecutable({ kind: "code cache", output: cached });
  const unconfined = path.join(emptyFolder("unconfined"), "pygrub");
  await buildExecutable({ kind: "snapshot", output: unconfined, without: ALL_WALLS });
  const start = ["-q", "-n", image];
  return [
    compare("extract 49 MB to a tmpfs", extraction(image, onTmpfs), 0.7),
    compare("extract 49 MB to a disk", extraction(image, onDisk), 0.7),
    compare("extract to a tmpfs, --runas", extraction(image, onTmpfs, "--runas=65534"), 0.75),
    compare("extract: confined / unconfined", extractions([OURS, unconfined], image, onTmpfs), 1.15),
    compare("say what would boot (-n)", [pygrub(OURS, start), pygrub(UPSTREAM, start)], 0.75),
    compare(
      "floor: our bare start",
      [
        { name: "guestboot --version", argv: [GUESTBOOT, "--version"] },
        { name: "python3 -c pass", argv: ["/usr/bin/python3", "-c", "pass"] },
      ],
      null,
    ),
    compare(
      "-n: start-up snapshot / code cache",
      [pygrub(OURS, start), { name: "code cache", argv: [cached, ...start] }],
      null,
    ),
  ];
}

function measureInitrds(): Row[] {
  return initrdComparisons(emptyFolder("initrds"), GUESTBOOT, RUNS).map(({ what, commands, bar, memoryBar, runs }) => {
    return { ...compare(what, commands, bar, Math.min(runs, RUNS)), memoryBar };
  });
}

function makeImage(): string {
  const folder = path.join(work, "guest");
  fs.mkdirSync(path.join(folder, "boot/grub"), { recursive: true });
  fs.copyFileSync(DEBIAN_INSTALLER.kernel, path.join(folder, "boot/vmlinuz"));
  fs.copyFileSync(DEBIAN_INSTALLER.initrd, path.join(folder, "boot/initrd.img"));
  fs.writeFileSync(
    path.join(folder, "boot/grub/menu.lst"),
    "default 0\ntimeout 5\ntitle Debian\nroot (hd0,0)\nkernel /boot/vmlinuz root=/dev/xvda1 ro\ninitrd /boot/initrd.img\n",
  );
  const image = path.join(work, "guest.img");
  makeFilesystemImage({ path: image, type: "ext4", sizeMiB: 1024, folder });
  return image;
}

function extraction(image: string, folder: string, ...options: string[]): [Command, Command] {
  return extractions([OURS, UPSTREAM], image, folder, ...options);
}

function extractions(programs: [string, string], image: string, folder: string, ...options: string[]) {
  const argv = ["-q", "--output-format=simple", `--output-directory=${folder}`, ...options, image];
  const tidy = () => {
    for (const name of fs.readdirSync(folder)) fs.rmSync(path.join(folder, name));
  };
  const [ours, other] = programs;
  const pair: [Command, Command] = [
    { ...pygrub(ours, argv), tidy },
    { ...pygrub(other, argv), tidy },
  ];
  return pair;
}

function pygrub(program: string, argv: string[]): Command {
  const name = program === OURS ? "guestboot" : program === UPSTREAM ? "upstream" : "guestboot, unconfined";
  return { name, argv: [program, ...argv] };
}

function compare(what: string, [ours, other]: readonly [Command, Command], bar: number | null, runs = RUNS): Row {
  const [a, b] = measureInTurn([ours, other], runs);
  if (a === undefined || b === undefined) throw new Error("two commands give two measurements");
  return { what, ours: a, other: b, ratio: ratioOf(a, b), bar };
}

function machine(): string {
  const memory = Math.round(os.totalmem() / 1024 ** 3);
  return `${os.cpus().length} × ${os.cpus()[0]?.model ?? "unknown"}, ${memory} GiB, ${os.type()} ${os.release()}`;
}

function print(rows: readonly Row[]): void {
  const lines = [
    `${machine()}; ${RUNS} runs each, in turn; median wall time in ms, ratio of neighbouring runs`,
    "",
    `${"".padEnd(36)} ${"ours".padStart(8)} ${"other".padStart(8)} ${"ratio".padStart(7)} ${"bar".padStart(6)}  ${"peak MB".padStart(8)}`,
  ];
  for (const { what, ours, other, ratio, bar, memoryBar, difference = 0, differenceBar = null } of rows) {
    const figures = [
      ours.median.toFixed(1).padStart(8),
      other.median.toFixed(1).padStart(8),
      ratio.toFixed(2).padStart(7),
    ];
    const verdict = [
      missed(ratio, bar, "ratio"),
      missed(ours.peak, memoryBar ?? MEMORY_BAR_MB, "memory"),
      differenceBar === null ? "" : `${difference.toFixed(1)} ms more, bar ${differenceBar} ms`,
      missed(difference, differenceBar, "time"),
    ].filter((word) => word !== "");
    lines.push(
      `${what.padEnd(36)} ${figures.join(" ")} ${(bar?.toFixed(2) ?? "").padStart(6)}  ${ours.peak.toFixed(0).padStart(8)}  ${verdict.join(", ")}`.trimEnd(),
    );
  }
  if (isWanted("disks")) {
    for (const { what, bytes, bar } of measureLookups(emptyFolder("lookups"))) {
      lines.push(`${what}: ${bytes} bytes read, bar ${bar} ${missed(bytes, bar, "bytes")}`.trimEnd());
    }
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

function missed(value: number, bar: number | null, what: string): string {
  return bar === null || value <= bar ? "" : `MISSES its ${what} bar by ${Math.round((value / bar - 1) * 100)}%`;
}

function asJson(rows: readonly Row[]) {
  const plain = ({ name, times, median, peak }: Measured) => ({ name, times, median, peak });
  return {
    machine: machine(),
    runs: RUNS,
    rows: rows.map(({ what, ours, other, ratio, bar }) => ({
      what,
      ours: plain(ours),
      other: plain(other),
      ratio,
      bar,
    })),
  };
}
