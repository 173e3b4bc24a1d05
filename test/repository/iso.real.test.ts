import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeIsoImage } from "../../fixtures/iso-images.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { openIsoRepository } from "../../src/repository/iso.ts";
import type { FetchResult } from "../../src/repository/repository.ts";
import { noise } from "../base/seeded.ts";
import { makeEmptyDrive } from "../disk/empty-drive.ts";
import { call } from "../filesystem/call.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-iso-"));
const source = path.join(folder, "medium");
const image = path.join(folder, "debian 12.iso");
const kernel = noise(3_000_001, 1);

beforeAll(() => {
  fs.mkdirSync(path.join(source, "install.amd"), { recursive: true });
  fs.writeFileSync(path.join(source, "install.amd/vmlinuz"), kernel);
  fs.writeFileSync(path.join(source, "install.amd/empty"), "");
  fs.symlinkSync("install.amd", path.join(source, "install"));
  makeIsoImage({ path: image, folder: source, program: "xorriso", options: ["-R", "-J"] });
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const VMLINUZ = "install.amd/vmlinuz";
const address = () => `file://${folder}/debian%2012.iso/`;

async function bytesOf(result: FetchResult): Promise<Buffer> {
  if (result.outcome !== "content") throw new Error(result.outcome);
  const pieces: Uint8Array[] = [];
  for await (const piece of result.body) pieces.push(piece);
  return Buffer.concat(pieces);
}

function failing(code: string, words = ""): unknown {
  // eslint-disable-next-line @typescript-eslint/no-unsafe-assignment -- vitest's matcher is untyped
  return expect.objectContaining({ code, message: expect.stringContaining(words) });
}

describe("an ISO file as a repository", () => {
  it("has the address of the file, and of the files in it", async () => {
    await using repository = await openIsoRepository(image);
    expect(repository.address).toBe(address());
    expect(repository.addressOf("pool/a b")).toBe(`${address()}pool/a%20b`);
    expect(() => repository.addressOf("../outside")).toThrow(failing("INVALID_SOURCE"));
    await expect(repository.look("../outside")).rejects.toEqual(failing("INVALID_SOURCE"));
  });

  it("says what it knows of a file, also through a link", async () => {
    await using repository = await openIsoRepository(image);
    const facts = await repository.look("install/vmlinuz");
    expect(facts).toMatchObject({ url: `${address()}install/vmlinuz`, size: kernel.length });
    expect(facts?.lastModified).toBe(fs.statSync(image).mtime.toUTCString());
  });

  it("says of what is not there, and of folders, that there is no such file", async () => {
    await using repository = await openIsoRepository(image);
    expect(await repository.look("install.386/vmlinuz")).toBeNull();
    expect(await repository.look("install.amd/")).toBeNull();
    expect(await repository.fetch("install.386/vmlinuz")).toEqual({
      outcome: "missing",
      url: `${address()}install.386/vmlinuz`,
    });
  });

  it("streams a file whole, as it was mastered, in pieces that stay as they are", async () => {
    await using repository = await openIsoRepository(image);
    expect(kernel).toEqual(new Uint8Array(await bytesOf(await repository.fetch(VMLINUZ))));
    expect((await bytesOf(await repository.fetch("install.amd/empty"))).length).toBe(0);
  });

  it("is unchanged as long as the file is, and fetched anew after", async () => {
    const copy = path.join(folder, "copy.iso");
    fs.copyFileSync(image, copy);
    const known = await (async () => {
      await using repository = await openIsoRepository(copy);
      const unless = await repository.look(VMLINUZ);
      if (unless === null) throw new Error("not there");
      expect(await repository.fetch(VMLINUZ, { unless })).toMatchObject({ outcome: "unchanged" });
      return unless;
    })();
    fs.utimesSync(copy, 1, 1);
    await using repository = await openIsoRepository(copy);
    expect(await repository.fetch(VMLINUZ, { unless: known })).toMatchObject({ outcome: "content" });
  });

  it("lets timers have their turn while it streams, and stops when it is told to", async () => {
    await using repository = await openIsoRepository(image);
    const abort = new AbortController();
    const result = await repository.fetch(VMLINUZ, { signal: abort.signal });
    if (result.outcome !== "content") throw new Error(result.outcome);
    setTimeout(() => abort.abort(new Error("cancelled")), 0);
    const read = async () => {
      for await (const piece of result.body) {
        expect(piece.length).toBeGreaterThan(0);
        const until = performance.now() + 2;
        while (performance.now() < until);
      }
    };
    await expect(read()).rejects.toThrow("cancelled");
  });

  it("that was cut off serves the files that are whole, and says of others how far it goes", async () => {
    const cut = path.join(folder, "cut.iso");
    fs.copyFileSync(image, cut);
    fs.truncateSync(cut, 1_500_000);
    await using repository = await openIsoRepository(cut);
    expect(await repository.look(VMLINUZ)).toMatchObject({ size: kernel.length });
    await expect(repository.fetch(VMLINUZ)).rejects.toEqual(failing("FILESYSTEM_DAMAGED", "1500000"));
  });

  it("that becomes shorter while it is read breaks the transfer off", async () => {
    const cut = path.join(folder, "shrinking.iso");
    fs.copyFileSync(image, cut);
    await using repository = await openIsoRepository(cut);
    const result = await repository.fetch(VMLINUZ);
    fs.truncateSync(cut, 1_500_000);
    await expect(bytesOf(result)).rejects.toEqual(failing("TRANSFER_FAILED", `of ${kernel.length} bytes`));
  });

  it("reads nothing any more when it is closed", async () => {
    const repository = await openIsoRepository(image);
    const result = await repository.fetch(VMLINUZ);
    await repository[Symbol.asyncDispose]();
    await expect(bytesOf(result)).rejects.toEqual(failing("TRANSFER_FAILED", "closed"));
    await expect(repository.look(VMLINUZ)).rejects.toMatchObject({ code: "INTERNAL" });
  });
});

describe("what is no installation medium", () => {
  it.each([
    ["nothing at all", "REPOSITORY_UNREACHABLE", "no such file", () => path.join(folder, "missing.iso")],
    ["a folder", "REPOSITORY_UNREACHABLE", "folder", () => source],
    ["an empty file", "REPOSITORY_UNREACHABLE", "empty", () => written("empty.iso", "")],
    ["a short file", "INVALID_SOURCE", "no ISO 9660", () => written("short.iso", "short")],
    ["a disk of something else", "INVALID_SOURCE", "no ISO 9660", () => written("noise.iso", noise(100_000, 3))],
    ["a character device", "REPOSITORY_UNREACHABLE", "character device", () => "/dev/null"],
  ])("%s is told by name, with what to do", async (_what, code, words, make) => {
    const file = make();
    const error: unknown = await openIsoRepository(file).catch((reason: unknown) => reason);
    expect(error).toEqual(failing(code, words));
    expect(error).toEqual(failing(code, file));
    expect(error instanceof GuestbootError && error.hint).toContain("vm-cd-insert");
  });

  function written(name: string, bytes: string | Uint8Array): string {
    fs.writeFileSync(path.join(folder, name), bytes);
    return path.join(folder, name);
  }
});

describe("a CD device", () => {
  it("is read as a file is, but may hold another medium each time", async () => {
    const device = call("losetup", ["--find", "--show", "--read-only", image], "mount").trim();
    try {
      await using repository = await openIsoRepository(device);
      expect(repository.address).toBe(`cdrom:${device}/`);
      const result = await repository.fetch(VMLINUZ);
      expect(result).toMatchObject({ facts: { etag: null, lastModified: null, size: kernel.length } });
      expect(kernel).toEqual(new Uint8Array(await bytesOf(result)));
    } finally {
      call("losetup", ["--detach", device], "mount");
    }
  });

  it("without a medium says so", async () => {
    const error: unknown = await openIsoRepository(makeEmptyDrive(folder)).catch((reason: unknown) => reason);
    expect(error).toEqual(failing("REPOSITORY_UNREACHABLE", "there is no medium in it"));
  });
});
