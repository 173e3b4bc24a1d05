/**
 * The index files of a repository as they are signed: whoever reads `dists/SUITE/Release` here gets the text of its
 * `InRelease` that the signature covers, or `Release` after `Release.gpg` was checked; `content` and `CHECKSUMS` come
 * after their `.asc`. A text is handed on only when its signature has passed, or when there is none that could be
 * checked; how it is, is remembered.
 */
import { encodeText } from "../base/text.ts";
import type { ChosenTrust } from "../base/trust-settings.ts";
import { readDebianRelease } from "../distro/debian-release.ts";
import type { ReadText } from "../distro/tree-index.ts";
import { openKeyring, type Keyring, type OpenPgp } from "../trust/keyring.ts";
import { hasKeyrings, keyringStamp } from "../trust/keyring-files.ts";
import { loadOpenPgp } from "../trust/load.ts";
import {
  checkCleartext,
  checkDetached,
  isCleartextSigned,
  type CheckedText,
  type Verdict,
} from "../trust/signature.ts";
import { memoryKey, NO_MEMORY, type RememberedCheck, type VerdictMemory } from "../trust/verdict-memory.ts";

/** How well an index is known to be its distribution's. */
export interface IndexProof {
  readonly level: "signed" | "listed";
  /** The file that was read, and whose key signed it. */
  readonly by: string;
  /** Why it is not signed, or what is to be known of its signature; sentences without their full stops. */
  readonly reasons: readonly string[];
}

export interface SignedText {
  readonly text: string;
  readonly proof: IndexProof;
}

export class SignedIndexes {
  readonly #read: ReadText;
  readonly #trust: Pick<ChosenTrust, "keyrings" | "acceptExpiredKeys">;
  readonly #memory: VerdictMemory;
  readonly #answers = new Map<string, Promise<SignedText | null>>();
  #tools: Promise<{ readonly openpgp: OpenPgp; readonly keyring: Keyring }> | null = null;
  #keyring: Keyring | null = null;

  /** @param read a small file's text, null when it is not there */
  constructor(
    read: ReadText,
    trust: Pick<ChosenTrust, "keyrings" | "acceptExpiredKeys">,
    memory: VerdictMemory = NO_MEMORY,
  ) {
    this.#read = read;
    this.#trust = trust;
    this.#memory = memory;
  }

  /** A sentence for each keyring that could not be used, so far. */
  get warnings(): readonly string[] {
    return this.#keyring?.warnings ?? [];
  }

  /**
   * Every path is asked for once. null: not there.
   * @throws SIGNATURE_BAD, KEYRING_UNUSABLE; what the reading throws
   */
  read(path: string): Promise<SignedText | null> {
    const answer = this.#answers.get(path) ?? this.#ask(path);
    this.#answers.set(path, answer);
    return answer;
  }

  /** The verdict of a signature that lies beside a text under a name of its own; null when there is none. */
  async readBeside(text: string, signaturePath: string): Promise<Verdict | null> {
    if (!hasKeyrings(this.#trust.keyrings)) return this.#withoutKeys(signaturePath);
    const signature = await this.#read(signaturePath);
    // Servers answer with a web page where they have no file.
    if (signature === null || /^\s*</.test(signature)) return null;
    const { verdict } = await this.#remembering([signaturePath, text, signature], async () => {
      const { openpgp, keyring } = await this.#loaded();
      const found = await checkDetached(openpgp, encodeText(text), encodeText(signature), signaturePath, keyring);
      return { text: null, verdict: found };
    });
    return verdict;
  }

