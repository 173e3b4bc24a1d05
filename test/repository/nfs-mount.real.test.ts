/**
 * NFS by way of mount(8). A kernel without an NFS client cannot mount, so the `mount` in the path is one of ours: it
 * notes what it was asked and binds a folder in place of the export. All else is real: the owner, the unmounting.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseLocation } from "../../src/repository/location.ts";
import { MountOwner } from "../../src/repository/nfs-mount.ts";
import type { NfsPrograms } from "../../src/repository/nfs-programs.ts";
import { openRepository } from "../../src/repository/open.ts";
import { DEFAULT_LIMITS } from "../../src/repository/transfer.ts";
import { ROOT, temporaryFolder } from "../program.ts";
import { failureOf, textOf } from "./reading.ts";

let folder: ReturnType<typeof temporaryFolder>;
let nfs: NfsPrograms;
let exported: string;

beforeEach(() => {
  folder = temporaryFolder();
  exported = path.join(folder.path, "exported");
  nfs = { path: path.join(folder.path, "bin"), temporaryFolder: path.join(folder.path, "tmp") };
  for (const made of [exported, nfs.path, nfs.temporaryFolder]) fs.mkdirSync(made);
  fs.writeFileSync(path.join(exported, "vmlinuz"), "a kernel");
  for (const [name, ...places] of [
    ["umount", "/bin/umount"],
    ["mkdir", "/bin/mkdir"],
    ["mktemp", "/bin/mktemp"],
    ["timeout", "/usr/bin/timeout"],
    ["rmdir", "/bin/rmdir"],
  ]) {
    const program = places.find((place) => fs.existsSync(place));
    if (program === undefined || name === undefined) throw new Error(`${places.join()} is missing`);
    fs.symlinkSync(program, path.join(nfs.path, name));
  }
  mountDoes(`/bin/mount --bind ${exported} "$7"`);
});
afterEach(() => {
  expect(mounts()).toEqual([]);
  expect(fs.readdirSync(nfs.temporaryFolder)).toEqual([]);
  folder[Symbol.dispose]();
});

/** @param script of sh(1); `$7` is where the mount goes */
function mountDoes(script: string): void {
  const program = path.join(nfs.path, "mount");
  fs.writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$@" >${folder.path}/asked\n${script}\n`, { mode: 0o755 });
}

function mounts(): string[] {
  const lines = fs.readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines.filter((line) => line.includes(folder.path));
}

