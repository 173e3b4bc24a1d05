/**
 * What an installation says of its repository and hears of it, from record to answer: the mirror that answers, the CA
 * file of the record or of the host's settings, and a file over NFS that is there already.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startFaultServer, type Behaviour } from "../../fixtures/http-server.ts";
import { startGanesha } from "../../fixtures/nfs-ganesha.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { environment, parseSimple, programPath, start, temporaryFolder } from "../program.ts";
import { installRecord, readRecord, VM, writeRecord } from "./vm-records.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const set = { GUESTBOOT_STATE_DIR: at("state"), GUESTBOOT_CACHE_DIR: at("cache"), GUESTBOOT_BOOT_DIR: at("boot") };
const TREEINFO =
  "[general]\nfamily = CentOS\nversion = 6.10\narch = x86_64\n\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\n";
const tls = { certificate: at("cert.pem"), key: at("key.pem") };
let http: Nginx;
let https: Nginx;

beforeAll(async () => {
  fs.mkdirSync(at("www/indexed/images/pxeboot"), { recursive: true });
  for (const file of ["vmlinuz", "initrd.img"]) fs.writeFileSync(at(`www/indexed/images/pxeboot/${file}`), file);
  const netboot = "www/alpine/v3.20/releases/x86_64/netboot";
  fs.mkdirSync(at(netboot), { recursive: true });
  for (const file of ["vmlinuz-lts", "initramfs-lts"]) fs.writeFileSync(at(`${netboot}/${file}`), file);
  fs.writeFileSync(at("www/indexed/.treeinfo"), TREEINFO);
  fs.chmodSync(folder.path, 0o755);
  const made = [
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=test",
    "-addext",
    "subjectAltName=IP:127.0.0.1",
  ];
  execFileSync("openssl", ["req", "-x509", ...made, "-keyout", tls.key, "-out", tls.certificate], { stdio: "ignore" });
  http = await startNginx({ root: at("www") });
  https = await startNginx({ root: at("www"), tls });
});
beforeEach(() => fs.rmSync(at("boot"), { recursive: true, force: true }));
afterAll(async () => {
  await http[Symbol.asyncDispose]();
  await https[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function record(repository: string, keys: Readonly<Record<string, string>> = {}) {
  const config = { "install-distro": "rhlike", "install-arch": "x86_64", "install-repository": repository, ...keys };
  const vm = { ...installRecord(""), other_config: config };
  writeRecord(at("state"), vm);
  return vm;
}

/** Does so with whatever path it is asked for. */
const serverThat = (does: (path: string) => Behaviour) =>
  startFaultServer(new Proxy<Record<string, Behaviour>>({}, { get: (_, path) => does(String(path)) }));

