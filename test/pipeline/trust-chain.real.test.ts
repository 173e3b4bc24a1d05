import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PinnedDigests } from "../../src/base/checksum.ts";
import { readPin } from "../../src/base/checksum.ts";
import { decodeText } from "../../src/base/text.ts";
import { KEYRING_FOLDERS, TRUST_POLICIES, type TrustPolicy } from "../../src/base/trust-settings.ts";
import { resolveTree } from "../../src/distro/resolve.ts";
import { checkExpected, openTrustChain, type ProvedTree, type TrustWanted } from "../../src/pipeline/trust-chain.ts";
import { catalog, requestFor } from "../distro/tree.ts";
import { Gpg } from "../trust/gpg.ts";
import {
  altered,
  DEBIAN,
  debianTree,
  hex,
  INITRD,
  KERNEL,
  RHEL,
  rhelTree,
  SUSE,
  suseChecksumsTree,
  suseContentTree,
  without,
  type DebianOptions,
  type Tree,
} from "./signed-trees.ts";

let gpg: Gpg;
let ours: string;
let stranger: string;
let expired: string;
let keyrings: readonly string[];

beforeAll(() => {
  gpg = new Gpg();
  ours = gpg.makeKey("archive");
  stranger = gpg.makeKey("stranger");
  expired = gpg.makeKey("expired", { made: "20150101T000000", lives: "1y" });
  keyrings = [gpg.exportTo(path.join(gpg.folder, "archive.gpg"), [ours, expired])];
});

afterAll(() => gpg[Symbol.dispose]());

interface Outcome extends ProvedTree {
  readonly asked: readonly string[];
}

const NO_PINS: PinnedDigests = { kernel: null, ramdisks: [] };

/** Resolves the tree, proves its files, and holds the tree's bytes against what was proved. */
async function verify(
  tree: Tree,
  wanted: Partial<TrustWanted> = {},
  cacheFolder: string | null = null,
): Promise<Outcome> {
  const asked: string[] = [];
  const chain = openTrustChain(
    (file) => {
      asked.push(file);
      const bytes = tree.get(file);
      return Promise.resolve(bytes === undefined ? null : decodeText(bytes));
    },
    { policy: "prefer", keyrings, acceptExpiredKeys: false, pinned: NO_PINS, ...wanted },
    cacheFolder,
  );
  const isDebian = tree.has(DEBIAN.kernel);
  const request = requestFor(isDebian ? { family: "debianlike", release: "bookworm" } : {});
  const found = await resolveTree(catalog, request, {
    address: "http://mirror.example/",
    readText: chain.readText,
    look: (file) => Promise.resolve(tree.has(file) ? file : null),
  });
  const proved = await chain.prove(found);
  for (const proof of [proved.kernel, ...proved.ramdisks]) {
    const bytes = tree.get(proof.path) ?? Buffer.alloc(0);
    const file = path.join(gpg.folder, "file");
    fs.writeFileSync(file, bytes);
    await checkExpected({ path: file, digest: `sha256:${hex(bytes)}` }, proof, `http://mirror.example/${proof.path}`);
  }
  return { ...proved, asked };
}

const debian = (options: DebianOptions = {}) => debianTree(gpg, { keys: [ours], ...options });

