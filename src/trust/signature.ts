/**
 * Is a text signed by a key that we hold? Cleartext signatures (Debian's `InRelease`) and detached ones (`Release.gpg`,
 * `content.asc`), in OpenPGP's formats (RFC 9580; RFC 4880 before it).
 *
 * There are three answers. `signed`: at least one signature is good. `unproven`: none is known to be false, and none
 * counts, with the reasons (the key is not ours, or has expired; SHA-1 and MD5, DSA and short RSA keys, which prove
 * nothing any more). A signature by a key that we hold and that does not fit the text, or by a key that was revoked, or
 * that cannot be read, is no answer but an error: somebody has changed something.
 *
 * An expired key counts where the admin accepts that, for signatures made while it was valid. Not here: cleartext that
 * is not UTF-8, whose signature reads as false (no distribution signs such an index); keys over a network.
 */
import type { Key, SignaturePacket } from "openpgp";
import { GuestbootError } from "../base/errors.ts";
import { quote } from "../base/printable.ts";
import type { Keyring, OpenPgp } from "./keyring.ts";

export type Verdict =
  | { readonly kind: "signed"; readonly signers: readonly Signer[] }
  /** Sentences without their full stops. */
  | { readonly kind: "unproven"; readonly reasons: readonly string[] };

export interface Signer {
  /** Of the key or subkey that signed: 16 hexadecimal digits. */
  readonly keyId: string;
  /** What the key calls itself; null when it does not. */
  readonly name: string | null;
  /** The key has expired since, which was accepted. */
  readonly isExpired: boolean;
  /** When the key expires, in milliseconds since 1970; null for never. */
  readonly expires: number | null;
}

export interface CheckedText {
  /** Exactly the text that the signature covers: without armour, dash-escapes and what stands around them. */
  readonly text: string;
  readonly verdict: Verdict;
}

const MOST_SIGNATURES = 16;
const LARGEST_SIGNATURE = 256 * 1024;
const CLEARTEXT_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----";
/** How far another clock may be ahead of ours. */
const CLOCK_TOLERANCE_MS = 24 * 60 * 60 * 1000;

/** Does it begin as a signed text does? */
export function isCleartextSigned(text: string): boolean {
  return text.startsWith(CLEARTEXT_BEGIN) || text.includes(`\n${CLEARTEXT_BEGIN}`);
}

/**
 * @param what the file's path, for errors
 * @throws SIGNATURE_BAD; KEYRING_UNUSABLE
 */
export async function checkCleartext(
  openpgp: OpenPgp,
  given: string,
  what: string,
  keyring: Keyring,
): Promise<CheckedText> {
  const { text, packets } = await reading(what, async () => {
    const message = await openpgp.readCleartextMessage({ cleartextMessage: given });
    // With no keys at all it hands out the signatures that it has read, and judges none.
    const found = await message.verify([], undefined, openpgp.config);
    const signatures = await Promise.all(found.map(({ signature }) => signature));
    return { text: message.getText(), packets: signatures.flatMap((signature) => [...signature.packets]) };
  });
  const signed = new TextEncoder().encode(text.replaceAll("\n", "\r\n"));
  return { text, verdict: await judge(openpgp, signed, packets, what, keyring) };
}

/**
 * @param signature armoured or binary
 * @param what the signature's path, for errors
 * @throws SIGNATURE_BAD; KEYRING_UNUSABLE
 */
export async function checkDetached(
  openpgp: OpenPgp,
  signed: Uint8Array,
  signature: Uint8Array,
  what: string,
  keyring: Keyring,
): Promise<Verdict> {
  const packets = await reading(what, async () => {
    if (signature.length > LARGEST_SIGNATURE) throw new Error(`it has more than ${LARGEST_SIGNATURE} bytes`);
    const isBinary = ((signature[0] ?? 0) & 0x80) !== 0;
    const read = isBinary
      ? await openpgp.readSignature({ binarySignature: signature })
      : await openpgp.readSignature({ armoredSignature: Buffer.from(signature).toString("latin1") });
    return [...read.packets];
  });
  return judge(openpgp, signed, packets, what, keyring);
}

