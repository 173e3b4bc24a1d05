import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openFolder } from "../../src/filesystem/folder.ts";
import { findInGuest } from "../../src/pipeline/guest-path.ts";
import type { BootPlace } from "../../src/pipeline/find-boot.ts";
import { temporaryFolder } from "../program.ts";

const folder = temporaryFolder();
fs.writeFileSync(path.join(folder.path, "file"), "");
afterAll(() => folder[Symbol.dispose]());

const place = (name: string, more: Partial<BootPlace> & { readonly uuid?: string; readonly label?: string }) => ({
  name,
  number: null,
  partitionUuid: null,
  filesystem: () => ({ ...openFolder(folder.path), uuid: more.uuid ?? null, label: more.label ?? null }),
  ...more,
});

const search = {
  disk: "disk",
  vm: null,
  notes: [],
  places: [
    place("partition 1", { number: 1, partitionUuid: "0a-01", partitionLabel: "efi", uuid: "ABCD-1234" }),
    place("partition 2", { number: 2, partitionUuid: "0a-02", label: "home" }),
    place("lvm the-guest/root", { uuid: "11-22" }),
  ],
};

describe("a volume of a guest", () => {
  it.each([
    ["partition 2", "partition 2"],
    ["2", "partition 2"],
    ["home", "partition 2"],
    ["0A-02", "partition 2"],
    ["efi", "partition 1"],
    ["abcd-1234", "partition 1"],
    ["lvm the-guest/root", "lvm the-guest/root"],
    ["the-guest/root", "lvm the-guest/root"],
    ["/dev/the-guest/root", "lvm the-guest/root"],
    ["/dev/mapper/the--guest-root", "lvm the-guest/root"],
    ["11-22", "lvm the-guest/root"],
  ])("may be called %s", (called, name) => {
    expect(findInGuest(search, called, "/file").place.name).toBe(name);
  });

  it("that is not there is told with those that are", () => {
    expect(() => findInGuest(search, "the-guest/swap", "/file")).toThrow(
      'no volume "the-guest/swap"; it has: partition 1, partition 2, lvm the-guest/root',
    );
  });
});
