/** The row of the benchmark about layout checks: the whole catalog against a server on the loopback. */
import { execFileSync } from "node:child_process";
import * as path from "node:path";
import { makeCatalogTree, type ListedLayout } from "../fixtures/catalog-tree.ts";
import { startNginx } from "../fixtures/nginx.ts";
import { measureInTurn, ratioOf, type Measured } from "./measure.ts";

/** Milliseconds for this many layouts. */
const BAR_MS = 5000;
const PER = 300;

export interface LayoutRow {
  readonly what: string;
  readonly ours: Measured;
  readonly other: Measured;
  readonly ratio: number;
  readonly bar: null;
  readonly difference: number;
  readonly differenceBar: number;
  /** MB. Hundreds of trees are looked at side by side; no boot loader does that. */
  readonly memoryBar: number;
}

export async function measureLayouts(work: string, dist: string, runs: number): Promise<LayoutRow[]> {
  const program = path.join(dist, "guestboot");
  const layouts = JSON.parse(
    execFileSync(program, ["layouts", "list", "--json"], { encoding: "utf8" }),
  ) as ListedLayout[];
  await using nginx = await startNginx({ root: work });
  const mirrors = makeCatalogTree(work, layouts, nginx.url);
  const [, ...check] = [program, "layouts", "check", "--all", "--json", "--quiet", ...mirrors];
  const checked = JSON.parse(
    execFileSync(program, check, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  ) as unknown[];
  const [ours, other] = measureInTurn(
    [
      { name: "guestboot layouts check --all", argv: [program, ...check] },
      { name: "guestboot --version", argv: [program, "--version"] },
    ],
    runs,
  );
  if (ours === undefined || other === undefined) throw new Error("two commands give two measurements");
  const what = `check ${checked.length} layouts / bare start; for ${PER}`;
  const difference = (ours.median * PER) / checked.length;
  return [
    { what, ours, other, ratio: ratioOf(ours, other), bar: null, difference, differenceBar: BAR_MS, memoryBar: 512 },
  ];
}
