import * as fs from "node:fs";
import * as path from "node:path";
import { expect, it } from "vitest";
import { newerSource } from "../scripts/freshness.ts";
import { temporaryFolder } from "./program.ts";

it("names a source that is newer than what was built from it", () => {
  using folder = temporaryFolder();
  const at = (name: string) => path.join(folder.path, name);
  fs.mkdirSync(at("src/deep"), { recursive: true });
  for (const name of ["built", "src/deep/a.ts", "b.json", "other"]) fs.writeFileSync(at(name), "");
  for (const name of ["src/deep/a.ts", "b.json"]) fs.utimesSync(at(name), 1000, 1000);
  fs.utimesSync(at("built"), 2000, 2000);
  const newer = () => newerSource(folder.path, at("built"), ["src", "b.json"]);
  expect(newer()).toBeNull();
  fs.utimesSync(at("src/deep/a.ts"), 3000, 3000);
  expect(newer()).toBe("src/deep/a.ts");
  fs.utimesSync(at("src/deep/a.ts"), 1000, 1000);
  fs.utimesSync(at("b.json"), 3000, 3000);
  expect(newer()).toBe("b.json");
});
