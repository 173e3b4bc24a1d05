/**
 * Which digest a file of a tree must have, and how well that is known: from the tree's own index, from the list beside
 * a Debian installer's images (which the suite's signed Release vouches for), from SUSE's `CHECKSUMS`.
 */
import { isStrong, parseChecksum, type Checksum } from "../base/checksum.ts";
import { GuestbootError } from "../base/errors.ts";
import { encodeText } from "../base/text.ts";
import { readDebianRelease } from "../distro/debian-release.ts";
import type { TreeResolution } from "../distro/resolve.ts";
import { checksumOf } from "../trust/file-checksum.ts";
import { digestIn, imagesListFor, type DigestList } from "./listed-digests.ts";
import { proofOf, type IndexProof, type SignedIndexes, type SignedText } from "./signed-index.ts";

export interface ExpectedDigest {
  readonly checksum: Checksum;
  readonly proof: IndexProof;
}

/** Where the tree lists nothing for the file, why. */
export type Expectation = ExpectedDigest | { readonly checksum: null; readonly reasons: readonly string[] };

/** What the resolution says of its index. */
export type IndexedTree = Pick<TreeResolution<unknown>, "candidate" | "index" | "digests">;

/**
 * @param path of the kernel or a ramdisk, below the repository
 * @throws DIGEST_MISMATCH where a list is not the one that its index vouches for; SIGNATURE_BAD; what reading throws
 */
export async function expectedDigest(indexes: SignedIndexes, tree: IndexedTree, path: string): Promise<Expectation> {
  const inIndex = await digestInIndex(indexes, tree, path);
  if (inIndex !== null) return capped(inIndex);
  const reasons: string[] = [];
  const images = imagesListFor(path);
  const folders = new Set([tree.candidate.root, ""]);
  const lists = [
    ...(images === null ? [] : [images]),
    ...(installerOf(path) === null ? [...folders].map((below) => ({ list: `${below}CHECKSUMS`, below })) : []),
  ];
  for (const list of lists) {
    const found = await digestInList(indexes, list, path);
    if (found === null) continue;
    if (found.checksum !== null) return capped(found);
    reasons.push(...found.reasons);
  }
  if (reasons.length > 0) return { checksum: null, reasons };
  return { checksum: null, reasons: [`no checksum of ${path} was found (${tree.index ?? "the tree has no index"})`] };
}

async function digestInIndex(
  indexes: SignedIndexes,
  { index, digests }: IndexedTree,
  path: string,
): Promise<ExpectedDigest | null> {
  const checksum = parseChecksum(digests.get(path) ?? "");
  if (checksum === null || index === null) return null;
  const read = await indexes.read(index);
  return read === null ? null : { checksum, proof: read.proof };
}

/**
 * A list of digests, after what vouches for it was checked; null: it is not there.
 * @throws DIGEST_MISMATCH where it is not the one that its suite's Release lists; SIGNATURE_BAD; what reading throws
 */
export async function readDigestList(indexes: SignedIndexes, list: string): Promise<SignedText | null> {
  const read = await indexes.read(list);
  return read === null ? null : { text: read.text, proof: await proofOfList(indexes, list, read.text, read.proof) };
}

/** null: the list is not there. */
async function digestInList(indexes: SignedIndexes, list: DigestList, path: string): Promise<Expectation | null> {
  const read = await readDigestList(indexes, list.list);
  if (read === null) return null;
  const { proof } = read;
  const checksum = digestIn(read.text, path, list.below);
  if (checksum === null) return { checksum, reasons: [...proof.reasons, `${list.list} does not list ${path}`] };
  return { checksum, proof };
}

/** A list of images as its suite's Release vouches for it, or a signature beside it (Ubuntu); others as they are. */
async function proofOfList(
  indexes: SignedIndexes,
  list: string,
  text: string,
  asItIs: IndexProof,
): Promise<IndexProof> {
  if (!list.endsWith("/SHA256SUMS")) return asItIs;
  const byRelease = await proofByRelease(indexes, list, text);
  if (byRelease?.level === "signed") return byRelease;
  const verdict = await indexes.readBeside(text, `${list}.gpg`);
  if (verdict?.kind === "signed") return proofOf(list, verdict);
  const reasons = verdict === null ? [] : verdict.reasons;
  return byRelease ?? { ...asItIs, reasons: [...asItIs.reasons, ...reasons] };
}

async function proofByRelease(indexes: SignedIndexes, list: string, text: string): Promise<IndexProof | null> {
  const installer = installerOf(list);
  if (installer === null) return null;
  const index = `${installer.suite}Release`;
  const release = await indexes.read(index);
  if (release === null) return null;
  const { installers } = readDebianRelease(release.text, release.proof.by);
  const listed = installers.find(
    ({ arch, build, folder }) => installer.list === `main/installer-${arch}/${build}/${folder}/SHA256SUMS`,
  );
  if (listed === undefined) {
    const reason = `${release.proof.by} does not list ${installer.list}`;
    return { level: "listed", by: list, reasons: [...release.proof.reasons, reason] };
  }
  const found = checksumOf(encodeText(text), "sha256");
  if (found === listed.digest) return release.proof;
  throw new GuestbootError(
    "DIGEST_MISMATCH",
    `${list} is not the file that ${release.proof.by} lists: expected ${listed.digest}, found ${found}. ` +
      "Either the mirror is being updated, and one of the two is newer, or one of them was altered",
    { hint: "try again in a few minutes, or use another mirror", args: [list] },
  );
}

/** The suite's folder and the path below it, for a path of a Debian installer. */
function installerOf(path: string): { readonly suite: string; readonly list: string } | null {
  const [, suite, list] = /^((?:.*\/)?dists\/[^/]+\/)(main\/installer-[^/]+\/.+)$/.exec(path) ?? [];
  return suite === undefined || list === undefined ? null : { suite, list };
}

/** SHA-1 tells damage, whoever has signed the list. */
function capped(found: ExpectedDigest): ExpectedDigest {
  if (isStrong(found.checksum) || found.proof.level !== "signed") return found;
  const reasons = [...found.proof.reasons, `${found.proof.by} lists SHA-1 only, which proves no more than damage`];
  return { ...found, proof: { ...found.proof, level: "listed", reasons } };
}
