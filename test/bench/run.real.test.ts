import * as path from "node:path";
import { expect, it } from "vitest";
import { programPath, ROOT, start } from "../program.ts";

interface Printed {
  readonly machine: string;
  readonly rows: readonly {
    readonly kind: string;
    readonly what: string;
    readonly ratio?: number;
    readonly ours?: { readonly times: readonly number[]; readonly peak: number };
    readonly other?: { readonly times: readonly number[]; readonly peak: number };
    readonly count?: number;
  }[];
}

/** Milliseconds. It takes about a minute of the processor, whose time others want too. */
const PATIENCE = 280_000;

it("the benchmark's short form has figures in each row (their size is no test's business)", async () => {
  programPath("guestboot");
  // Not the runtime's permissions, which a Node that a Node starts is handed through NODE_OPTIONS.
  const node = ["-u", "NODE_OPTIONS", path.join(ROOT, "node_modules/.bin/node")];
  const bench = [path.join(ROOT, "bench/run.ts"), "--short", "--runs", "1", "--json"];
  const ended = await start("/usr/bin/env", [...node, ...bench], {}, PATIENCE);
  expect(ended.status, ended.stderr).toBe(0);
  const { machine, rows } = JSON.parse(ended.stdout) as Printed;
  expect(machine).toMatch(/^\d+ × .+ GiB, Linux /);
  for (const { kind, what, ratio, ours, other, count } of rows) {
    if (kind === "counted") {
      expect(count, what).toBeGreaterThan(0);
      continue;
    }
    expect(ratio, what).toBeGreaterThan(0);
    for (const side of [ours, other]) {
      expect(side?.times, what).toHaveLength(1);
      expect(side?.peak, what).toBeGreaterThan(1);
    }
  }
  const names = rows.map(({ what }) => what).join("\n");
  const wanted = [
    /\(-l\)/,
    /--runas/,
    /XFS/,
    /btrfs/,
    /LVM/,
    /wget, cpio/,
    /curl/,
    /at once/,
    /gzip/,
    /zstd/,
    /layouts/,
  ];
  for (const each of wanted) expect(names).toMatch(each);
  for (const grown of ["append", "disk", "grub.cfg", "store", "catalog"]) {
    expect(names).toMatch(new RegExp(`^growth, .*${grown}`, "m"));
  }
}, 300_000);
