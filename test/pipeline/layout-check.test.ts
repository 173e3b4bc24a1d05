import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { startFaultServer, type Behaviour, type Routes, type SeenRequest } from "../../fixtures/http-server.ts";
import { GuestbootError } from "../../src/base/errors.ts";
import { catalogLayouts, planChecks, type PlannedCheck } from "../../src/pipeline/catalog-layouts.ts";
import { HostGate, REQUESTS_AT_ONCE } from "../../src/pipeline/host-gate.ts";
import { checkLayouts } from "../../src/pipeline/layout-checks.ts";
import { kernelFindings, ramdiskFindings, type SeenFile } from "../../src/pipeline/layout-findings.ts";
import { digestIn, listsFor } from "../../src/pipeline/listed-digests.ts";
import { readKernelImage } from "../../src/kernel/kernel-image.ts";
import { catalog } from "../distro/tree.ts";
import { bzImage, elf64, LINUX_XEN_NOTES, note, packed } from "../kernel/kernel-bytes.ts";

const MIB = 1024 * 1024;
const KERNEL = bzImage(Buffer.alloc(MIB, 0x55));
const INITRD = Buffer.alloc(MIB, 0x1f);
const FOLDER = "dists/bookworm/main/installer-amd64/current/images/netboot/xen";
const FOUND = `sha256:${"0".repeat(64)}`;

const seen = (given: Partial<SeenFile> = {}): SeenFile => {
  return { path: "boot/vmlinuz", url: "http://mirror.example/boot/vmlinuz", size: 8 * MIB, digest: null, ...given };
};
const whole = (bytes: Uint8Array) => readKernelImage({ bytes, isWhole: true });

describe("what a kernel is found to be", () => {
  const good = whole(bzImage(packed("gzip", elf64(LINUX_XEN_NOTES))));
  const noted = (file: SeenFile) => kernelFindings(file, good, "xen").notes.join("\n");

  it("is nothing to complain of, with what it is as a note", () => {
    const findings = kernelFindings(seen(), good, "xen");
    expect(findings.problems).toEqual([]);
    expect(findings.notes).toEqual(["boot/vmlinuz: bzImage, Linux 6.1.0-7-amd64; Xen notes: PV and PVH"]);
  });

  it("is a problem where the xen flavour has no Xen notes, and none where it is generic", () => {
    const image = whole(elf64(note("GNU", 3, "id")));
    expect(kernelFindings(seen(), image, "xen").problems).toEqual([expect.stringContaining("no Xen notes")]);
    expect(kernelFindings(seen(), image, "generic").problems).toEqual([]);
  });

  it("is no problem where its Xen notes cannot be seen, and that is said", () => {
    const image = whole(bzImage(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])));
    const { problems, notes } = kernelFindings(seen(), image, "xen");
    expect(problems).toEqual([]);
    expect(notes.join()).toContain("Xen notes cannot be seen (xz payload that cannot be expanded)");
  });

  it.each([
    [1000, "too few for a kernel"],
    [200 * MIB, "too many for a kernel"],
  ])("is a problem with %d bytes", (size, words) => {
    expect(kernelFindings(seen({ size }), good, "xen").problems.join()).toContain(words);
  });

  it("is cut off where the file is smaller than its header says", () => {
    const image = whole(KERNEL);
    const findings = kernelFindings(seen({ size: KERNEL.length - 1000 }), image, "generic");
    expect(findings.problems.join()).toContain(
      `cut off: ${KERNEL.length - 1000} bytes, and its header says ${KERNEL.length}`,
    );
  });

  it("is a problem where its digest is not the listed one; where none is listed, that is said", () => {
    const listed = `sha256:${"1".repeat(64)}`;
    const digest = (value: string | null) => seen({ digest: { found: FOUND, listed: value } });
    expect(kernelFindings(digest(listed), good, "xen").problems.join()).toContain(`${FOUND} in place of ${listed}`);
    expect(noted(digest(null))).toContain("not listed");
    expect(noted(digest(FOUND))).toContain("is the listed one");
  });

  it("names the page that came in its place, and where a redirect led", () => {
    const page = { kind: "other", what: 'a web page ("Login")' } as const;
    const { problems } = kernelFindings(seen({ url: "http://portal.example/login" }), page, "xen");
    expect(problems).toEqual([
      'boot/vmlinuz is no kernel, but a web page ("Login") (from http://portal.example/login)',
    ]);
  });

  it("is worth a note where dom0 would refuse its size", () => {
    expect(noted(seen({ size: 40 * MIB }))).toContain("limit is 33554432");
  });
});

