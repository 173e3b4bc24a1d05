/**
 * From what an admin asks for to what is known of an installation's files: the policy and the pinned digests in, the
 * digests that kernel and ramdisks must have and the level of trust out; and the comparison with files that have come.
 *
 * Policy `none` looks at no signature and at no list. A pinned digest beats every index under every policy.
 */
import { algorithmOf, type Checksum, type PinnedDigests } from "../base/checksum.ts";
import { GuestbootError } from "../base/errors.ts";
import type { ChosenTrust, TrustPolicy } from "../base/trust-settings.ts";
import type { ReadText } from "../distro/tree-index.ts";
import { checksumOfFile } from "../trust/file-checksum.ts";
import { checkPolicy, weakest, type TrustLevel } from "../trust/level.ts";
import { NO_MEMORY, openVerdictMemory } from "../trust/verdict-memory.ts";
import { expectedDigest, readDigestList, type IndexedTree } from "./expected-digest.ts";
import { SignedIndexes } from "./signed-index.ts";

export interface TrustWanted extends Omit<ChosenTrust, "policy"> {
  readonly policy: TrustPolicy;
  readonly pinned: PinnedDigests;
}

/** What is known of a file before its bytes are looked at. */
export interface Proof {
  /** Path below the repository. */
  readonly path: string;
  /** null where nothing lists it, or nothing was looked at. */
  readonly checksum: Checksum | null;
  readonly level: TrustLevel;
  /** What says so: an index and its signer, or "a pinned digest"; null for nothing. */
  readonly by: string | null;
}

export interface ProvedTree {
  /** Of all files together. */
  readonly trust: TrustLevel;
  /** What the weakest file's level rests on. */
  readonly by: string | null;
  readonly kernel: Proof;
  readonly ramdisks: readonly Proof[];
  /** What an admin should know, sentences without their full stops. */
  readonly warnings: readonly string[];
}

export interface TrustChain {
  /** For `resolveTree`: index files, each after its signature was checked. */
  readonly readText: ReadText;
  /**
   * For the cache: the list of digests at that path, after what vouches for it was checked. null: it is not there, or
   * is not to be looked at, since digests are pinned.
   * @throws DIGEST_MISMATCH, SIGNATURE_BAD; what the reading throws
   */
  readonly readList: ReadText;
  /**
   * What the files of a resolved tree must be.
   * @throws TRUST_REQUIRED where that is less than the policy asks for; DIGEST_MISMATCH between indexes; SIGNATURE_BAD
   */
  prove(tree: IndexedTree): Promise<ProvedTree>;
}

/**
 * @param read a small file's text, null when it is not there; each path is asked for once
 * @param cacheFolder where verdicts on signatures are remembered; null: nowhere
 */
export function openTrustChain(read: ReadText, wanted: TrustWanted, cacheFolder: string | null = null): TrustChain {
  const memory = cacheFolder === null ? NO_MEMORY : openVerdictMemory(`${cacheFolder}/verified`);
  const indexes = new SignedIndexes(read, wanted, memory);
  const isPinned = wanted.pinned.kernel !== null || wanted.pinned.ramdisks.length > 0;
  const unlessPinned = (readList: ReadText): ReadText => (isPinned ? () => Promise.resolve(null) : readList);
  if (wanted.policy === "none") {
    return { readText: read, readList: unlessPinned(read), prove: (tree) => prove(null, tree, wanted) };
  }
  return {
    readText: async (path) => (await indexes.read(path))?.text ?? null,
    readList: unlessPinned(async (path) => (await readDigestList(indexes, path))?.text ?? null),
    prove: (tree) => prove(indexes, tree, wanted),
  };
}

async function prove(indexes: SignedIndexes | null, tree: IndexedTree, wanted: TrustWanted): Promise<ProvedTree> {
  const { kernel, ramdisks } = tree.candidate;
  const { pinned } = wanted;
  const warnings: string[] = [];
  const proofs = [await proveFile(indexes, tree, kernel, pinned.kernel, wanted, warnings)];
  for (const [index, path] of ramdisks.entries()) {
    proofs.push(await proveFile(indexes, tree, path, pinned.ramdisks[index] ?? null, wanted, warnings));
  }
  if (pinned.ramdisks.length > ramdisks.length) {
    throw new GuestbootError(
      "DIGEST_MISMATCH",
      `${pinned.ramdisks.length} digests of ramdisks were pinned, but ${tree.candidate.layout} has ${ramdisks.length}`,
      { hint: "pin one digest for each ramdisk, in their order" },
    );
  }
  const [ofKernel = NO_PROOF, ...ofRamdisks] = proofs;
  const trust = weakest(proofs.map(({ level }) => level));
  return {
    trust,
    by: proofs.find(({ level }) => level === trust)?.by ?? null,
    kernel: ofKernel,
    ramdisks: ofRamdisks,
    warnings: [...new Set([...(indexes?.warnings ?? []), ...warnings])],
  };
}

const NO_PROOF: Proof = { path: "", checksum: null, level: "none", by: null };

async function proveFile(
  indexes: SignedIndexes | null,
  tree: IndexedTree,
  path: string,
  pin: Checksum | null,
  { policy }: TrustWanted,
  warnings: string[],
): Promise<Proof> {
  if (pin !== null) return { path, checksum: pin, level: "signed", by: "a pinned digest" };
  // This host's own folder of guest installers is no repository: its packages were checked when they were installed.
  if (indexes === null || tree.candidate.source !== "repository") return { ...NO_PROOF, path };
  const expected = await expectedDigest(indexes, tree, path);
  if (expected.checksum === null) {
    checkPolicy(policy, "none", path, expected.reasons);
    warnings.push(...expected.reasons);
    return { ...NO_PROOF, path };
  }
  const { checksum, proof } = expected;
  checkPolicy(policy, proof.level, path, proof.reasons);
  warnings.push(...proof.reasons);
  return { path, checksum, level: proof.level, by: proof.by };
}

/** A file that has come, as the store knows it. */
export interface ComeFile {
  /** Where it lies on this host. */
  readonly path: string;
  /** `sha256:…` */
  readonly digest: string;
}

/**
 * Is the file the one that was expected? True where nothing was.
 * @throws STORE_DAMAGED when it cannot be read
 */
export async function isExpected(file: ComeFile, { checksum }: Proof): Promise<boolean> {
  return checksum === null || checksum === (await foundChecksum(file, checksum));
}

/** @param address the file's, for the error. @throws DIGEST_MISMATCH with expected and found; STORE_DAMAGED */
export async function checkExpected(file: ComeFile, proof: Proof, address: string): Promise<void> {
  const { checksum, by } = proof;
  if (checksum === null) return;
  const found = await foundChecksum(file, checksum);
  if (found === checksum) return;
  const isPinned = by === "a pinned digest";
  const what = isPinned ? "is not the file whose digest was pinned" : `is not the file that ${by ?? "its index"} lists`;
  throw new GuestbootError("DIGEST_MISMATCH", `${address} ${what}: expected ${checksum}, found ${found}`, {
    hint: isPinned
      ? "the distribution has published another file, or somebody has altered it: compare the digest, then pin the new one"
      : "the mirror is being updated, damaged, or hostile: try again in a few minutes, or use another mirror",
    args: [address],
  });
}

async function foundChecksum(file: ComeFile, expected: Checksum): Promise<string> {
  const algorithm = algorithmOf(expected);
  return algorithm === "sha256" ? file.digest : await checksumOfFile(file.path, algorithm);
}
