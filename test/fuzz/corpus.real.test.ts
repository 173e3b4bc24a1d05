import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { temporaryFolder } from "../program.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
afterAll(() => folder[Symbol.dispose]());

beforeAll(() => {
  fs.mkdirSync(at("content"));
  fs.writeFileSync(at("content/file"), "a file");
  fs.mkdirSync(at("images/below"), { recursive: true });
  makeFilesystemImage({ path: at("images/good.img"), type: "ext4", sizeMiB: 4, folder: at("content") });
  const bytes = fs.readFileSync(at("images/good.img"));
  fs.writeFileSync(at("images/below/packed.img.gz"), gzipSync(bytes));
  // Its superblock says that there are no inodes.
  fs.writeFileSync(at("images/corrupt.img"), Buffer.from(bytes).fill(0, 1024, 1028));
  fs.writeFileSync(at("images/empty.img"), "");
});

const readAll = (...argv: readonly string[]) =>
  spawnSync(process.execPath, [path.join(import.meta.dirname, "corpus.ts"), ...argv], {
    encoding: "utf8",
    // The test runner's own permissions are inherited, and the runtime warns of them. The file that is loaded first fails as a
    // reader with a defect would, on one image alone.
    env: { ...process.env, NODE_NO_WARNINGS: "1", NODE_OPTIONS: `--require=${at("defect.cjs")}` },
  });

it("reads a folder of images, whole and corrupt ones, packed or not", () => {
  fs.writeFileSync(at("defect.cjs"), "");
  const { status, stdout } = readAll(at("images"));
  expect(stdout).toBe("4 images: 2 read, 2 refused, 0 failed\n");
  expect(status).toBe(0);
});

it("names the image whose reader ended in any other way", () => {
  fs.writeFileSync(at("defect.cjs"), `if (process.argv.at(-1).endsWith("corrupt.img")) throw new Error("a defect");`);
  const { status, stdout } = readAll(at("images"));
  expect(stdout).toContain(`${at("images/corrupt.img")}: `);
  expect(stdout).toContain("Error: a defect");
  expect(stdout).toContain("4 images: 2 read, 1 refused, 1 failed\n");
  expect(status).toBe(1);
});

it("says how it is called", () => {
  fs.writeFileSync(at("defect.cjs"), "");
  for (const argv of [[], [at("nowhere")]]) {
    expect(readAll(...argv)).toMatchObject({ status: 2, stderr: "usage: npm run fuzz:corpus FOLDER\n" });
  }
});
