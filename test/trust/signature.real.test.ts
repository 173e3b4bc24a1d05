import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openKeyring, type Keyring, type OpenPgp } from "../../src/trust/keyring.ts";
import { loadOpenPgp } from "../../src/trust/load.ts";
import { checkCleartext, checkDetached, type Verdict } from "../../src/trust/signature.ts";
import { Gpg, type GpgvVerdict } from "./gpg.ts";

const LISTS = "/var/lib/apt/lists";
const DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg";
const TEXT =
  "Origin: Made up\nSuite: test\n- a line that begins with a dash\nFrom somebody\ttabs and blanks  \n\nend\n";
const THEN = "20150301T000000";

let openpgp: OpenPgp;
let gpg: Gpg;
const keys: Record<string, string> = {};
let all: string | null = null;

beforeAll(async () => {
  openpgp = await loadOpenPgp();
  gpg = new Gpg();
  keys["good"] = gpg.makeKey("good");
  keys["other"] = gpg.makeKey("other", { algorithm: "rsa3072" });
  keys["expired"] = gpg.makeKey("expired", { made: "20150101T000000", lives: "1y" });
  keys["revoked"] = gpg.makeKey("revoked");
  keys["weak"] = gpg.makeKey("weak", { algorithm: "rsa1024" });
  keys["dsa"] = gpg.makeKey("dsa", { algorithm: "dsa1024" });
  keys["stranger"] = gpg.makeKey("stranger");
});

afterAll(() => gpg[Symbol.dispose]());

/** A keyring file of all keys but the stranger's. */
function keyringFile(): string {
  all ??= gpg.exportTo(
    path.join(gpg.folder, "all.gpg"),
    Object.entries(keys).flatMap(([name, key]) => (name === "stranger" ? [] : [key])),
  );
  return all;
}

function keyring(places: readonly string[] = [keyringFile()], acceptExpiredKeys = false): Keyring {
  return openKeyring(openpgp, places, { acceptExpiredKeys });
}

const key = (name: string) => keys[name] ?? "";

/** Ours, in gpgv's words. */
async function ours(judge: Promise<Verdict>): Promise<GpgvVerdict | "weak" | "other"> {
  try {
    const verdict = await judge;
    if (verdict.kind === "signed") return "good";
    const reasons = verdict.reasons.join("; ");
    if (reasons.includes("is in none of")) return "unknown key";
    if (reasons.includes("has expired (")) return "expired key";
    if (reasons.includes("proves nothing any more")) return "weak";
    return "other";
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    expect(error).toMatchObject({ code: "SIGNATURE_BAD" });
    if (message.includes("was revoked")) return "revoked key";
    return message.includes("cannot be read") ? "unreadable" : "bad";
  }
}

const inRelease = async (text: string, ring: Keyring = keyring()) =>
  ours(checkCleartext(openpgp, text, "InRelease", ring).then(({ verdict }) => verdict));
const detached = async (text: string | Uint8Array, signature: Uint8Array, ring: Keyring = keyring()) =>
  ours(checkDetached(openpgp, Buffer.from(text), signature, "Release.gpg", ring));

describe("the InRelease files that apt keeps on this machine", () => {
  const files = fs.existsSync(LISTS)
    ? fs.readdirSync(LISTS).filter((name) => /debian\.org.*InRelease$/.test(name))
    : [];

  it("are there, with Debian's keyring", () => {
    expect(files, "apt-get update, with Debian's own repositories").not.toEqual([]);
    expect(fs.existsSync(DEBIAN_KEYS), "apt-get install debian-archive-keyring").toBe(true);
  });

  it.each(files)("%s is judged as gpgv does, whole and damaged in every way", async (file) => {
    const text = fs.readFileSync(path.join(LISTS, file), "utf8");
    const ring = keyring([DEBIAN_KEYS]);
    const agree = async (changed: string) => {
      const verdict = gpg.verdict(DEBIAN_KEYS, changed);
      expect(await inRelease(changed, ring)).toBe(verdict);
      return verdict;
    };
    expect(await agree(text)).toBe("good");
    expect(await agree(text.replace("Origin: Debian", "Origin: Debjan"))).toBe("bad");
    expect(await agree(text.replace(/^ [0-9a-f]{64} .*\n/m, ""))).toBe("bad");
    expect(await agree(text.replace("\nSHA256:", "\n added: yes\nSHA256:"))).toBe("bad");
    const inSignature = text.indexOf("-----BEGIN PGP SIGNATURE-----") + 150;
    for (const end of [text.length * 0.3, text.length * 0.9, inSignature]) {
      const cut = text.slice(0, Math.floor(end));
      expect(["bad", "unreadable"]).toContain(gpg.verdict(DEBIAN_KEYS, cut));
      expect(["bad", "unreadable"]).toContain(await inRelease(cut, ring));
    }
    // gpgv does not miss the last line; we want all of it.
    expect(await inRelease(text.slice(0, -10), ring)).toBe("unreadable");
    expect(gpg.verdict(keyringFile(), text)).toBe("unknown key");
    expect(await inRelease(text)).toBe("unknown key");
  });

  it("hand on the signed text alone, whatever stands around it", async () => {
    const file = path.join(LISTS, files[0] ?? "");
    const text = fs.readFileSync(file, "utf8");
    const around = `Origin: Evil\n\n${text}\nSHA256:\n evil\n`;
    const checked = await checkCleartext(openpgp, around, "InRelease", keyring([DEBIAN_KEYS]));
    expect(checked.verdict.kind).toBe("signed");
    expect(checked.text).not.toMatch(/evil/i);
    expect(checked.text.startsWith("Origin: Debian\n")).toBe(true);
  });

  it("name the signers", async () => {
    const text = fs.readFileSync(path.join(LISTS, files[0] ?? ""), "utf8");
    const { verdict } = await checkCleartext(openpgp, text, "InRelease", keyring([DEBIAN_KEYS]));
    const names = verdict.kind === "signed" ? verdict.signers.map(({ name }) => name) : [];
    expect(names.join()).toContain("Debian");
  });
});