  async #ask(path: string): Promise<SignedText | null> {
    const suite = /^((?:.*\/)?dists\/([^/]+)\/)Release$/.exec(path);
    if (suite !== null) return this.#readRelease(suite[1] ?? "", suite[2] ?? "");
    const text = await this.#read(path);
    if (text === null) return null;
    if (!/(?:^|\/)(?:content|CHECKSUMS)$/.test(path)) return { text, proof: unsigned(path, []) };
    const signature = `${path}.asc`;
    const verdict = await this.readBeside(text, signature);
    return { text, proof: proofOf(path, verdict ?? noSignature(path, `${signature} is not there`)) };
  }

  async #readRelease(folder: string, suite: string): Promise<SignedText | null> {
    const canCheck = hasKeyrings(this.#trust.keyrings);
    const path = `${folder}InRelease`;
    const inRelease = canCheck ? await this.#read(path) : null;
    if (inRelease !== null && isCleartextSigned(inRelease)) {
      const { text, verdict } = await this.#checkInRelease(path, inRelease);
      return { text, proof: ofSuite(text, suite, proofOf(path, verdict)) };
    }
    const release = `${folder}Release`;
    const text = await this.#read(release);
    if (text === null) return null;
    const verdict =
      (await this.readBeside(text, `${release}.gpg`)) ??
      noSignature(release, `neither ${path} nor ${release}.gpg is there`);
    return { text, proof: ofSuite(text, suite, proofOf(release, verdict)) };
  }

  async #checkInRelease(path: string, given: string): Promise<CheckedText> {
    const check = async () => {
      const { openpgp, keyring } = await this.#loaded();
      return checkCleartext(openpgp, given, path, keyring);
    };
    const { text, verdict } = await this.#remembering([path, given], check);
    return text === null ? await check() : { text, verdict };
  }

  /** @param parts what is checked. What is an error is not remembered. */
  async #remembering(parts: readonly string[], check: () => Promise<RememberedCheck>): Promise<RememberedCheck> {
    const { keyrings, acceptExpiredKeys } = this.#trust;
    const key = memoryKey([...parts.map(encodeText), String(acceptExpiredKeys), keyringStamp(keyrings)]);
    const known = this.#memory.find(key);
    if (known !== null) return known;
    const found = await check();
    const { verdict } = found;
    const ends = verdict.kind === "signed" ? verdict.signers.map(({ expires }) => expires ?? Infinity) : [];
    const coming = ends.filter((end) => end > Date.now());
    this.#memory.put(key, found, Math.min(...coming, Number.MAX_SAFE_INTEGER));
    return found;
  }

  #withoutKeys(path: string): Verdict {
    return {
      kind: "unproven",
      reasons: [`${path} was not looked at: there are no keyrings in ${this.#trust.keyrings.join(", ")}`],
    };
  }

  #loaded(): Promise<{ readonly openpgp: OpenPgp; readonly keyring: Keyring }> {
    this.#tools ??= loadOpenPgp().then((openpgp) => {
      const { keyrings, acceptExpiredKeys } = this.#trust;
      this.#keyring = openKeyring(openpgp, keyrings, { acceptExpiredKeys });
      return { openpgp, keyring: this.#keyring };
    });
    return this.#tools;
  }
}

export function proofOf(path: string, verdict: Verdict): IndexProof {
  if (verdict.kind === "unproven") return unsigned(path, verdict.reasons);
  const [signer] = verdict.signers;
  const name = signer?.name ?? "a key without a name";
  const reasons = verdict.signers.every(({ isExpired }) => isExpired)
    ? [`${path} is signed by a key that has expired since, which was accepted`]
    : [];
  return { level: "signed", by: `${path}, signed by ${(signer?.keyId ?? "").toUpperCase()} ${name}`, reasons };
}

function unsigned(path: string, reasons: readonly string[]): IndexProof {
  return { level: "listed", by: path, reasons };
}

function noSignature(path: string, why: string): Verdict {
  return { kind: "unproven", reasons: [`${path} is not signed (${why})`] };
}

/**
 * A server may hand out another suite's file, signed by the same key. And a suite that is updated says until when its
 * file holds: an older one may be a mirror's that has stopped, or a replay; since an installer's files seldom change,
 * and a host's clock is not always right, that is told and stops nothing.
 */
function ofSuite(text: string, asked: string, proof: IndexProof): IndexProof {
  if (proof.level !== "signed") return proof;
  const { suite, codename, validUntil } = readDebianRelease(text, proof.by);
  if (asked !== suite && asked !== codename) {
    const reason = `${proof.by} is of ${codename ?? suite ?? "no suite"}, and not of ${asked}`;
    return unsigned(proof.by, [...proof.reasons, reason]);
  }
  if (validUntil === null || validUntil.getTime() > Date.now()) return proof;
  const until = validUntil.toISOString().slice(0, 10);
  return { ...proof, reasons: [...proof.reasons, `${proof.by} held until ${until} only: an old copy?`] };
}