describe("what a ramdisk is found to be", () => {
  it("is a problem where it is a page, or too small", () => {
    expect(ramdiskFindings(seen(), "a web page").problems.join()).toContain("is no ramdisk, but a web page");
    expect(ramdiskFindings(seen({ size: 100 }), null).problems.join()).toContain("too few for an installer's ramdisk");
    expect(ramdiskFindings(seen(), null).problems).toEqual([]);
  });
});

describe("lists of digests", () => {
  const hex = "ab".repeat(32);

  it("are looked for beside Debian's images and at SUSE's root", () => {
    expect(listsFor(`${FOLDER}/vmlinuz`)[0]).toEqual({
      list: "dists/bookworm/main/installer-amd64/current/images/SHA256SUMS",
      below: "dists/bookworm/main/installer-amd64/current/images/",
    });
    expect(listsFor("boot/x86_64/loader/linux")).toEqual([{ list: "CHECKSUMS", below: "" }]);
  });

  it("are read as sha256sum writes them", () => {
    expect(digestIn(`junk\n${hex}  ./netboot/vmlinuz\n`, "images/netboot/vmlinuz", "images/")).toBe(`sha256:${hex}`);
    expect(digestIn(`${hex.toUpperCase()} *a b\r\n`, "a b", "")).toBe(`sha256:${hex}`);
    expect(digestIn(`${hex}  ./other\n`, "vmlinuz", "")).toBeNull();
  });
});

describe("the catalog's layouts", () => {
  it("name each release, architecture and flavour once", () => {
    const names = catalogLayouts(catalog).map((each) => [each.family, each.release, each.arch, each.flavour].join(" "));
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("debianlike bookworm amd64 xen");
    expect(names).toContain("rhlike 5 x86_64 xen");
  });

  it("have the paths of a Debian mirror", () => {
    const layout = catalogLayouts(catalog).find((each) => each.release === "bookworm" && each.arch === "amd64");
    expect(layout).toMatchObject({ flavour: "xen", kernel: `${FOLDER}/vmlinuz`, ramdisks: [`${FOLDER}/initrd.gz`] });
  });
});

describe("the checks of the whole catalog", () => {
  const planned = (...mirrors: [string, string[]][]) => planChecks(catalog, new Map(mirrors));

  it("leave out families without a mirror", () => {
    const { checks, leftOut } = planned(["alpine", ["http://a.example/"]]);
    expect(new Set(checks.map(({ wanted }) => wanted.family))).toEqual(new Set(["alpine"]));
    expect(leftOut).toContain("debianlike");
    expect(leftOut).not.toContain("alpine");
  });

  it("fill release and architecture into the address of a family whose trees hold one release", () => {
    const { checks } = planned(["rhel", ["http://m.example/{version}/{arch}/os/"]]);
    expect(checks).toContainEqual({
      addresses: ["http://m.example/6/x86_64/os/"],
      wanted: { family: "rhlike", release: "6", arch: "x86_64", flavour: "xen" },
    });
  });

  it("take an address without release as one tree of such a family", () => {
    const { checks } = planned(["rhlike", ["http://m.example/os/"]]);
    const wanted = { family: "rhlike", release: null, arch: null, flavour: null };
    expect(checks).toEqual([{ addresses: ["http://m.example/os/"], wanted }]);
  });

  it("refuse a family that does not come from a repository's layout", () => {
    expect(() => planned(["pygrub", ["http://m.example/"]])).toThrow(GuestbootError);
  });
});

