import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { compareVersions } from "../../src/bootconfig/version-order.ts";

/** What systemd itself says of the two: its words hold `<`, `>` or `==` between them. */
function systemdSays(a: string, b: string): number {
  const done = spawnSync("systemd-analyze", ["compare-versions", "--", a, b], { encoding: "utf8" });
  if (done.error !== undefined) throw new Error("systemd-analyze is missing: apt-get install systemd");
  const signs = [
    ["<", -1],
    [">", 1],
    ["==", 0],
  ] as const;
  const found = signs.find(([sign]) => done.stdout === `${a} ${sign} ${b}\n`);
  if (found === undefined) throw new Error(`systemd-analyze: ${done.stdout}${done.stderr}`);
  return found[1];
}

/** Strings of the marks that the specification gives a meaning, the same in every run. */
function* madeUp(count: number): Generator<string> {
  let state = 12345;
  const next = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const parts = ["1", "10", "2", "02", "0", "a", "b", "B", "rc", "-", ".", "~", "^", "_"];
  for (let made = 0; made < count; made++) {
    yield Array.from({ length: 1 + next(5) }, () => parts[next(parts.length)] ?? "").join("");
  }
}

test("versions are ordered as systemd orders them", () => {
  const versions = [...madeUp(300)];
  const kernels = [
    "6.1.0-13-amd64",
    "6.1.0-9-amd64",
    "6.12~rc1",
    "5.14.0-362.el9.x86_64",
    "5.14.0-70.13.1.el9_0.x86_64",
  ];
  const pairs = [
    ...versions.flatMap((version, index) => (index % 2 === 0 ? [[version, versions[index + 1] ?? ""] as const] : [])),
    ...kernels.flatMap((a) => kernels.map((b) => [a, b] as const)),
  ].filter(([a, b]) => !a.startsWith("-") && !b.startsWith("-"));
  const wrong = pairs
    .map(([a, b]) => ({ a, b, ours: Math.sign(compareVersions(a, b)), theirs: systemdSays(a, b) }))
    .filter(({ ours, theirs }) => ours !== theirs);
  expect(wrong).toEqual([]);
});