describe("a cleartext signature", () => {
  it.each(["good", "other"])("by our key %s is good, and gives the text without its escapes", async (name) => {
    const signed = gpg.clearsign(TEXT, [key(name)]);
    expect(gpg.verdict(keyringFile(), signed)).toBe("good");
    const { text, verdict } = await checkCleartext(openpgp, signed, "InRelease", keyring());
    expect(verdict.kind).toBe("signed");
    // Blanks at a line's end are not signed (RFC 9580, section 7.2).
    expect(text.trimEnd()).toBe(TEXT.replaceAll(/[ \t]+\n/g, "\n").trimEnd());
  });

  it("is judged as gpgv does by keys that are unknown, expired, revoked", async () => {
    const stranger = gpg.clearsign(TEXT, [key("stranger")]);
    const expired = gpg.clearsign(TEXT, [key("expired")], { at: THEN });
    const revoked = gpg.clearsign(TEXT, [key("revoked")]);
    gpg.revoke(key("revoked"));
    const ring = gpg.exportTo(path.join(gpg.folder, "revoked.gpg"), [key("revoked"), key("expired")]);
    for (const [signed, verdict] of [
      [stranger, "unknown key"],
      [expired, "expired key"],
      [revoked, "revoked key"],
    ] as const) {
      expect(gpg.verdict(ring, signed)).toBe(verdict);
      expect(await inRelease(signed, keyring([ring]))).toBe(verdict);
    }
  });

  it("by an expired key is good where that is accepted, but not when it was altered", async () => {
    const signed = gpg.clearsign(TEXT, [key("expired")], { at: THEN });
    const ring = keyring([keyringFile()], true);
    const { verdict } = await checkCleartext(openpgp, signed, "InRelease", ring);
    expect(verdict).toMatchObject({ kind: "signed", signers: [{ isExpired: true }] });
    expect(await inRelease(signed.replace("Suite", "suite"), ring)).toBe("bad");
    expect(await inRelease(signed.replace("Suite", "suite"))).toBe("bad");
  });

  it("of which one of two is ours is good, and bad when ours does not fit", async () => {
    const both = gpg.clearsign(TEXT, [key("good"), key("stranger")]);
    expect(gpg.verdict(keyringFile(), both)).toBe("good");
    expect(await inRelease(both)).toBe("good");
    expect(await inRelease(both.replace("Suite", "suite"))).toBe("bad");
  });

  it("proves nothing with SHA-1, a short RSA key or DSA, and says which", async () => {
    for (const [name, digest, word] of [
      ["other", "SHA1", "SHA-1"],
      ["weak", "SHA256", "a key of 1024 bits"],
      ["dsa", undefined, /SHA-1|a DSA key/],
    ] as const) {
      const signed = gpg.clearsign(TEXT, [key(name)], digest === undefined ? {} : { digest });
      const { verdict } = await checkCleartext(openpgp, signed, "InRelease", keyring());
      expect(verdict.kind).toBe("unproven");
      expect(verdict.kind === "unproven" ? verdict.reasons.join() : "").toMatch(word);
      expect(await inRelease(signed.replace("Suite", "suite"))).toBe("bad");
    }
  });

  it("of tomorrow's tomorrow proves nothing: one of the clocks is wrong", async () => {
    const signed = gpg.clearsign(TEXT, [key("good")], { at: "20990101T000000" });
    const { verdict } = await checkCleartext(openpgp, signed, "InRelease", keyring());
    expect(verdict).toMatchObject({ kind: "unproven" });
    expect(JSON.stringify(verdict)).toContain("is this host's clock right?");
  });

  it.each([
    ["nothing", ""],
    ["a web page", "<html>not found</html>"],
    ["the first line alone", "-----BEGIN PGP SIGNED MESSAGE-----\n"],
    [
      "armour around noise",
      "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nx\n-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n",
    ],
  ])("that is %s is an error or proves nothing", async (_what, text) => {
    expect(["unreadable", "other", "bad"]).toContain(await inRelease(text));
  });
});