async function reading<T>(what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw bad(what, `cannot be read as an OpenPGP signature (truncated or damaged?): ${reason}`, error);
  }
}

async function judge(
  openpgp: OpenPgp,
  signed: Uint8Array,
  packets: readonly object[],
  what: string,
  keyring: Keyring,
): Promise<Verdict> {
  const signatures = packets.filter((packet): packet is SignaturePacket => packet instanceof openpgp.SignaturePacket);
  if (signatures.length > MOST_SIGNATURES) throw bad(what, `holds more than ${MOST_SIGNATURES} signatures`);
  const signers: Signer[] = [];
  const reasons: string[] = [];
  for (const signature of signatures) {
    const answer = await judgeOne(openpgp, signed, signature, what, keyring);
    if (typeof answer === "string") reasons.push(answer);
    else signers.push(answer);
  }
  if (signers.length > 0) return { kind: "signed", signers };
  // Version 3, which nobody makes any more, among them.
  const none = `${what} holds no signature of a kind that counts`;
  return { kind: "unproven", reasons: reasons.length === 0 ? [none] : [...new Set(reasons)] };
}

/** The signer, or why the signature does not count. @throws SIGNATURE_BAD */
async function judgeOne(
  openpgp: OpenPgp,
  signed: Uint8Array,
  signature: SignaturePacket,
  what: string,
  keyring: Keyring,
): Promise<Signer | string> {
  const keyId = signature.issuerKeyID.toHex();
  const shown = keyId.toUpperCase();
  const keys = await keyring.keysFor(keyId);
  if (keys.length === 0) return `the key ${shown} that signed ${what} is in none of ${keyring.places.join(", ")}`;
  const { created } = signature;
  if (created === null) throw bad(what, "holds a signature without a time");
  const key = await signingKey(openpgp, signed, signature, created, what, keys);
  if (await isRevoked(key, keyId)) throw bad(what, `is signed by the key ${shown}, which was revoked`);
  const weakness = weaknessOf(openpgp, key, keyId, signature);
  if (weakness !== null) return `${what} is signed by ${shown} with ${weakness}, which proves nothing any more`;
  const now = Date.now();
  if (created.getTime() > now + CLOCK_TOLERANCE_MS) {
    return `${what} was signed at ${day(created)}, which is in the future: is this host's clock right?`;
  }
  if (signature.isExpired(new Date(Math.max(now, created.getTime())))) return `the signature of ${what} has expired`;
  const expires = await expiryOf(key, keyId);
  if (expires !== null && created.getTime() >= expires) {
    return `${what} was signed by the key ${shown} after it had expired (${day(new Date(expires))})`;
  }
  const misuse = await whyNotValid(openpgp, key, signature, created);
  if (misuse !== null) return `the key ${shown} may not sign ${what}: ${misuse}`;
  const isExpired = expires !== null && expires <= now;
  if (isExpired && !keyring.acceptExpiredKeys) {
    return (
      `the key ${shown} that signed ${what} has expired (${day(new Date(expires))}; accepted with ` +
      `--accept-expired-keys, or accept-expired-keys = yes in a [trust "HOST"] section of /etc/guestboot.conf)`
    );
  }
  return { keyId, name: nameOf(key), isExpired, expires };
}

