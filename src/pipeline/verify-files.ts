/**
 * The step between a download and its use: each file is held against the digest that it must have, and the cache is
 * told how well that is known. A copy in the cache that is another file than the index lists now (a mirror that was
 * updated and says "unchanged" all the same, a proxy) is thrown away and fetched once more; a file that has just come
 * and does not fit is an error.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Resolution } from "../distro/resolve.ts";
import type { Store, StoredFile } from "../store/store.ts";
import { checkExpected, isExpected, type Proof, type ProvedTree } from "./trust-chain.ts";

export interface Verifying {
  readonly store: Pick<Store, "touch" | "forget">;
  /** Files that came before are old ones from the cache. */
  readonly since: Date;
  /** Fetches the file anew; null when it is not there. */
  readonly again: (path: string) => Promise<StoredFile | null>;
}

/**
 * @returns the resolution with files that are what they should be
 * @throws DIGEST_MISMATCH with expected and found, and the cache does not hold the file any more; STORE_DAMAGED;
 *   what `again` throws
 */
export async function verifyFiles<R extends Resolution<StoredFile>>(
  found: R,
  proved: ProvedTree,
  verifying: Verifying,
): Promise<R> {
  const kernel = await verified(found.kernel, proved.kernel, verifying);
  const ramdisks: StoredFile[] = [];
  for (const [index, file] of found.ramdisks.entries()) {
    const proof = proved.ramdisks[index];
    ramdisks.push(proof === undefined ? file : await verified(file, proof, verifying));
  }
  return { ...found, kernel, ramdisks };
}

async function verified(file: StoredFile, proof: Proof, { store, since, again }: Verifying): Promise<StoredFile> {
  if (await isExpected(file, proof)) return known(file, proof, store);
  store.forget(file.key);
  if (file.fetchedAt >= since) await checkExpected(file, proof, file.url);
  const fresh = await again(proof.path);
  if (fresh === null) {
    throw new GuestbootError("INVALID_SOURCE", `${file.url} was there a moment ago and is not any more`, {
      hint: "the mirror is being updated: try again in a few minutes, or use another mirror",
      args: [file.url],
    });
  }
  if (!(await isExpected(fresh, proof))) store.forget(fresh.key);
  await checkExpected(fresh, proof, fresh.url);
  return known(fresh, proof, store);
}

/** What was proved stays with the cached file, for `cache list`. A cache that cannot be written does not remember it. */
function known(file: StoredFile, { level }: Proof, store: Verifying["store"]): StoredFile {
  if (file.trust === level) return file;
  try {
    return store.touch(file.key, file.checkedAt, { trust: level }) ?? file;
  } catch (error) {
    if (error instanceof GuestbootError && (error.code === "CACHE_UNWRITABLE" || error.code === "NO_SPACE"))
      return file;
    throw error;
  }
}