/** Runs it on a host with these settings: an /etc of its own, so that the machine's is not touched. */
async function withSettings(...command: string[]): Promise<{ status: number | null; said: string }> {
  const script = 'mount -t tmpfs none /etc && cp "$1" /etc/guestboot.conf && shift && exec "$@"';
  const child = spawn("unshare", ["--mount", "sh", "-c", script, "sh", at("guestboot.conf"), ...command], {
    env: environment(set),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => (said += String(text)));
  const [status] = (await once(child, "close")) as [number | null];
  return { status, said };
}

const eliloader = (...options: string[]) => start(programPath("eliloader"), [...options, "--vm", VM, "/dev/null"], set);

describe("an installation from several mirrors", () => {
  it("tells the installer of the one that answers", async () => {
    await using failing = await startFaultServer({ "/indexed/.treeinfo": { does: "answer", status: 503 } });
    const answering = `${http.url}indexed/`;
    record(`http://me:s3cret@127.0.0.1:9/x ${failing.url}indexed ${answering} ${failing.url}x`);
    const ended = await eliloader("-q");
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(parseSimple(ended.stdout).args).toBe(`method=${answering}`);
  });

  it("does so where no index is read, and the kernel is the first that is asked for", async () => {
    const keys = { "install-distro": "alpine", "debian-release": "v3.20" };
    record(`http://me:s3cret@127.0.0.1:9/alpine ${http.url}alpine`, keys);
    const ended = await eliloader("-q");
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(parseSimple(ended.stdout).args).toMatch(
      new RegExp(`^alpine_repo=${http.url}alpine/v3\\.20/main modloop=${http.url}alpine/v3\\.20/`),
    );
    expect(ended.stdout).not.toContain("127.0.0.1:9/");
  });

  it("is resolved with the one that answers, too", async () => {
    const mirrors = `http://127.0.0.1:9/ ${http.url}indexed`;
    const ended = await start(programPath("guestboot"), ["resolve", mirrors, "--json", "--quiet"], set);
    expect(ended.status, ended.stderr).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({
      kernel: { url: `${http.url}indexed/images/pxeboot/vmlinuz` },
      arguments: `method=${http.url}indexed/`,
    });
  });
});

describe("an installation from a repository with a certificate of its own", () => {
  it("is refused where nobody trusts it", async () => {
    const before = record(`${https.url}indexed`);
    const ended = await eliloader("-q");
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/^RuntimeError: .*self-signed certificate.*\n$/);
    expect(readRecord(at("state"))).toEqual(before);
  });

  it("takes the record's CA file", async () => {
    record(`${https.url}indexed`, { "install-ca-file": tls.certificate });
    expect(await eliloader("-q")).toMatchObject({ status: 0, stderr: "" });
    expect(readRecord(at("state")).other_config).toHaveProperty("install-ca-file", tls.certificate);
  });

  it("says what is wrong with the record's CA file", async () => {
    record(`${https.url}indexed`, { "install-ca-file": "cert.pem" });
    expect((await eliloader("-q")).stderr).toMatch(/^RuntimeError: .*install-ca-file "cert\.pem" is no absolute path/);
    record(`${https.url}indexed`, { "install-ca-file": at("none.pem") });
    expect((await eliloader("-q")).stderr).toMatch(/^RuntimeError: .*none\.pem cannot be used: no such file/);
  });

  it("takes the CA file that /etc/guestboot.conf names for it", async () => {
    fs.writeFileSync(at("guestboot.conf"), `[repository "${https.url}"]\nca-file = ${tls.certificate}\n`);
    record(`${https.url}indexed`);
    const installed = await withSettings(programPath("eliloader"), "-q", "--vm", VM, "/dev/null");
    expect(installed.status, installed.said).toBe(0);
    const resolved = await withSettings(programPath("guestboot"), "resolve", `${https.url}indexed`);
    expect(resolved.status, resolved.said).toBe(0);
    expect(resolved.said).toContain("rhlike 6 x86_64");
  });
});

describe("an installation from a server that sends on to another port", () => {
  const sendingOn = () => serverThat((path) => ({ does: "redirect", to: `${http.url}indexed${path}` }));
  const allowFrom = (server: string) => {
    const port = new URL(http.url).port;
    fs.writeFileSync(at("guestboot.conf"), `[repository "${server}"]\nredirect-ports = ${port}\n`);
  };
  const install = () => withSettings(programPath("eliloader"), "-q", "--vm", VM, "/dev/null");

  it("is not followed there, and the setting that would let it is named", async () => {
    await using server = await sendingOn();
    fs.writeFileSync(at("guestboot.conf"), "");
    const before = record(server.url);
    const { status, said } = await install();
    expect(status, said).toBe(1);
    expect(said).toMatch(/^RuntimeError: .*permission denied.*redirect-ports.*\n$/);
    expect(readRecord(at("state"))).toEqual(before);
    expect(fs.readdirSync(at("boot"))).toEqual([]);
  });

  it("is followed where the settings of the first server name the port", async () => {
    await using server = await sendingOn();
    allowFrom(server.url);
    record(server.url);
    const { status, said } = await install();
    expect(status, said).toBe(0);
    expect(fs.readFileSync(parseSimple(said).kernel, "utf8")).toBe("vmlinuz");
  });

  it("is not where those of another server do", async () => {
    await using server = await sendingOn();
    allowFrom("other.example");
    record(server.url);
    expect((await install()).said).toMatch(/permission denied/);
  });
});

