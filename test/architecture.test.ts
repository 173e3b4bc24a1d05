import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";

/** Which rooms a room may import besides itself; `base` is open to all (DESIGN: "The house"). */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  compress: [],
  disk: [],
  filesystem: ["disk", "compress"],
  kernel: ["compress"],
  initrd: ["compress"],
  store: ["compress"],
  trust: ["compress"],
  bootconfig: ["filesystem"],
  repository: ["filesystem", "disk"],
  toolstack: [],
  distro: ["repository"],
  pipeline: [
    "distro",
    "repository",
    "trust",
    "store",
    "initrd",
    "kernel",
    "bootconfig",
    "filesystem",
    "disk",
    "toolstack",
    "compress",
  ],
  cli: [
    "pipeline",
    "distro",
    "repository",
    "trust",
    "store",
    "initrd",
    "kernel",
    "bootconfig",
    "filesystem",
    "disk",
    "toolstack",
    "compress",
  ],
  library: [
    "pipeline",
    "distro",
    "repository",
    "trust",
    "store",
    "initrd",
    "kernel",
    "bootconfig",
    "filesystem",
    "disk",
    "toolstack",
    "compress",
  ],
};

const SRC = path.join(import.meta.dirname, "../src");

const files = fs
  .readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"));

function importsOf(file: string): string[] {
  const text = fs.readFileSync(path.join(SRC, file), "utf8");
  const found = text.matchAll(/^(?:import|export)\b(?:[^;"]*\bfrom)?\s*"(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/gm);
  return [...found].map(([, target, lazily]) => path.join(path.dirname(file), target ?? lazily ?? ""));
}

const roomOf = (file: string) => file.split(path.sep)[0] ?? "";

describe("the house", () => {
  it("has only rooms that the design names", () => {
    expect([...new Set(files.map(roomOf))].filter((room) => !(room in MAY_IMPORT))).toEqual([]);
  });

  it("imports downwards only", () => {
    const upwards = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => {
          const [from, to] = [roomOf(file), roomOf(target)];
          return from !== to && to !== "base" && !(MAY_IMPORT[from] ?? []).includes(to);
        })
        .map((target) => `${file} → ${target}`),
    );
    expect(upwards).toEqual([]);
  });

  it("has no import circle", () => {
    const circles: string[] = [];
    const done = new Set<string>();
    const walk = (file: string, trail: readonly string[]) => {
      if (trail.includes(file)) {
        circles.push([...trail.slice(trail.indexOf(file)), file].join(" → "));
        return;
      }
      if (done.has(file)) return;
      for (const target of importsOf(file)) walk(target, [...trail, file]);
      done.add(file);
    };
    for (const file of files) walk(file, []);
    expect(circles).toEqual([]);
  });
});