describe("the gate of a host", () => {
  it("lets eight requests through at once and the next one as soon as one is done", async () => {
    const gate = new HostGate();
    let running = 0;
    let most = 0;
    const request = async () => {
      running += 1;
      most = Math.max(most, running);
      await wait(5);
      running -= 1;
    };
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 50 }, () => gate.run(request, signal)));
    expect({ most, running }).toEqual({ most: REQUESTS_AT_ONCE, running: 0 });
  });

  it("lets go of those whose time is up while they wait for their turn", async () => {
    const gate = new HostGate();
    const ended = new AbortController();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const held = Array.from({ length: REQUESTS_AT_ONCE }, () => gate.run(() => promise, new AbortController().signal));
    const waiting = gate.run(() => Promise.resolve("asked"), ended.signal);
    ended.abort(new Error("time is up"));
    await expect(waiting).rejects.toThrow("time is up");
    resolve(undefined);
    await Promise.all(held);
    await expect(gate.run(() => Promise.resolve("asked"), new AbortController().signal)).resolves.toBe("asked");
  });
});

const GOOD: Routes = {
  [`/${FOLDER}/vmlinuz`]: { does: "answer", body: KERNEL },
  [`/${FOLDER}/initrd.gz`]: { does: "answer", body: INITRD },
};
const BOOKWORM = { family: "debianlike", release: "bookworm", arch: "amd64", flavour: "xen" } as const;

async function check(planned: readonly PlannedCheck[], timeoutSeconds = 10) {
  const done: number[] = [];
  const onDone = (_check: unknown, index: number) => void done.push(index);
  const results = await checkLayouts(planned, { catalog, timeoutSeconds, store: null, repository: {}, onDone });
  return { results, done };
}

describe("a check of a server", () => {
  const checkOne = async (routes: Routes, timeoutSeconds?: number) => {
    await using server = await startFaultServer(routes);
    const { results } = await check([{ addresses: [server.url], wanted: BOOKWORM }], timeoutSeconds);
    const [result] = results;
    if (result === undefined) throw new Error("no result");
    return { result, connections: await server.connections(), url: server.url };
  };

  it("finds a tree that has everything", async () => {
    const { result } = await checkOne(GOOD);
    expect(result).toMatchObject({ ok: true, problems: [], family: "debianlike", release: "bookworm" });
  });

  it("says what was asked for where nothing is there", async () => {
    const { result } = await checkOne({});
    expect(result.ok).toBe(false);
    expect(result.problems.join()).toContain("has no installer of debianlike bookworm for amd64");
    expect(result.tried).toContain("dists/bookworm/Release: not there");
    expect(result.tried).toContain(`${FOLDER}/vmlinuz: not there`);
  });

  it("says how an index came that was cut off on the way", async () => {
    const cut: Behaviour = { does: "truncate", body: "Origin: Debian\nSuite: old", announced: 5000 };
    const { result } = await checkOne({ ...GOOD, "/dists/bookworm/Release": cut });
    expect(result.problems.join()).toMatch(
      /Release: the server announced 5000 bytes and ended the connection after 25/,
    );
  });

  it("notes an index that ends in the middle of a line", async () => {
    const cut: Behaviour = { does: "answer", body: "Origin: Debian\nSuite: oldstable\nCodename: bookworm\nArchit" };
    const { result } = await checkOne({ ...GOOD, "/dists/bookworm/Release": cut });
    expect(result.notes.join()).toContain("dists/bookworm/Release does not end with a line's end");
  });

  it("ends after its time although the server hangs, and says what it was waiting for", async () => {
    const started = performance.now();
    const { result } = await checkOne({ "/dists/bookworm/Release": { does: "stall" } }, 0.3);
    expect(result.problems.join()).toContain("not done after 0.3 seconds (waiting for dists/bookworm/Release)");
    expect(result.tried).toEqual(["dists/bookworm/Release: no answer"]);
    expect(performance.now() - started).toBeLessThan(3000);
  });

  it("reads no more of a kernel than its beginning", async () => {
    const endless: Behaviour = { does: "stall", body: KERNEL.subarray(0, 200_000), announced: KERNEL.length };
    const kernel = ({ method }: SeenRequest): Behaviour =>
      method === "HEAD" ? { does: "answer", headers: { "content-length": `${KERNEL.length}` } } : endless;
    const { result } = await checkOne({ ...GOOD, [`/${FOLDER}/vmlinuz`]: kernel });
    expect(result).toMatchObject({ ok: true, problems: [] });
  });

  it("never shows a password", async () => {
    await using server = await startFaultServer({});
    const address = server.url.replace("http://", "http://admin:geheim@");
    const { results } = await check([{ addresses: [address], wanted: BOOKWORM }]);
    expect(JSON.stringify(results)).not.toContain("geheim");
    const wrong = await check([{ addresses: ["http://admin:geheim@:99999/"], wanted: BOOKWORM }]);
    expect(wrong.results[0]?.ok).toBe(false);
    expect(JSON.stringify(wrong.results)).not.toContain("geheim");
  });
});

