/** NFS against Debian's nfs-ganesha, by the programs of libnfs. */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { startGanesha, type Ganesha } from "../../fixtures/nfs-ganesha.ts";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";
import type { Repository } from "../../src/repository/repository.ts";
import type { TransferLimits } from "../../src/repository/transfer.ts";
import { temporaryFolder } from "../program.ts";
import { bytesOf, failureOf, textOf } from "./reading.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
const root = path.join(folder.path, "export");
const image = Buffer.from(Array.from({ length: 40_000_000 }, (_, at) => (at * at) >> 5));

let server: Ganesha;
let opened = new AsyncDisposableStack();
afterEach(async () => {
  await opened.disposeAsync();
  opened = new AsyncDisposableStack();
});

beforeAll(async () => {
  for (const program of ["/usr/bin/nfs-cat", "/usr/bin/nfs-ls"]) {
    if (!fs.existsSync(program)) throw new Error(`${program} is missing: apt-get install libnfs-utils`);
  }
  fs.chmodSync(folder.path, 0o755);
  fs.mkdirSync(path.join(root, "os/images"), { recursive: true });
  fs.writeFileSync(path.join(root, "os/images/initrd.gz"), image);
  fs.writeFileSync(path.join(root, "os/images/vmlinuz"), "a kernel");
  fs.writeFileSync(path.join(root, "os/images/empty"), "");
  fs.writeFileSync(path.join(root, "os/images/changing"), "");
  fs.writeFileSync(path.join(root, "os/images/odd name+~#%41&Größe.txt"), "odd");
  fs.writeFileSync(path.join(root, "os/secret"), "secret", { mode: 0o600 });
  fs.mkdirSync(path.join(root, "os/unlisted"), { mode: 0o711 });
  fs.writeFileSync(path.join(root, "os/unlisted/vmlinuz"), "a hidden kernel");
  fs.symlinkSync("images", path.join(root, "os/current"));
  fs.symlinkSync("vmlinuz", path.join(root, "os/images/linux"));
  fs.symlinkSync("images/vmlinuz", path.join(root, "os/linux"));
  fs.symlinkSync("../linux", path.join(root, "os/images/up"));
  fs.symlinkSync("nowhere", path.join(root, "os/images/dangling"));
  server = await startGanesha({ root });
});
afterAll(async () => server[Symbol.asyncDispose]());

async function open(address: string, limits: Partial<TransferLimits> = {}): Promise<Repository> {
  return opened.use(await openRepository(parseLocation(address), { limits }));
}

