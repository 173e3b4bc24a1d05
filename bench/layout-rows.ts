/** The row of the benchmark about layout checks: the whole catalog against a server on the loopback. */
import { execFileSync } from "node:child_process";
import * as path from "node:path";
import { makeCatalogTree, type ListedLayout } from "../fixtures/catalog-tree.ts";
import { startNginx } from "../fixtures/nginx.ts";
import { compare, type Row, type Setting } from "./row.ts";

/** Milliseconds for this many layouts. */
const BAR_MS = 5000;
const PER = 300;
/** MB. Hundreds of trees are looked at side by side; no boot loader does that. */
const MEMORY_BAR_MB = 512;

export async function measureLayouts({ folder, dist, runs, isShort }: Setting): Promise<Row[]> {
  const program = path.join(dist, "guestboot");
  const layouts = JSON.parse(
    execFileSync(program, ["layouts", "list", "--json"], { encoding: "utf8" }),
  ) as ListedLayout[];
  const root = folder("mirror");
  await using nginx = await startNginx({ root });
  const mirrors = makeCatalogTree(root, layouts, nginx.url);
  const check = ["layouts", "check", "--all", "--json", "--quiet", ...(isShort ? mirrors.slice(0, 2) : mirrors)];
  const checked = JSON.parse(
    execFileSync(program, check, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  ) as unknown[];
  const row = compare(
    `check ${checked.length} layouts / bare start; for ${PER}`,
    [
      { name: "guestboot layouts check --all", argv: [program, ...check] },
      { name: "guestboot --version", argv: [program, "--version"] },
    ],
    runs,
    { memoryBar: MEMORY_BAR_MB },
  );
  return [{ ...row, difference: (row.ours.median * PER) / checked.length, differenceBar: BAR_MS }];
}
