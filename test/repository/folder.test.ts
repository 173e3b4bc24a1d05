import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { temporaryFolder } from "../program.ts";
import { bytesOf, failureOf, textOf } from "./reading.ts";

let folder: ReturnType<typeof temporaryFolder>;
let root: string;
beforeEach(() => {
  folder = temporaryFolder();
  root = path.join(folder.path, "my tree");
  fs.mkdirSync(path.join(root, "images"), { recursive: true });
  fs.writeFileSync(path.join(root, "images/vmlinuz"), "a kernel");
});
afterEach(() => folder[Symbol.dispose]());

async function open(): Promise<Repository> {
  return openRepository(parseLocation(`file://${root.replaceAll(" ", "%20")}`));
}

describe("a folder as a repository", () => {
  it("gives its files byte for byte, with size and time of last change", async () => {
    const content = Buffer.alloc(1_000_001, "an initrd");
    fs.writeFileSync(path.join(root, "images/initrd.gz"), content);
    const changed = new Date("2023-06-10T11:12:13Z");
    fs.utimesSync(path.join(root, "images/initrd.gz"), changed, changed);
    await using repository = await open();
    const result = await repository.fetch("images/initrd.gz");
    expect(result).toMatchObject({
      facts: {
        url: `file://${root.replace(" ", "%20")}/images/initrd.gz`,
        size: 1_000_001,
        lastModified: "Sat, 10 Jun 2023 11:12:13 GMT",
      },
    });
    expect(content.equals(await bytesOf(result))).toBe(true);
    expect(await repository.look("images/initrd.gz")).toMatchObject({ size: 1_000_001 });
  });

  it("says that a file is unchanged, until it changes", async () => {
    await using repository = await open();
    const facts = await repository.look("images/vmlinuz");
    if (facts === null) throw new Error("missing");
    expect(await repository.fetch("images/vmlinuz", { unless: facts })).toMatchObject({ outcome: "unchanged" });
    fs.writeFileSync(path.join(root, "images/vmlinuz"), "a newer kernel");
    expect(await textOf(await repository.fetch("images/vmlinuz", { unless: facts }))).toBe("a newer kernel");
  });

  it("has no file where there is none, or a folder", async () => {
    await using repository = await open();
    for (const missing of ["none", "images", "images/", "images/vmlinuz/x", "x".repeat(300)]) {
      expect(await repository.look(missing), missing).toBeNull();
      expect(await repository.fetch(missing), missing).toMatchObject({ outcome: "missing" });
    }
  });

  it("follows links that stay inside", async () => {
    fs.symlinkSync("images", path.join(root, "current"));
    fs.symlinkSync("../images/vmlinuz", path.join(root, "images/linux"));
    await using repository = await open();
    expect(await textOf(await repository.fetch("current/linux"))).toBe("a kernel");
  });

  it("refuses links that lead out of it", async () => {
    fs.writeFileSync(path.join(folder.path, "secret"), "secret");
    fs.mkdirSync(path.join(folder.path, "my tree too"));
    fs.writeFileSync(path.join(folder.path, "my tree too/secret"), "secret");
    fs.symlinkSync("../secret", path.join(root, "up"));
    fs.symlinkSync("/etc", path.join(root, "etc"));
    fs.symlinkSync("../my tree too", path.join(root, "sibling"));
    await using repository = await open();
    for (const escape of ["up", "etc/passwd", "sibling/secret"]) {
      const failure = await failureOf(repository.fetch(escape));
      expect(failure.code).toBe("REPOSITORY_REFUSED");
      expect(failure.message).toMatch(/leads out of the repository/);
    }
    expect((await failureOf(repository.fetch("../secret"))).code).toBe("INVALID_SOURCE");
  });

  it("does not wait for a named pipe, nor read a device", async () => {
    execFileSync("mkfifo", [path.join(root, "pipe")]);
    await using repository = await open();
    const failure = await failureOf(repository.fetch("pipe"));
    expect(failure).toMatchObject({ code: "REPOSITORY_REFUSED" });
    expect(failure.message).toMatch(/neither a file nor a folder/);
  });

  it("says when a file became shorter while it was read", async () => {
    fs.writeFileSync(path.join(root, "initrd"), Buffer.alloc(1_000_000, "x"));
    await using repository = await open();
    const result = await repository.fetch("initrd");
    fs.truncateSync(path.join(root, "initrd"), 300_000);
    const failure = await failureOf(bytesOf(result));
    expect(failure.code).toBe("TRANSFER_TRUNCATED");
    expect(failure.message).toMatch(/my%20tree\/initrd: the server announced 1000000 bytes.* after 300000$/);
  });

  it("refuses a file above the limit", async () => {
    fs.truncateSync(path.join(root, "images/vmlinuz"), 0);
    fs.truncateSync(path.join(root, "images/vmlinuz"), 5 * 1024 ** 3);
    await using repository = await open();
    expect((await failureOf(repository.fetch("images/vmlinuz"))).code).toBe("FILE_TOO_LARGE");
  });

  it("ends a transfer that is called off", async () => {
    fs.writeFileSync(path.join(root, "initrd"), Buffer.alloc(1_000_000, "x"));
    await using repository = await open();
    const controller = new AbortController();
    const result = await repository.fetch("initrd", { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(bytesOf(result)).rejects.toThrow("enough");
    await expect(repository.look("initrd", controller.signal)).rejects.toThrow("enough");
  });

  it("leaves no file open when it is closed", async () => {
    const before = fs.readdirSync("/proc/self/fd").length;
    const repository = await open();
    await repository.fetch("images/vmlinuz");
    await repository.look("images/vmlinuz");
    await repository[Symbol.asyncDispose]();
    expect(fs.readdirSync("/proc/self/fd").length).toBe(before);
  });

  it("that is not there, or no folder, is said so when it is opened", async () => {
    const none = await failureOf(openRepository(parseLocation("/nosuchfolder")));
    expect(none).toMatchObject({ code: "REPOSITORY_UNREACHABLE", hint: "ls -ld /nosuchfolder" });
    expect(none.message).toBe("file:///nosuchfolder/: no such file or directory");
    const file = await failureOf(openRepository(parseLocation(path.join(root, "images/vmlinuz").replace(" ", "_"))));
    expect(file.code).toBe("REPOSITORY_UNREACHABLE");
    const kernel = parseLocation(`file://${root.replace(" ", "%20")}/images/vmlinuz`);
    expect((await failureOf(openRepository(kernel))).message).toMatch(/neither a zip nor an ISO image/);
  });
});
