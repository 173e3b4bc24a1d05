/**
 * `npm run bench`: ours and upstream pygrub side by side, on one 1 GiB ext4 image with a Debian kernel and initrd.
 * A benchmark, not a test: it marks a row that misses its bar, says by how much, and fails on nothing but a failure.
 *
 *   npm run bench -- --runs 15 --json
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { makeFilesystemImage } from "../fixtures/disk-images.ts";
import { DEBIAN_INSTALLER } from "../fixtures/debian-installer.ts";
import { buildExecutable } from "../scripts/executable.ts";
import { measureInTurn, ratioOf, type Command, type Measured } from "./measure.ts";
import { measureStore } from "./store-rows.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "15" }, json: { type: "boolean" } } });
const RUNS = Number(values.runs);

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
}

const MEMORY_BAR_MB = 130;

const work = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-bench-"));
// Upstream opens the disk after it has become the user of --runas.
fs.chmodSync(work, 0o755);
const onTmpfs = fs.mkdtempSync("/dev/shm/guestboot-bench-");
try {
  const image = makeImage();
  const onDisk = path.join(work, "boot");
  fs.mkdirSync(onDisk);
  const rows = [
    compare("extract 49 MB to a tmpfs", extraction(image, onTmpfs), 0.7),
    compare("extract 49 MB to a disk", extraction(image, onDisk), 0.7),
    compare("extract to a tmpfs, --runas", extraction(image, onTmpfs, "--runas=65534"), null),
    compare(
      "say what would boot (-n)",
      [pygrub(OURS, ["-q", "-n", image]), pygrub(UPSTREAM, ["-q", "-n", image])],
      0.75,
    ),
    compare(
      "floor: our bare start",
      [
        { name: "guestboot --version", argv: [GUESTBOOT, "--version"] },
        { name: "python3 -c pass", argv: ["/usr/bin/python3", "-c", "pass"] },
      ],
      null,
    ),
  ];
  const cached = path.join(work, "code-cache/pygrub");
  fs.mkdirSync(path.dirname(cached));
  await buildExecutable({ kind: "code cache", output: cached });
  const start = ["-q", "-n", image];
  rows.push(
    compare(
      "-n: start-up snapshot / code cache",
      [pygrub(OURS, start), { name: "code cache", argv: [cached, ...start] }],
      null,
    ),
  );
  rows.push(...(await measureStore(work, path.join(root, "dist"), RUNS)));
  if (values.json === true) process.stdout.write(`${JSON.stringify(asJson(rows), null, 2)}\n`);
  else print(rows);
} finally {
  fs.rmSync(work, { recursive: true, force: true });
  fs.rmSync(onTmpfs, { recursive: true, force: true });
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
  const argv = ["-q", "--output-format=simple", `--output-directory=${folder}`, ...options, image];
  const tidy = () => {
    for (const name of fs.readdirSync(folder)) fs.rmSync(path.join(folder, name));
  };
  return [
    { ...pygrub(OURS, argv), tidy },
    { ...pygrub(UPSTREAM, argv), tidy },
  ];
}

function pygrub(program: string, argv: string[]): Command {
  return { name: program === OURS ? "guestboot" : "upstream", argv: [program, ...argv] };
}

function compare(what: string, [ours, other]: readonly [Command, Command], bar: number | null): Row {
  const [a, b] = measureInTurn([ours, other], RUNS);
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
  for (const { what, ours, other, ratio, bar, memoryBar } of rows) {
    const figures = [
      ours.median.toFixed(1).padStart(8),
      other.median.toFixed(1).padStart(8),
      ratio.toFixed(2).padStart(7),
    ];
    const verdict = [missed(ratio, bar, "ratio"), missed(ours.peak, memoryBar ?? MEMORY_BAR_MB, "memory")].filter(
      (word) => word !== "",
    );
    lines.push(
      `${what.padEnd(36)} ${figures.join(" ")} ${(bar?.toFixed(2) ?? "").padStart(6)}  ${ours.peak.toFixed(0).padStart(8)}  ${verdict.join(", ")}`.trimEnd(),
    );
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
