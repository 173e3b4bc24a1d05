import * as fs from "node:fs";
import { expect, it } from "vitest";
import { catalogFiles } from "../src/base/program.ts";
import { findFamily } from "../src/distro/catalog.ts";
import { extendCatalog, readCatalog } from "../src/distro/read-catalog.ts";
import { candidatesFor } from "./distro/candidates-for.ts";

const readme = fs.readFileSync(new URL("../README.md", import.meta.url), "utf8");
const examples = [...readme.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = ""]) => text);

it("the README's new release works as it stands there", () => {
  const text = examples.find((example) => example.includes('"releases"')) ?? "";
  expect(text.trim().split("\n").length).toBeLessThan(10);
  const catalog = extendCatalog(readCatalog(catalogFiles(), "/nowhere"), [{ name: "readme.json", text }]);
  const [first] = candidatesFor(findFamily(catalog, "debian"), { release: "15", arch: "amd64", flavour: null });
  expect(first?.kernel).toBe("dists/duke/main/installer-amd64/current/images/netboot/xen/vmlinuz");
});

it("the README's VM record has a uuid and asks for an installation", () => {
  const record: unknown = JSON.parse(examples.find((example) => example.includes("name_label")) ?? "");
  expect(record).toMatchObject({ PV_bootloader: "eliloader", other_config: { "install-distro": "debianlike" } });
});