/** That of the keys whose signature it is. The arithmetic alone: whether key and algorithms count is asked later. */
async function signingKey(
  openpgp: OpenPgp,
  signed: Uint8Array,
  signature: SignaturePacket,
  created: Date,
  what: string,
  keys: readonly Key[],
): Promise<Key> {
  const { binary, text } = openpgp.enums.signature;
  const type = signature.signatureType;
  const keyId = signature.issuerKeyID.toHex();
  const shown = keyId.toUpperCase();
  if (type !== binary && type !== text) throw bad(what, `holds a signature by ${shown} of another kind`);
  const [data] = (await openpgp.createMessage({ binary: signed })).packets;
  const config = {
    ...openpgp.config,
    rejectHashAlgorithms: new Set<never>(),
    rejectMessageHashAlgorithms: new Set<never>(),
  };
  let failure: unknown = null;
  for (const key of keys) {
    const found = key.getKeys().find((each) => each.getKeyID().toHex() === keyId);
    if (found === undefined || data === undefined) continue;
    try {
      await signature.verify(found.keyPacket, type, data, created, true, config);
      return key;
    } catch (error) {
      failure = error;
    }
  }
  const reason = failure instanceof Error ? failure.message : "";
  throw bad(
    what,
    `is no signature of this text by the key ${shown} that it names (${reason}): the text or the signature was altered or damaged`,
    failure,
  );
}

/** Revoked at any time: who revokes a key does not want it to count. */
async function isRevoked(key: Key, keyId: string): Promise<boolean> {
  if (await key.isRevoked()) return true;
  const subkey = key.getSubkeys().find((each) => each.getKeyID().toHex() === keyId);
  const binding = subkey?.bindingSignatures[0];
  return subkey !== undefined && binding !== undefined && (await subkey.isRevoked(binding, key.keyPacket));
}

const SHORTEST_RSA_BITS = 2048;

/** In words; null for none. */
function weaknessOf(openpgp: OpenPgp, key: Key, keyId: string, signature: SignaturePacket): string | null {
  const { hash } = openpgp.enums;
  if (signature.hashAlgorithm === hash.sha1) return "SHA-1";
  if (signature.hashAlgorithm === hash.md5) return "MD5";
  if (signature.hashAlgorithm === hash.ripemd) return "RIPEMD-160";
  const signer = key.getKeys().find((each) => each.getKeyID().toHex() === keyId) ?? key;
  const { algorithm, bits } = signer.getAlgorithmInfo();
  if (algorithm === "dsa" || algorithm === "elgamal") return "a DSA key";
  // Some keys' numbers begin with a zero bit.
  if (bits !== undefined && bits < SHORTEST_RSA_BITS - 1) return `a key of ${bits} bits`;
  return null;
}

/** When key or subkey expire, whichever is first, in milliseconds since 1970; null for never. */
async function expiryOf(key: Key, keyId: string): Promise<number | null> {
  const subkey = key.getSubkeys().find((each) => each.getKeyID().toHex() === keyId);
  const dates = [await key.getExpirationTime(), subkey === undefined ? null : await subkey.getExpirationTime()];
  const times = dates.filter((date) => date instanceof Date).map((date) => date.getTime());
  return times.length === 0 ? null : Math.min(...times);
}

/** Why the key could not sign at that time, by its signatures over itself; null when it could. */
async function whyNotValid(
  openpgp: OpenPgp,
  key: Key,
  { issuerKeyID }: SignaturePacket,
  created: Date,
): Promise<string | null> {
  try {
    await key.getSigningKey(issuerKeyID, created, undefined, openpgp.config);
    return null;
  } catch (atThatTime) {
    // A keyring that was cleaned holds the newest signature of a key over itself, which may be younger than what it
    // signed. Its expiry has been looked at.
    try {
      await key.getSigningKey(issuerKeyID, null, undefined, openpgp.config);
      return null;
    } catch {
      return atThatTime instanceof Error ? atThatTime.message : String(atThatTime);
    }
  }
}

function nameOf(key: Key): string | null {
  const [name] = key.getUserIDs();
  return name === undefined ? null : quote(name);
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function bad(what: string, why: string, cause?: unknown): GuestbootError {
  return new GuestbootError("SIGNATURE_BAD", `${what} ${why}`, {
    hint: "the mirror is damaged, being updated, or hostile: try again, or use another mirror",
    cause,
  });
}
