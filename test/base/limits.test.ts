import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { memorySource, type ByteSource } from "../../src/base/byte-source.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import {
  DEFAULT_READ_LIMITS,
  directoryBudget,
  extentBudget,
  limitedSource,
  setReadLimits,
  type ReadLimits,
} from "../../src/base/limits.ts";
import { readSettings } from "../../src/base/settings.ts";
import { readVolumes } from "../../src/disk/volumes.ts";
import type { FilesystemDriver, FilesystemNode } from "../../src/filesystem/filesystem.ts";
import { guestFilesystem } from "../../src/filesystem/guest-filesystem.ts";

const folder = mkdtempSync(join(tmpdir(), "guestboot-limits-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => setReadLimits(DEFAULT_READ_LIMITS));

const set = (limits: Partial<ReadLimits>) => setReadLimits({ ...DEFAULT_READ_LIMITS, ...limits });
const failure = (work: () => unknown): GuestbootError | null => {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof GuestbootError) return error;
    throw error;
  }
};

describe("a disk with limits", () => {
  const bytes = memorySource(new Uint8Array(1000));

  it("gives as many bytes as are allowed, and none after", () => {
    set({ bytesRead: 100 });
    const source = limitedSource(bytes);
    source.read(0, 60);
    expect(source.read(900, 40)).toHaveLength(40);
    for (const at of [0, 999]) {
      const error = failure(() => source.read(at, 1));
      expect(error?.code).toBe("BUDGET_EXCEEDED");
      expect(error?.message).toContain("100 bytes");
      expect(error?.hint).toContain("max-bytes-read-mb under [limits] in /etc/guestboot.conf");
    }
  });

  it("is read for as long as is allowed, the device's own time included", () => {
    set({ seconds: 2 });
    let clock = 5000;
    const slow: ByteSource = { size: 10, read: (_, length) => ((clock += 900), new Uint8Array(length)) };
    const source = limitedSource(slow, () => clock);
    source.read(0, 1);
    clock += 100;
    source.read(0, 1);
    clock += 101;
    const error = failure(() => source.read(0, 1));
    expect(error?.code).toBe("BUDGET_EXCEEDED");
    expect(error?.message).toContain("2 seconds");
    expect(error?.hint).toContain("max-seconds");
  });

  it("waits for a person at a menu", () => {
    set({ seconds: 30 });
    let clock = 0;
    const source = limitedSource(bytes, () => clock);
    source.read(0, 1);
    clock += 3_600_000;
    expect(failure(() => source.read(0, 1))).toBe(null);
  });

  it("still says where its bytes lie, when it does", () => {
    expect("onDisk" in limitedSource(bytes)).toBe(false);
    const source = limitedSource({ ...bytes, onDisk: (offset, length) => ({ offset: offset + 7, length }) });
    expect(source.onDisk?.(1, 2)).toEqual({ offset: 8, length: 2 });
  });

  it("is what volumes are read from", () => {
    set({ bytesRead: 1 });
    expect(failure(() => readVolumes(bytes))?.code).toBe("BUDGET_EXCEEDED");
  });
});

describe("folders, files and paths with limits", () => {
  it("have as many entries and pieces as are allowed", () => {
    set({ directoryEntries: 3, extents: 2 });
    expect(failure(() => directoryBudget().spend(3))).toBe(null);
    expect(failure(() => directoryBudget().spend(4))?.hint).toContain("max-directory-entries");
    expect(failure(() => extentBudget().spend(2))).toBe(null);
    expect(failure(() => extentBudget().spend(3))?.hint).toContain("max-extents");
  });

  it("follow as many links, and as many folders in one another, as are allowed", () => {
    const node = (id: number, kind: FilesystemNode["kind"]): FilesystemNode => ({ id, kind, size: 0 });
    /** Each folder holds another, and a link to it. */
    const driver: FilesystemDriver = {
      type: "endless",
      uuid: null,
      label: null,
      notes: [],
      root: node(0, "directory"),
      lookup: ({ id }, name) => node(id + 1, name === "link" ? "symlink" : "directory"),
      list: () => [],
      readLink: () => "folder",
      content: () => memorySource(new Uint8Array()),
    };
    const find = (path: string) => failure(() => guestFilesystem(driver).find(path));
    set({ links: 2, treeDepth: 4 });
    expect(find("/link/link")).toBe(null);
    expect(find("/link/link/link")?.code).toBe("LINK_LOOP");
    expect(find("/a/b/c/d/../../../../a/b/c/d")).toBe(null);
    expect(find("/a/b/c/d/e")?.code).toBe("BUDGET_EXCEEDED");
    expect(find("/a/b/c/d/e")?.hint).toContain("max-tree-depth");
  });
});

describe("[limits] in the host's settings", () => {
  const file = join(folder, "guestboot.conf");
  const read = async (text: string, environment: Record<string, string> = {}) => {
    writeFileSync(file, text);
    return readSettings(environment, file);
  };

  it("sets each of them", async () => {
    const text = `[limits]
max-directory-entries = 11
max-extents = 12
max-links = 13
max-tree-depth = 14
max-bytes-read-mb = 15
max-seconds = 16
max-ram-usage-mb = 17
`;
    const { limits, warnings } = await read(text);
    expect(warnings).toEqual([]);
    expect(limits).toEqual({
      directoryEntries: 11,
      extents: 12,
      links: 13,
      treeDepth: 14,
      bytesRead: 15 * 1024 * 1024,
      seconds: 16,
      memory: 17 * 1024 * 1024,
    });
    expect((await read(text, { GUESTBOOT_MAX_LINKS: "99" })).limits.links).toBe(99);
  });

  it.each([
    ["max-directory-entries", "0"],
    ["max-directory-entries", "5000001"],
    ["max-extents", "many"],
    ["max-links", "-1"],
    ["max-links", "1001"],
    ["max-tree-depth", "2049"],
    ["max-bytes-read-mb", "1e3"],
    ["max-bytes-read-mb", "99999999999999999999"],
    ["max-seconds", "86401"],
    ["max-seconds", ""],
  ])("refuses %s = %s, naming it and what is allowed", async (key, value) => {
    await expect(read(`[limits]\n${key} = ${value}\n`)).rejects.toThrow(
      new RegExp(`\\[limits\\] ${key} = .*: must be a whole number from 1 to \\d+`),
    );
  });
});