describe("Debian's chain", () => {
  it.each(["InRelease", "Release.gpg"] as const)(
    "leads from a signed %s over SHA256SUMS to the files",
    async (sign) => {
      const { trust, by, kernel, ramdisks, warnings } = await verify(debian({ sign }));
      expect(trust).toBe("signed");
      expect(by).toContain(ours.slice(-16));
      expect(kernel.checksum).toBe(`sha256:${hex(KERNEL)}`);
      expect(ramdisks.map(({ checksum }) => checksum)).toEqual([`sha256:${hex(INITRD)}`]);
      expect(warnings).toEqual([]);
    },
  );

  it("asks for each index once, and for no plain Release beside an InRelease", async () => {
    const { asked } = await verify(debian());
    expect(asked).toEqual([...new Set(asked)]);
    expect(asked).not.toContain("dists/bookworm/Release");
    expect(asked).not.toContain("dists/bookworm/Release.gpg");
  });

  it.each([
    ["the kernel", DEBIAN.kernel, "DIGEST_MISMATCH"],
    ["the initrd", DEBIAN.initrd, "DIGEST_MISMATCH"],
    ["SHA256SUMS", `${DEBIAN.images}SHA256SUMS`, "DIGEST_MISMATCH"],
  ])("ends in an error with expected and found when %s was altered", async (_what, file, code) => {
    const tree = altered(debian(), file);
    const failure = verify(tree);
    await expect(failure).rejects.toMatchObject({ code });
    await expect(failure).rejects.toThrow(`found sha256:${hex(tree.get(file) ?? "")}`);
    await expect(failure).rejects.toThrow(/expected sha256:[0-9a-f]{64}/);
  });

  it("names both indexes where they do not fit, and says that a mirror may be in flux", async () => {
    const failure = verify(altered(debian(), `${DEBIAN.images}SHA256SUMS`));
    await expect(failure).rejects.toThrow(
      /images\/SHA256SUMS is not the file that dists\/bookworm\/InRelease.*being updated/,
    );
    await expect(failure).rejects.toMatchObject({ hint: expect.stringContaining("try again") as string });
  });

  it.each([
    ["InRelease", "InRelease"],
    ["Release.gpg", "Release"],
  ] as const)("ends in an error when what %s signs was altered", async (sign, file) => {
    const change = (text: string) => text.replace("Version: 12.1", "Version: 12.2");
    const failure = verify(altered(debian({ sign }), DEBIAN.suite + file, change));
    await expect(failure).rejects.toMatchObject({ code: "SIGNATURE_BAD" });
  });

  it("does not go on with the plain Release when InRelease is truncated", async () => {
    const tree = altered(debian(), `${DEBIAN.suite}InRelease`, (text) => text.slice(0, -100));
    await expect(verify(tree)).rejects.toMatchObject({ code: "SIGNATURE_BAD" });
  });

  it("takes no word that stands outside of the signed text", async () => {
    const forged = hex("forged");
    const change = (text: string) => `SHA256:\n ${forged} 6 main/installer-amd64/current/images/SHA256SUMS\n\n${text}`;
    const tree = altered(debian(), `${DEBIAN.suite}InRelease`, change);
    expect((await verify(tree)).trust).toBe("signed");
  });

  it("is `listed` by an unknown key, with a warning that names it", async () => {
    const { trust, warnings } = await verify(debian({ keys: [stranger] }));
    expect(trust).toBe("listed");
    expect(warnings.join()).toContain(`the key ${stranger.slice(-16)}`);
  });

  it("is `listed` where nothing is signed, and never ignores a mismatch", async () => {
    const tree = debian({ sign: "none" });
    expect(await verify(tree)).toMatchObject({ trust: "listed", warnings: [expect.stringContaining("is not signed")] });
    await expect(verify(altered(tree, DEBIAN.kernel))).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    await expect(verify(altered(tree, `${DEBIAN.images}SHA256SUMS`))).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
  });

  it("is `listed` on a host without keyrings, and says where they belong", async () => {
    const { trust, warnings } = await verify(debian(), { keyrings: ["/nowhere/keyrings"] });
    expect(trust).toBe("listed");
    expect(warnings.join()).toContain("no keyrings in /nowhere/keyrings");
  });

  it("is `none` where SHA256SUMS is not there, or does not list the files", async () => {
    const list = `${DEBIAN.images}SHA256SUMS`;
    expect((await verify(without(debian(), list))).trust).toBe("none");
    const empty = debianTree(gpg, { sign: "none" });
    empty
      .set(list, Buffer.from(""))
      .set(`${DEBIAN.suite}Release`, Buffer.from("Suite: oldstable\nCodename: bookworm\n"));
    expect((await verify(empty)).trust).toBe("none");
  });

  it("is not `signed` with the signed file of another suite", async () => {
    const { trust, warnings } = await verify(debian({ codename: "bullseye" }));
    expect(trust).toBe("listed");
    expect(warnings.join()).toContain("is of bullseye, and not of bookworm");
  });

  it("tells that a file has held until yesterday only", async () => {
    const { trust, warnings } = await verify(debian({ fields: "Valid-Until: Sat, 01 Jan 2022 00:00:00 UTC\n" }));
    expect(trust).toBe("signed");
    expect(warnings.join()).toContain("held until 2022-01-01 only");
    expect((await verify(debian({ fields: "Valid-Until: Sat, 01 Jan 2095 00:00:00 UTC\n" }))).warnings).toEqual([]);
  });

  it("may end in Ubuntu's signature beside the list", async () => {
    const list = `${DEBIAN.images}SHA256SUMS`;
    const tree = debian({ sign: "none" });
    tree.set(`${list}.gpg`, gpg.detach(tree.get(list) ?? "", [ours]));
    expect(await verify(tree)).toMatchObject({ trust: "signed", by: expect.stringContaining("SHA256SUMS") as string });
    const other = tree.set(`${list}.gpg`, gpg.detach("another list", [ours]));
    await expect(verify(other)).rejects.toMatchObject({ code: "SIGNATURE_BAD" });
  });

  it("of an old archive counts only where expired keys are accepted", async () => {
    const tree = debian({ keys: [expired], how: { at: "20150601T000000" } });
    const refused = await verify(tree);
    expect(refused.trust).toBe("listed");
    expect(refused.warnings.join()).toMatch(/has expired \(2016-01-01; accepted with --accept-expired-keys/);
    await expect(verify(tree, { policy: "require-signed" })).rejects.toMatchObject({ code: "TRUST_REQUIRED" });
    const accepted = await verify(tree, { policy: "require-signed", acceptExpiredKeys: true });
    expect(accepted.trust).toBe("signed");
    expect(accepted.warnings.join()).toContain("a key that has expired since, which was accepted");
    const forged = altered(tree, DEBIAN.kernel);
    await expect(verify(forged, { acceptExpiredKeys: true })).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  });
});

describe("Debian's own InRelease, as apt keeps it", () => {
  const lists = "/var/lib/apt/lists";
  const name = fs.existsSync(lists)
    ? fs.readdirSync(lists).find((each) => /debian_dists_bookworm_InRelease$/.test(each))
    : undefined;
  const real = () => {
    if (name === undefined) throw new Error(`no InRelease of bookworm in ${lists}: apt-get update`);
    return fs.readFileSync(path.join(lists, name));
  };
  /** A mirror with the real index and with a list and files that are not the real ones. */
  const mirror = (change: (text: string) => string = (text) => text) => {
    const tree = debian({ sign: "none" }).set(`${DEBIAN.suite}InRelease`, Buffer.from(change(real().toString())));
    return without(tree, `${DEBIAN.suite}Release`);
  };
  /** Debian's packages put theirs there. */
  const system = { keyrings: KEYRING_FOLDERS };

  it("vouches for one list of images, and for no other: found with the keyrings of the system", async () => {
    const listed = / ([0-9a-f]{64}) +\d+ main\/installer-amd64\/current\/images\/SHA256SUMS\n/.exec(real().toString());
    const failure = verify(mirror(), system);
    await expect(failure).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    await expect(failure).rejects.toThrow(
      /SHA256SUMS is not the file that .*InRelease, signed by [0-9A-F]{16} .*Debian/,
    );
    await expect(failure).rejects.toThrow(`expected sha256:${listed?.[1] ?? "?"}`);
  });

  it("that was altered so that it lists another one is refused before that is looked at", async () => {
    const list = mirror().get(`${DEBIAN.images}SHA256SUMS`) ?? "";
    const forge = (text: string) =>
      text.replace(/ [0-9a-f]{64}( +\d+ main\/installer-amd64\/current\/images\/SHA256SUMS\n)/, ` ${hex(list)}$1`);
    await expect(verify(mirror(forge), system)).rejects.toMatchObject({ code: "SIGNATURE_BAD" });
  });
});

describe("a verdict on a signature", () => {
  const remembered = () => fs.mkdtempSync(path.join(gpg.folder, "cache-"));

  it("is remembered, and the chain is the same with it", async () => {
    const cache = remembered();
    for (const tree of [debian(), debian({ sign: "Release.gpg" }), debian({ keys: [stranger] })]) {
      const first = await verify(tree, {}, cache);
      const files = fs.readdirSync(path.join(cache, "verified")).length;
      expect(await verify(tree, {}, cache)).toEqual(first);
      expect(fs.readdirSync(path.join(cache, "verified"))).toHaveLength(files);
    }
  });

  it("does not count for an altered text, for other keyrings, or for stricter wishes", async () => {
    const cache = remembered();
    const tree = debian({ sign: "Release.gpg" });
    expect((await verify(tree, {}, cache)).trust).toBe("signed");
    const release = `${DEBIAN.suite}Release`;
    for (const byte of [0x80, 0x81]) {
      const bytes = Buffer.concat([tree.get(release) ?? Buffer.alloc(0), Buffer.of(byte)]);
      await expect(verify(new Map(tree).set(release, bytes), {}, cache)).rejects.toMatchObject({
        code: "SIGNATURE_BAD",
      });
    }
    const other = [gpg.exportTo(path.join(gpg.folder, "other.gpg"), [stranger])];
    expect((await verify(tree, { keyrings: other }, cache)).trust).toBe("listed");
    const old = debian({ keys: [expired], how: { at: "20150601T000000" } });
    expect((await verify(old, { acceptExpiredKeys: true }, cache)).trust).toBe("signed");
    expect((await verify(old, {}, cache)).trust).toBe("listed");
  });
});

describe("SUSE's chains", () => {
  it.each([
    [
      "content",
      () => suseContentTree(gpg, [ours]),
      () => suseContentTree(gpg, [stranger]),
      () => suseContentTree(gpg, []),
    ],
    [
      "CHECKSUMS",
      () => suseChecksumsTree(gpg, [ours]),
      () => suseChecksumsTree(gpg, [stranger]),
      () => suseChecksumsTree(gpg, []),
    ],
  ])("%s with its .asc", async (index, signed, unknown, unsigned) => {
    expect(await verify(signed())).toMatchObject({
      trust: "signed",
      by: expect.stringContaining(index) as string,
      kernel: { checksum: `sha256:${hex(KERNEL)}` },
    });
    expect((await verify(unknown())).trust).toBe("listed");
    expect((await verify(unsigned())).trust).toBe("listed");
    await expect(verify(altered(signed(), SUSE.initrd))).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    await expect(verify(altered(unsigned(), SUSE.initrd))).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    await expect(verify(altered(signed(), index))).rejects.toMatchObject({ code: "SIGNATURE_BAD" });
  });

  it("with SHA-1 sums tell damage and prove no more, signed or not", async () => {
    const tree = suseContentTree(gpg, [ours], "SHA1");
    const { trust, warnings } = await verify(tree);
    expect(trust).toBe("listed");
    expect(warnings.join()).toContain("SHA-1 only");
    const failure = verify(altered(tree, SUSE.kernel));
    await expect(failure).rejects.toThrow(`expected sha1:${hex(KERNEL, "sha1")}`);
  });

  it("with MD5 sums prove nothing", async () => {
    expect((await verify(suseContentTree(gpg, [ours], "MD5"))).trust).toBe("none");
  });
});

describe(".treeinfo", () => {
  it.each(["sha256", "sha512", "sha1"])("with %s sums is `listed`", async (algorithm) => {
    const tree = rhelTree({ algorithm });
    expect(await verify(tree)).toMatchObject({ trust: "listed", by: ".treeinfo" });
    const failure = verify(altered(tree, RHEL.kernel));
    await expect(failure).rejects.toThrow(`expected ${algorithm}:${hex(KERNEL, algorithm)}, found ${algorithm}:`);
  });

  it("without sums, or with MD5 ones, is `none`", async () => {
    expect((await verify(rhelTree({ checksums: false }))).trust).toBe("none");
    expect((await verify(rhelTree({ algorithm: "md5" }))).trust).toBe("none");
  });
});

describe("every policy", () => {
  const cases = {
    signed: () => debian(),
    listed: () => rhelTree(),
    none: () => rhelTree({ checksums: false }),
    "tampered, signed": () => altered(debian(), DEBIAN.kernel),
    "tampered, listed": () => altered(rhelTree(), RHEL.kernel),
    "badly signed": () => altered(debian(), `${DEBIAN.suite}InRelease`, (text) => text.replace("12.1", "12.2")),
  } as const;
  const expected: Record<TrustPolicy, Record<keyof typeof cases, string>> = {
    "require-signed": {
      signed: "signed",
      listed: "TRUST_REQUIRED",
      none: "TRUST_REQUIRED",
      "tampered, signed": "DIGEST_MISMATCH",
      "tampered, listed": "TRUST_REQUIRED",
      "badly signed": "SIGNATURE_BAD",
    },
    "require-listed": {
      signed: "signed",
      listed: "listed",
      none: "TRUST_REQUIRED",
      "tampered, signed": "DIGEST_MISMATCH",
      "tampered, listed": "DIGEST_MISMATCH",
      "badly signed": "SIGNATURE_BAD",
    },
    prefer: {
      signed: "signed",
      listed: "listed",
      none: "none",
      "tampered, signed": "DIGEST_MISMATCH",
      "tampered, listed": "DIGEST_MISMATCH",
      "badly signed": "SIGNATURE_BAD",
    },
    // Looks at nothing, and says so.
    none: {
      signed: "none",
      listed: "none",
      none: "none",
      "tampered, signed": "none",
      "tampered, listed": "none",
      "badly signed": "none",
    },
  };
  const matrix = TRUST_POLICIES.flatMap((policy) =>
    (Object.keys(cases) as (keyof typeof cases)[]).map((name) => [policy, name, expected[policy][name]] as const),
  );

  it.each(matrix)("%s: a tree that is %s gives %s", async (policy, name, outcome) => {
    const code = (error: unknown) => (error instanceof Error && "code" in error ? error.code : error);
    const result = await verify(cases[name](), { policy }).then(({ trust }) => trust, code);
    expect(result).toBe(outcome);
  });

  it("that asks for more than there is says what it found and what to do", async () => {
    const failure = verify(debian({ keys: [stranger] }), { policy: "require-signed" });
    await expect(failure).rejects.toThrow(
      /vmlinuz is only listed .* the policy is require-signed \(the key [0-9A-F]{16}/,
    );
    await expect(failure).rejects.toMatchObject({ hint: expect.stringContaining("/etc/guestboot/keyrings") as string });
  });
});

describe("a pinned digest", () => {
  const pin = (bytes: Buffer | string) => readPin(hex(bytes));

  it("beats every index and satisfies every policy, and asks for no list", async () => {
    const tree = altered(altered(debian(), DEBIAN.kernel), DEBIAN.initrd);
    const pinned = {
      kernel: pin(tree.get(DEBIAN.kernel) ?? ""),
      ramdisks: [pin(tree.get(DEBIAN.initrd) ?? "")].filter((each) => each !== null),
    };
    for (const policy of TRUST_POLICIES) {
      const { trust, by, asked } = await verify(tree, { policy, pinned });
      expect([trust, by]).toEqual(["signed", "a pinned digest"]);
      expect(asked).not.toContain(`${DEBIAN.images}SHA256SUMS`);
    }
  });

  it("that the file has not is an error under every policy", async () => {
    for (const policy of TRUST_POLICIES) {
      const failure = verify(rhelTree(), {
        policy: policy === "require-signed" ? "prefer" : policy,
        pinned: { kernel: pin("another"), ramdisks: [] },
      });
      await expect(failure).rejects.toThrow(`not the file whose digest was pinned: expected sha256:${hex("another")}`);
    }
  });

  it("for one file leaves the other to its index", async () => {
    const pinned = { kernel: pin(KERNEL), ramdisks: [] };
    expect((await verify(rhelTree(), { pinned })).trust).toBe("listed");
    await expect(verify(altered(rhelTree(), RHEL.initrd), { pinned })).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
    await expect(verify(rhelTree(), { pinned, policy: "require-signed" })).rejects.toMatchObject({
      code: "TRUST_REQUIRED",
    });
  });
});