describe("a detached signature", () => {
  it.each([true, false])("is judged as gpgv does (armoured: %s)", async (armour) => {
    const signature = gpg.detach(TEXT, [key("good")], {}, armour);
    for (const [text, verdict] of [
      [TEXT, "good"],
      [`${TEXT} `, "bad"],
      [TEXT.slice(0, -1), "bad"],
      ["", "bad"],
    ] as const) {
      expect(gpg.verdict(keyringFile(), signature, text)).toBe(verdict);
      expect(await detached(text, signature)).toBe(verdict);
    }
    const stranger = gpg.detach(TEXT, [key("stranger")], {}, armour);
    expect(gpg.verdict(keyringFile(), stranger, TEXT)).toBe("unknown key");
    expect(await detached(TEXT, stranger)).toBe("unknown key");
    const cut = signature.subarray(0, signature.length >> 1);
    expect(["bad", "unreadable"]).toContain(gpg.verdict(keyringFile(), cut, TEXT));
    expect(["bad", "unreadable"]).toContain(await detached(TEXT, cut));
  });

  it("is never good after one of its bits was flipped", async () => {
    const signature = gpg.detach(TEXT, [key("good")], {}, false);
    for (let at = 0; at < signature.length; at++) {
      const flipped = Buffer.from(signature);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
      const mine = await detached(TEXT, flipped);
      // What is not signed (the hint of the issuer, RFC 9580 section 5.2.3.12) may be flipped without harm.
      if (mine === "good") expect(gpg.verdict(keyringFile(), flipped, TEXT)).toBe("good");
    }
  });

  it("of more bytes than any signature has is not looked at", async () => {
    expect(await detached(TEXT, Buffer.alloc(300_000, 0x88))).toBe("unreadable");
  });
});

describe("a keyring", () => {
  const signedBy = (name: string) => gpg.clearsign(TEXT, [key(name)]);

  it("may be armoured, even with several blocks in a file, and lie in a folder among others", async () => {
    const folder = fs.mkdtempSync(path.join(gpg.folder, "keys-"));
    const one = fs.readFileSync(gpg.exportTo(path.join(folder, "one.asc"), [key("good")], { armour: true }), "utf8");
    const two = fs.readFileSync(gpg.exportTo(path.join(folder, "two.asc"), [key("other")], { armour: true }), "utf8");
    fs.writeFileSync(path.join(folder, "one.asc"), `A comment.\n\n${one}\n${two.replaceAll("\n", "\r\n")}`);
    fs.rmSync(path.join(folder, "two.asc"));
    fs.writeFileSync(path.join(folder, "README.txt"), "no keyring");
    expect(await inRelease(signedBy("good"), keyring([folder]))).toBe("good");
    expect(await inRelease(signedBy("other"), keyring([folder]))).toBe("good");
    expect(await inRelease(signedBy("stranger"), keyring([folder]))).toBe("unknown key");
  });

  it("that is damaged or huge is left out with a word, and the others count", async () => {
    const folder = fs.mkdtempSync(path.join(gpg.folder, "keys-"));
    gpg.exportTo(path.join(folder, "good.gpg"), [key("good")]);
    const bytes = fs.readFileSync(path.join(folder, "good.gpg"));
    fs.writeFileSync(path.join(folder, "cut.gpg"), bytes.subarray(0, bytes.length - 20));
    fs.writeFileSync(path.join(folder, "text.asc"), "not a key");
    fs.writeFileSync(path.join(folder, "huge.gpg"), Buffer.alloc(5 * 1024 * 1024, 0x99));
    const ring = keyring([folder]);
    expect(await inRelease(signedBy("good"), ring)).toBe("good");
    expect(ring.warnings.join("\n")).toMatch(/cut\.gpg.*damaged[^]*text\.asc|text\.asc[^]*cut\.gpg.*damaged/);
    expect(ring.warnings.join("\n")).toMatch(/huge\.gpg.*5242880 bytes/);
  });

  it("that is named and is not there is an error", async () => {
    const judge = checkCleartext(openpgp, signedBy("good"), "InRelease", keyring(["/nowhere/keys.gpg"]));
    await expect(judge).rejects.toMatchObject({ code: "KEYRING_UNUSABLE" });
  });

  it("of retired keys counts only where expired keys do", async () => {
    const file = gpg.exportTo(path.join(gpg.folder, "made-up-removed-keys.gpg"), [key("good")]);
    expect(await inRelease(signedBy("good"), keyring([file]))).toBe("unknown key");
    expect(await inRelease(signedBy("good"), keyring([file], true))).toBe("good");
  });

  it("takes the newest that its files say of a key: a revocation, a longer life", async () => {
    const fingerprint = gpg.makeKey("later");
    const signed = gpg.clearsign(TEXT, [fingerprint]);
    const before = gpg.exportTo(path.join(gpg.folder, "a.gpg"), [fingerprint]);
    gpg.revoke(fingerprint);
    const after = gpg.exportTo(path.join(gpg.folder, "b.gpg"), [fingerprint]);
    expect(await inRelease(signed, keyring([before]))).toBe("good");
    expect(await inRelease(signed, keyring([before, after]))).toBe("revoked key");
    expect(await inRelease(signed, keyring([after, before]))).toBe("revoked key");
  });
});