describe("an installation from a server that has no files but answers for all", () => {
  const title = (text: string) => `<!DOCTYPE html><html><head><title>${text}</title></head></html>`;

  it.each([
    ["error pages", { does: "answer", body: title("404 Not Found") }, 'a web page ("404 Not Found")'],
    ["listings of folders", { does: "answer", body: title("Index of /x") }, "a directory listing"],
  ] as const)("as %s: nothing is started, and what was tried and came is said", async (_what, behaviour, words) => {
    await using server = await serverThat(() => behaviour);
    const before = record(server.url);
    const ended = await eliloader("-q");
    expect(ended).toMatchObject({ status: 1, stdout: "" });
    expect(ended.stderr).toMatch(/^RuntimeError: .*\n$/);
    expect(ended.stderr).toContain(`.treeinfo (${words})`);
    expect(ended.stderr).toContain(`images/pxeboot/vmlinuz (${words})`);
    expect(readRecord(at("state"))).toEqual(before);
    expect(fs.readdirSync(at("boot"))).toEqual([]);
    for (const options of [[], ["--distro", "rhlike", "--release", "7"]]) {
      const resolved = await start(programPath("guestboot"), ["resolve", server.url, "--json", ...options], set);
      expect(resolved).toMatchObject({ status: 1, stderr: "" });
      expect(JSON.parse(resolved.stdout)).toMatchObject({ error: { code: "INVALID_SOURCE" } });
      expect(resolved.stdout).toContain("not there: .treeinfo (a ");
    }
  });

  it("as redirects in a circle: the first of them is named", async () => {
    await using server = await startFaultServer({ "/.treeinfo": { does: "redirect", to: "/.treeinfo" } });
    record(server.url);
    expect((await eliloader("-q")).stderr).toMatch(/^RuntimeError: .*\.treeinfo: more than 10 redirects/);
  });
});

it("kernel and ramdisk come side by side: the one does not wait for the other's end", async () => {
  const asked = new Set<string>();
  const both = Promise.withResolvers<null>();
  const server = createServer((request, response) => {
    const name = path.basename(request.url ?? "");
    const answer = async () => {
      if (request.method === "GET" && (name === "initrd.img" || name === "vmlinuz")) {
        if (asked.add(name).size === 2) both.resolve(null);
        await both.promise;
      }
      if (name !== ".treeinfo" && name !== "initrd.img" && name !== "vmlinuz") response.statusCode = 404;
      response.end(name === ".treeinfo" ? TREEINFO : name);
    };
    void answer();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  try {
    record(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const ended = await eliloader("-q");
    expect(ended).toMatchObject({ status: 0, stderr: "" });
    expect(fs.readFileSync(parseSimple(ended.stdout).kernel, "utf8")).toBe("vmlinuz");
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

it("a file over NFS that has not changed is not fetched anew", async () => {
  await using nfs = await startGanesha({ root: at("www") });
  const starts: string[] = [];
  for (const text of ["initrd.img", "initrd.img", "another initrd"]) {
    const initrd = at("www/indexed/images/pxeboot/initrd.img");
    if (fs.readFileSync(initrd, "utf8") !== text) fs.writeFileSync(initrd, text);
    record(`${nfs.url}/indexed`);
    const ended = await eliloader();
    expect(ended.status, ended.stderr).toBe(0);
    expect(fs.readFileSync(parseSimple(ended.stdout).ramdisk ?? "", "utf8")).toBe(text);
    starts.push(ended.stderr);
  }
  const unchanged = (said: string | undefined) => ((said ?? "").match(/^.*from the cache$/gm) ?? []).sort();
  expect(unchanged(starts[0])).toEqual([]);
  expect(unchanged(starts[1]).join()).toMatch(/initrd\.img.*vmlinuz/);
  expect(unchanged(starts[2]).join()).toMatch(/vmlinuz/);
  expect(unchanged(starts[2]).join()).not.toMatch(/initrd/);
});
