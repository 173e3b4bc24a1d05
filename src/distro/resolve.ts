/**
 * Which of the candidates the tree in front of us has.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Candidate } from "./candidates.ts";

/** A candidate that the repository has, with what looking at its files gave. */
export interface Resolution<File> {
  readonly candidate: Candidate;
  readonly kernel: File;
  readonly ramdisks: readonly File[];
}

/**
 * Takes the first candidate whose files are all there.
 *
 * `look` answers for one path below the repository, null when it is not there; whether it asks with a HEAD request or
 * by fetching the file is the caller's business, so that a start needs one request a file.
 *
 * @param address the repository, for the error
 * @throws INVALID_SOURCE listing every path that was tried; what `look` throws
 */
export async function resolveCandidate<File>(
  candidates: readonly Candidate[],
  address: string,
  look: (path: string) => Promise<File | null>,
): Promise<Resolution<File>> {
  const missing: string[] = [];
  for (const candidate of candidates) {
    const paths = [candidate.kernel, ...candidate.ramdisks];
    const [kernel, ...ramdisks] = await allOrFirstFailure(paths.map(look));
    const absent = paths.filter((_path, index) => [kernel, ...ramdisks][index] === null);
    missing.push(...absent);
    if (kernel !== null && kernel !== undefined && absent.length === 0) {
      return { candidate, kernel, ramdisks: ramdisks.filter((file): file is Awaited<File> => file !== null) };
    }
  }
  const tried = candidates.map((each) => each.layout).join(", ");
  throw new GuestbootError(
    "INVALID_SOURCE",
    `${address} has no installer of ${describe(candidates[0])} (layouts tried: ${tried}; not there: ${missing.join(", ")})`,
    { hint: "check other-config:install-repository, debian-release and install-arch", args: [address] },
  );
}

/** All results; when one fails, the failure comes only after the others have ended, so that nothing runs on behind. */
async function allOrFirstFailure<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((each) => {
    if (each.status === "rejected") throw each.reason;
    return each.value;
  });
}

function describe(candidate: Candidate | undefined): string {
  return candidate === undefined ? "anything" : `${candidate.family} ${candidate.release} for ${candidate.arch}`;
}