describe("many checks", () => {
  it("ask a host for at most eight things at once, by whatever spelling of its address", async () => {
    const slowly = (body: string | Uint8Array): Behaviour => {
      return { does: "slow", afterMs: 20, headers: { "content-length": `${body.length}` }, body };
    };
    const bodies = new Map<PropertyKey, Uint8Array>([
      [`/${FOLDER}/vmlinuz`, KERNEL],
      [`/${FOLDER}/initrd.gz`, INITRD],
    ]);
    const routes = new Proxy<Routes>({}, { get: (_target, path) => slowly(bodies.get(path) ?? "nothing") });
    await using server = await startFaultServer(routes);
    const addresses = [server.url, server.url.replace("http", "HTTP"), server.url.replace("//", "//me:pw@")];
    const plan = addresses.flatMap((address) =>
      ["bookworm", "bullseye", "buster", "stretch", "jessie", "wheezy"].map((release): PlannedCheck => {
        return { addresses: [address], wanted: { ...BOOKWORM, release } };
      }),
    );
    const { results } = await check(plan);
    expect(results).toHaveLength(plan.length);
    expect(server.mostAtOnce()).toBe(REQUESTS_AT_ONCE);
  });

  it("come in the order of the plan, whoever is done first", async () => {
    await using server = await startFaultServer(GOOD);
    const wanted = [BOOKWORM, { ...BOOKWORM, release: "etch" }, BOOKWORM];
    const { results } = await check(wanted.map((each) => ({ addresses: [server.url], wanted: each })));
    expect(results.map(({ release, ok }) => [release, ok])).toEqual([
      ["bookworm", true],
      ["etch", false],
      ["bookworm", true],
    ]);
  });

  it("take the next mirror where one has not what is needed", async () => {
    await using empty = await startFaultServer({});
    await using good = await startFaultServer(GOOD);
    const { results } = await check([{ addresses: [empty.url, good.url], wanted: BOOKWORM }]);
    expect(results).toMatchObject([{ ok: true, repository: good.url }]);
  });

  it("say of each mirror what is wrong where none has it", async () => {
    await using one = await startFaultServer({});
    await using other = await startFaultServer({});
    const { results } = await check([{ addresses: [one.url, other.url], wanted: BOOKWORM }]);
    expect(results[0]?.problems).toEqual([expect.stringContaining(one.url), expect.stringContaining(other.url)]);
  });

  it("are not held up by a mirror that hangs, which is given up after its first checks", async () => {
    await using hanging = await startFaultServer({ "/dists/bookworm/Release": { does: "stall" } });
    await using good = await startFaultServer(GOOD);
    const one = (address: string): PlannedCheck => ({ addresses: [address], wanted: BOOKWORM });
    const plan = [...Array.from({ length: 40 }, () => one(hanging.url)), one(good.url)];
    const started = performance.now();
    const { results, done } = await check(plan, 0.5);
    expect(performance.now() - started).toBeLessThan(4000);
    expect(done[0]).toBe(40);
    expect(results.at(-1)?.ok).toBe(true);
    expect(results.filter(({ problems }) => problems.join().includes("not asked any more"))).toHaveLength(32);
    expect(hanging.requests).toHaveLength(REQUESTS_AT_ONCE);
  });
});