describe("a repository on nfs-ganesha", () => {
  it("gives its files byte for byte", async () => {
    const repository = await open(`${server.url}/os`);
    const result = await repository.fetch("images/initrd.gz");
    expect(result).toMatchObject({
      facts: { url: "nfs://127.0.0.1/export/os/images/initrd.gz", size: image.length },
    });
    expect(image.equals(await bytesOf(result))).toBe(true);
    expect(await textOf(await repository.fetch("images/odd name+~#%41&Größe.txt"))).toBe("odd");
    expect(await textOf(await repository.fetch("images/empty"))).toBe("");
  });

  it("gives a file anew only when it has changed", async () => {
    const file = path.join(root, "os/images/changing");
    const versions: (string | null)[] = [];
    for (const text of ["first", "other", "a third, longer one"]) {
      fs.writeFileSync(file, text);
      const { ino, size } = fs.statSync(file);
      const repository = await open(`${server.url}/os`);
      const result = await repository.fetch("images/changing");
      if (result.outcome !== "content") throw new Error(result.outcome);
      const { etag, lastModified } = result.facts;
      // What the server says of the file is what the file system says.
      expect(etag).toMatch(new RegExp(`^"nfs-${ino.toString(16)}-${size.toString(16)}-`));
      expect(await textOf(result)).toBe(text);
      expect(await repository.fetch("images/changing", { unless: { etag, lastModified } })).toMatchObject({
        outcome: "unchanged",
      });
      expect(versions).not.toContain(etag);
      versions.push(etag);
    }
  });

  it("tells no version of a link, whose end may change without it", async () => {
    const repository = await open(`${server.url}/os`);
    expect(await repository.look("images/linux")).toMatchObject({ etag: null, size: null });
    expect(await repository.look("current/vmlinuz")).toMatchObject({ etag: null });
  });

  it("follows links on the server", async () => {
    const repository = await open(`${server.url}/os`);
    expect(await textOf(await repository.fetch("current/vmlinuz"))).toBe("a kernel");
    expect(await textOf(await repository.fetch("images/linux"))).toBe("a kernel");
    expect(await repository.look("images/linux")).toMatchObject({ size: null });
    expect(await repository.look("linux")).toMatchObject({ size: null });
    expect(await repository.look("images/dangling")).toBeNull();
  });

  it("follows links to other folders by way of a mount, and undoes it", async () => {
    // The kernel may have no NFS client, so a folder is bound in place of the export.
    const bin = path.join(folder.path, "bin");
    fs.mkdirSync(bin);
    const script = `#!/bin/sh\n/bin/mount --bind ${root}/os "$7"\n`;
    fs.writeFileSync(path.join(bin, "mount"), script, { mode: 0o755 });
    const nfs = { path: `${bin}:/usr/bin:/bin`, temporaryFolder: folder.path };
    {
      await using repository = await openRepository(parseLocation(`${server.url}/os`), { nfs });
      expect(await repository.look("images/up")).toMatchObject({ size: 8 });
      expect(await textOf(await repository.fetch("images/up"))).toBe("a kernel");
      expect(await textOf(await repository.fetch("images/vmlinuz"))).toBe("a kernel");
    }
    expect(fs.readdirSync(folder.path).sort()).toEqual(["bin", "export"]);
    fs.writeFileSync(path.join(bin, "mount"), "#!/bin/sh\necho 'unknown filesystem type nfs' >&2; exit 32\n");
    await using repository = await openRepository(parseLocation(`${server.url}/os`), { nfs });
    const failure = await failureOf(repository.fetch("images/up"));
    expect(failure.message).toMatch(/images\/up: a symbolic link leads to another folder, which takes a mount; nfs:/);
  });

  it("is reached in the address form with a port, too", async () => {
    const repository = await open(`nfs://127.0.0.1:${server.port}/export/os`);
    expect(await repository.look("images/vmlinuz")).toMatchObject({ size: 8 });
  });

  it("gives two files side by side", async () => {
    const repository = await open(`${server.url}/os`);
    const files = ["images/vmlinuz", "images/initrd.gz"];
    const contents = await Promise.all(files.map(async (file) => bytesOf(await repository.fetch(file))));
    expect(contents.map((content) => content.length)).toEqual([8, image.length]);
  });

  it("has no file where there is none, or a folder", async () => {
    const repository = await open(`${server.url}/os`);
    for (const missing of ["none", "none/vmlinuz", "images", "images/", "current", "images/vmlinuz/x"]) {
      expect(await repository.look(missing), missing).toBeNull();
      expect(await repository.fetch(missing), missing).toMatchObject({ outcome: "missing" });
    }
  });

  it("refuses a file that we may not read", async () => {
    const failure = await failureOf((await open(`${server.url}/os`)).fetch("secret"));
    expect(failure.code).toBe("REPOSITORY_REFUSED");
    expect(failure.message).toBe("nfs://127.0.0.1/export/os/secret: permission denied");
  });

  it("refuses a folder that we may not list", async () => {
    const failure = await failureOf((await open(`${server.url}/os`)).fetch("unlisted/vmlinuz"));
    expect(failure.code).toBe("REPOSITORY_REFUSED");
    expect(failure.message).toMatch(/unlisted\/vmlinuz: permission denied$/);
  });

  it("with a name that nobody knows is not reached", async () => {
    const failure = await failureOf((await open("nfs:vers=4:nosuchhost.invalid:/export/os")).fetch("images/vmlinuz"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toMatch(/name is not known/);
  });

  it("cannot be read on a host without any program for it", async () => {
    const failure = await failureOf(
      openRepository(parseLocation(`${server.url}/os`), { nfs: { path: "/nowhere" } }).then((each) => each.look("x")),
    );
    expect(failure.code).toBe("SUPPORT_PACKAGE_MISSING");
    expect(failure.hint).toMatch(/libnfs-utils/);
  });

  it("that is exported under another name is said so", async () => {
    const failure = await failureOf(
      (await open(`nfs:port=${server.port}:127.0.0.1:/exports/os`)).look("images/vmlinuz"),
    );
    expect(failure.code).toBe("INVALID_SOURCE");
    expect(failure.message).toBe("nfs://127.0.0.1/exports/os/: the server exports no such folder");
  });

  it("on a host without an NFS server is not reached", async () => {
    const failure = await failureOf((await open("nfs:vers=4,port=9:127.0.0.1:/export/os")).fetch("images/vmlinuz"));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
    expect(failure.message).toMatch(/^nfs:\/\/127\.0\.0\.1\/export\/os\/: no NFS connection came about/);
    expect(failure.hint).toMatch(/NFS server/);
  });

  it("cannot be asked for what its addresses have no place for", async () => {
    const failure = await failureOf((await open(`${server.url}/os`)).fetch("a?version=3"));
    expect(failure.code).toBe("INVALID_SOURCE");
  });

  it("refuses a file above the limit", async () => {
    const failure = await failureOf((await open(`${server.url}/os`, { maxFileSize: 7 })).fetch("images/vmlinuz"));
    expect(failure.code).toBe("FILE_TOO_LARGE");
  });
});

describe("a transfer from nfs-ganesha", () => {
  it("ends when it is called off, and no program stays", async () => {
    const repository = await open(`${server.url}/os`);
    const controller = new AbortController();
    const result = await repository.fetch("images/initrd.gz", { signal: controller.signal });
    if (result.outcome !== "content") throw new Error(result.outcome);
    const reading = (async () => {
      for await (const part of result.body) if (part.length > 0) controller.abort(new Error("enough"));
    })();
    await expect(reading).rejects.toThrow("enough");
    await expect.poll(() => libnfsPrograms()).toEqual([]);
  });

  it("leaves no program when its reader stops in the middle, or nobody reads it", async () => {
    const repository = await open(`${server.url}/os`);
    const result = await repository.fetch("images/initrd.gz");
    if (result.outcome !== "content") throw new Error(result.outcome);
    for await (const part of result.body) if (part.length > 0) break;
    await expect.poll(() => libnfsPrograms()).toEqual([]);
    await repository.fetch("images/initrd.gz");
    await repository[Symbol.asyncDispose]();
    await expect.poll(() => libnfsPrograms()).toEqual([]);
  });

  it("fails when the server hangs in the middle, and goes on in a new one", async () => {
    const repository = await open(`${server.url}/os`, { headersTimeout: 700, bodyTimeout: 700 });
    const result = await repository.fetch("images/initrd.gz");
    if (result.outcome !== "content") throw new Error(result.outcome);
    const failure = await failureOf(
      (async () => {
        for await (const part of result.body) if (part.length > 0) server.signal("SIGSTOP");
      })(),
    ).finally(() => server.signal("SIGCONT"));
    expect(failure.code).toBe("TRANSFER_FAILED");
    expect(failure.message).toMatch(
      /initrd\.gz: the transfer broke off after \d+ of 40000000 bytes: nothing came for 0\.7/,
    );
  });

  it("fails when the server dies in the middle", async () => {
    await using mortal = await startGanesha({ root });
    const repository = await open(`${mortal.url}/os`, { headersTimeout: 2000, bodyTimeout: 2000 });
    const result = await repository.fetch("images/initrd.gz");
    if (result.outcome !== "content") throw new Error(result.outcome);
    const failure = await failureOf(
      (async () => {
        for await (const part of result.body) if (part.length > 0) mortal.signal("SIGKILL");
      })(),
    );
    expect(["TRANSFER_FAILED", "TRANSFER_TRUNCATED"]).toContain(failure.code);
    expect(failure.message).toMatch(/^nfs:\/\/127\.0\.0\.1\/export\/os\/images\/initrd\.gz: the /);
  });
});

/** The libnfs programs that this process has started and that still run. */
function libnfsPrograms(): string[] {
  const children = fs.readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean);
  return children.flatMap((pid) => {
    try {
      const name = fs.readFileSync(`/proc/${pid}/comm`, "utf8").trim();
      return name.startsWith("nfs-") ? [name] : [];
    } catch {
      return [];
    }
  });
}
