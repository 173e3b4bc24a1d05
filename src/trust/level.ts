/**
 * How well a file is known to be what its distribution published, in the three words that guestboot uses everywhere.
 */
import { GuestbootError } from "../base/errors.ts";
import type { TrustPolicy } from "../base/trust-settings.ts";

/**
 * - `signed`: a chain of digests ends in a signature by a key that we hold, or the admin has pinned the digest;
 * - `listed`: a checksum in an index that nobody has signed, or with a key that we do not hold: tells damage, not
 *   forgery;
 * - `none`: nothing to compare with, or nothing was compared.
 */
export type TrustLevel = "signed" | "listed" | "none";

const WEAKEST_FIRST: readonly TrustLevel[] = ["none", "listed", "signed"];

/** Of several files together: what holds for all of them. `signed` for none at all. */
export function weakest(levels: readonly TrustLevel[]): TrustLevel {
  return WEAKEST_FIRST.find((level) => levels.includes(level)) ?? "signed";
}

export function isWeaker(one: TrustLevel, other: TrustLevel): boolean {
  return WEAKEST_FIRST.indexOf(one) < WEAKEST_FIRST.indexOf(other);
}

/** What a policy asks for at least. */
export function demandOf(policy: TrustPolicy): TrustLevel {
  switch (policy) {
    case "require-signed":
      return "signed";
    case "require-listed":
      return "listed";
    case "prefer":
    case "none":
      return "none";
  }
}

/**
 * @param what the file, for the error
 * @param reasons why it is not better proved, sentences without their full stops
 * @throws TRUST_REQUIRED when the level is weaker than the policy asks for
 */
export function checkPolicy(policy: TrustPolicy, level: TrustLevel, what: string, reasons: readonly string[]): void {
  const demand = demandOf(policy);
  if (!isWeaker(level, demand)) return;
  const is = {
    signed: "signed",
    listed: "only listed in an index without a signature that counts",
    none: "not listed in any index",
  }[level];
  const why = reasons.length === 0 ? "" : ` (${reasons.join("; ")})`;
  throw new GuestbootError("TRUST_REQUIRED", `${what} is ${is}, and the policy is ${policy}${why}`, {
    hint:
      demand === "signed"
        ? "put the distribution's keyring into /etc/guestboot/keyrings, pin the file's digest (--sha256, install-kernel-sha256), or choose another policy"
        : "pin the file's digest (--sha256, install-kernel-sha256), or choose another policy",
  });
}
