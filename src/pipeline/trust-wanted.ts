/**
 * How much proof an installation's files need: what is given for it (in the VM's record, on the command line) and what
 * the host's settings say of its repository.
 *
 * The command line is the host's admin and may ask for anything. A VM's record may be written by those who may not
 * change the host: it asks for more than the settings do, and for less only where they say nothing.
 */
import { readPin, type Checksum, type PinnedDigests } from "../base/checksum.ts";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import { isTrustPolicy, stricter, TRUST_POLICIES, trustFor, type TrustPolicy } from "../base/trust-settings.ts";
import type { TrustSettings } from "../base/trust-settings.ts";
import type { RepositoryLocation } from "../repository/location.ts";
import type { VmRecord } from "../toolstack/vm-record.ts";
import type { TrustWanted } from "./trust-chain.ts";

/** What the command line says; null or empty for what it does not. */
export interface GivenTrust {
  readonly policy: TrustPolicy | null;
  /** In place of the settings' keyrings. */
  readonly keyrings: readonly string[];
  readonly acceptExpiredKeys: boolean;
  readonly pinned: PinnedDigests;
}

export function givenTrust(
  given: GivenTrust,
  settings: readonly TrustSettings[],
  location: RepositoryLocation,
): TrustWanted {
  const host = trustFor(settings, addressesOf(location));
  return {
    policy: given.policy ?? host.policy ?? "prefer",
    keyrings: given.keyrings.length > 0 ? given.keyrings : host.keyrings,
    acceptExpiredKeys: given.acceptExpiredKeys || host.acceptExpiredKeys,
    pinned: given.pinned,
  };
}

/**
 * Reads `install-trust` (a policy), `install-kernel-sha256` and `install-ramdisk-sha256` (64 hexadecimal digits; for
 * several ramdisks one each, with blanks between them).
 *
 * @throws INVALID_SOURCE for values that mean nothing: a misspelt policy must not count as none
 */
export function vmTrust(
  record: VmRecord,
  settings: readonly TrustSettings[],
  location: RepositoryLocation,
): TrustWanted {
  const host = trustFor(settings, addressesOf(location));
  const asked = policyOf(record);
  const weakestAllowed = host.policy ?? "none";
  return {
    policy: asked === null ? (host.policy ?? "prefer") : stricter(asked, weakestAllowed),
    keyrings: host.keyrings,
    acceptExpiredKeys: host.acceptExpiredKeys,
    pinned: {
      kernel: pinsOf(record, "install-kernel-sha256", 1)[0] ?? null,
      ramdisks: pinsOf(record, "install-ramdisk-sha256", MOST_RAMDISKS),
    },
  };
}

const MOST_RAMDISKS = 16;

function addressesOf(location: RepositoryLocation): string[] {
  return location.transport === "mirrors" ? location.mirrors.map(({ address }) => address) : [location.address];
}

function policyOf(record: VmRecord): TrustPolicy | null {
  const word = record.other_config["install-trust"] ?? "";
  if (word === "") return null;
  if (isTrustPolicy(word)) return word;
  throw new GuestbootError("INVALID_SOURCE", `VM ${record.uuid}: install-trust ${quote(word)} is no policy`, {
    hint: `set other-config:install-trust to ${TRUST_POLICIES.join(", ")}, or remove it`,
    args: ["install-trust"],
  });
}

function pinsOf(record: VmRecord, key: string, most: number): Checksum[] {
  const words = (record.other_config[key] ?? "").split(/[\s,]+/).filter((word) => word !== "");
  const pins = words.map(readPin).filter((pin) => pin !== null);
  if (pins.length === words.length && pins.length <= most) return pins;
  throw new GuestbootError(
    "INVALID_SOURCE",
    `VM ${record.uuid}: ${key} ${quote(words.join(" "))} is no SHA-256 digest (64 hexadecimal digits)`,
    { hint: `set other-config:${key} to what sha256sum prints for the file, or remove it`, args: [key] },
  );
}