describe("an NFS repository by way of a mount", () => {
  it("is mounted read-only with the options of its address and without what could hang or be run", async () => {
    {
      await using repository = await openRepository(parseLocation("nfs:vers=3,rw,nolock:server:/export/os"), { nfs });
      expect(fs.readFileSync(path.join(folder.path, "asked"), "utf8").split("\n").slice(0, 6)).toEqual([
        "-t",
        "nfs",
        "-o",
        "vers=3,nolock,ro,nosuid,nodev,noexec,nolock,soft,timeo=100,retrans=2,retry=0",
        "--",
        "server:/export/os",
      ]);
      const result = await repository.fetch("vmlinuz");
      expect(result).toMatchObject({ facts: { url: "nfs://server/export/os/vmlinuz", size: 8 } });
      expect(await textOf(result)).toBe("a kernel");
      expect(await repository.look("none")).toBeNull();
      expect(mounts()).toHaveLength(1);
    }
    expect(mounts()).toEqual([]);
  });

  it("is unmounted although a file of it is still open", async () => {
    const repository = await openRepository(parseLocation("nfs:server:/export/os"), { nfs });
    await repository.fetch("vmlinuz");
    await repository[Symbol.asyncDispose]();
  });

  it("that cannot be mounted says why, in mount's words", async () => {
    mountDoes('echo "mount.nfs: access denied by server while mounting server:/export/os" >&2; exit 32');
    const failure = await failureOf(openRepository(parseLocation("nfs:server:/export/os"), { nfs }));
    expect(failure.code).toBe("REPOSITORY_REFUSED");
    expect(failure.message).toBe(
      "nfs://server/export/os/: it could not be mounted: mount.nfs: access denied by server while mounting server:/export/os",
    );
    mountDoes('echo "mount.nfs: Connection timed out" >&2; exit 32');
    const silent = await failureOf(openRepository(parseLocation("nfs:server:/export/os"), { nfs }));
    expect(silent.code).toBe("REPOSITORY_UNREACHABLE");
  });

  it("gives up on a mount that hangs", async () => {
    mountDoes("exec /bin/sleep 60");
    const limits = { connectTimeout: 200, headersTimeout: 300 };
    const failure = await failureOf(openRepository(parseLocation("nfs:server:/export/os"), { nfs, limits }));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toBe("nfs://server/export/os/: no answer within 0.5 seconds");
  });

  it.each(["SIGKILL", "SIGTERM", "SIGINT"] as const)("is unmounted when we are ended by %s", async (signal) => {
    const script = path.join(folder.path, "reader.ts");
    const source = (file: string) => JSON.stringify(path.join(ROOT, "src/repository", file));
    fs.writeFileSync(
      script,
      `import { parseLocation } from ${source("location.ts")};
       import { openRepository } from ${source("open.ts")};
       await openRepository(parseLocation("nfs:server:/export/os"), { nfs: ${JSON.stringify(nfs)} });
       process.stdout.write("open");
       setInterval(() => undefined, 1000);`,
    );
    const reader = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    await once(reader.stdout, "data");
    expect(mounts()).toHaveLength(1);
    reader.kill(signal);
    await once(reader, "exit");
    await expect.poll(() => fs.readdirSync(nfs.temporaryFolder), { timeout: 5000 }).toEqual([]);
  });

  it("is unmounted when we are killed while it is being mounted", async () => {
    mountDoes(`/bin/sleep 0.5; /bin/mount --bind ${exported} "$7"`);
    const script = path.join(folder.path, "reader.ts");
    const source = (file: string) => JSON.stringify(path.join(ROOT, "src/repository", file));
    fs.writeFileSync(
      script,
      `import { parseLocation } from ${source("location.ts")};
       import { openRepository } from ${source("open.ts")};
       await openRepository(parseLocation("nfs:server:/export/os"), { nfs: ${JSON.stringify(nfs)} });`,
    );
    const reader = spawn(process.execPath, [script], { stdio: "ignore" });
    await expect.poll(() => fs.existsSync(path.join(folder.path, "asked")), { timeout: 5000 }).toBe(true);
    reader.kill("SIGKILL");
    await once(reader, "exit");
    await new Promise((resolve) => setTimeout(resolve, 700));
    await expect.poll(() => fs.readdirSync(nfs.temporaryFolder), { timeout: 5000 }).toEqual([]);
  });
});

describe("the owner of a mount", () => {
  const startOwner = () => {
    const location = parseLocation("nfs:server:/export/os");
    if (location.transport !== "nfs") throw new Error("no address of NFS");
    return new MountOwner(location, nfs, DEFAULT_LIMITS);
  };

  it("mounts once for all who read at the same time, and again for who comes later", async () => {
    const owner = startOwner();
    const [first, second] = await Promise.all([owner.mount(), owner.mount()]);
    expect(second).toBe(first);
    expect(path.dirname(first)).toBe(await owner.folder());
    expect(mounts()).toHaveLength(1);
    await owner.unmount();
    expect(fs.readdirSync(first)).toEqual(["vmlinuz"]);
    await owner.unmount();
    expect(mounts()).toEqual([]);
    expect(fs.readdirSync(await owner.mount())).toEqual(["vmlinuz"]);
    await owner.end();
  });

  it("that could not mount can be asked again", async () => {
    const owner = startOwner();
    mountDoes('echo "mount.nfs: Connection refused" >&2; exit 32');
    expect((await failureOf(owner.mount())).message).toContain("mount.nfs: Connection refused");
    await owner.unmount();
    mountDoes(`/bin/mount --bind ${exported} "$7"`);
    expect(fs.readdirSync(await owner.mount())).toEqual(["vmlinuz"]);
    await owner.end();
  });

  it("passes on much that mount says, and waits for no end of it", async () => {
    const owner = startOwner();
    mountDoes("/usr/bin/yes refused | /usr/bin/head -n 20000 >&2; exit 32");
    expect((await failureOf(owner.mount())).message).toContain("refused refused");
    await owner.end();
  });

  it("that is never asked mounts nothing, and leaves no folder", async () => {
    const owner = startOwner();
    expect(fs.statSync(await owner.folder()).mode & 0o777).toBe(0o700);
    await owner.end();
    expect(fs.existsSync(path.join(folder.path, "asked"))).toBe(false);
  });
});
