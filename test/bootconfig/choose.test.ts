import { expect, test } from "vitest";
import type { BootConfig, BootEntry } from "../../src/bootconfig/boot-config.ts";
import { chooseEntry } from "../../src/bootconfig/choose.ts";

const entry = (title: string): BootEntry => ({
  title,
  id: null,
  kernel: { device: null, path: `/boot/${title}` },
  ramdisks: [],
  arguments: "",
});
const config: BootConfig = {
  syntax: "grub-legacy",
  entries: [entry("a"), entry("b"), entry("b"), entry("0")],
  default: 1,
  timeout: null,
  notes: [],
};

// That this is upstream pygrub's way is checked beside it in grub-legacy.real.test.ts.
test("without a wish the default is chosen", () => {
  expect(chooseEntry(config, null)).toEqual({ index: 1, entry: config.entries[1], warning: null });
});
test("a number is an index", () => {
  expect(chooseEntry(config, "2").index).toBe(2);
});
test("a number counts all titles where the config has numbers of its own", () => {
  expect(chooseEntry({ ...config, numbers: [0, 2, 3, 5] }, "3").index).toBe(2);
  expect(chooseEntry({ ...config, numbers: [0, 2, 3, 5] }, "1").warning).toContain('no entry "1"');
});
test("a number wins over an entry of that title", () => {
  expect(chooseEntry(config, "0").entry.title).toBe("a");
});
test("of two entries with one title the first is chosen", () => {
  expect(chooseEntry(config, "b").index).toBe(1);
});
test.for(["4", "-1", "c", "B", "", "0x1", "1e1", "999999999999"])("%j is the default, with a warning", (wanted) => {
  const chosen = chooseEntry(config, wanted);
  expect(chosen.index).toBe(1);
  expect(chosen.warning).toBe(
    `no entry ${JSON.stringify(wanted)} boots a kernel in the boot config: the default is booted, "b"`,
  );
});
