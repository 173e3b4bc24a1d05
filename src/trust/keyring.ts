/**
 * The public keys that we hold, found by the number that a signature names.
 *
 * Parsing every key of a host would cost more than checking a signature, so only keyrings in whose bytes the key's
 * number stands are parsed: a key's signatures over itself name it (RFC 9580, sections 5.2.3.12 and 5.2.3.35).
 */
import type * as openpgpPackage from "openpgp";
import type { Key } from "openpgp";
import { GuestbootError } from "../base/errors.ts";
import { readKeyringFiles, type KeyringFile } from "./keyring-files.ts";

export interface Keyring {
  /**
   * The keys that have a key or subkey of this number (16 hexadecimal digits); one that stands in several files is one
   * key, with all that they say of it.
   */
  keysFor(keyId: string): Promise<readonly Key[]>;
  /** Signatures of keys that have expired since count. */
  readonly acceptExpiredKeys: boolean;
  /** The places that were looked at, for words to a person. */
  readonly places: readonly string[];
  /** A sentence for each keyring that could not be used, so far. */
  readonly warnings: readonly string[];
}

/** What we use of the package; types alone. */
export type OpenPgp = typeof openpgpPackage;

const MOST_KEYS_A_FILE = 2000;

/**
 * The keyrings at `places`. Nothing is read before the first question.
 */
export function openKeyring(
  openpgp: OpenPgp,
  places: readonly string[],
  { acceptExpiredKeys }: { readonly acceptExpiredKeys: boolean },
): Keyring {
  const warnings: string[] = [];
  let files: readonly SearchableFile[] | null = null;
  const parsed = new Map<KeyringFile, Promise<readonly Key[]>>();
  const read = () => {
    const found = readKeyringFiles(places);
    warnings.push(...found.warnings);
    const counted = found.files.filter(({ isRetired }) => acceptExpiredKeys || !isRetired);
    return counted.map((file) => searchable(file, warnings));
  };
  return {
    acceptExpiredKeys,
    places,
    warnings,
    async keysFor(keyId) {
      files ??= read();
      const wanted = Buffer.from(keyId, "hex");
      const keys = new Map<string, Key>();
      for (const { file, blocks } of files.filter(({ blocks }) => blocks.some((block) => block.includes(wanted)))) {
        const known = parsed.get(file) ?? parse(openpgp, file, blocks, warnings);
        parsed.set(file, known);
        for (const key of await known) {
          if (!namesKey(key, keyId)) continue;
          const fingerprint = key.getFingerprint();
          const other = keys.get(fingerprint);
          // What one file says may be newer: a longer life, or a revocation.
          keys.set(fingerprint, other === undefined ? key : await merged(openpgp, other, key));
        }
      }
      return [...keys.values()];
    },
  };
}

interface SearchableFile {
  readonly file: KeyringFile;
  /** Binary: the file, or each armoured block in it. */
  readonly blocks: readonly Buffer[];
}

const ARMOURED = /-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n([^]*?)-----END PGP PUBLIC KEY BLOCK-----/g;

function searchable(file: KeyringFile, warnings: string[]): SearchableFile {
  const bytes = Buffer.from(file.bytes.buffer, file.bytes.byteOffset, file.bytes.length);
  // A packet's first byte has its highest bit set; text does not.
  if (((bytes[0] ?? 0) & 0x80) !== 0) return { file, blocks: [bytes] };
  const blocks = [...bytes.toString("latin1").matchAll(ARMOURED)].map(([, body = ""]) => unarmoured(body));
  if (blocks.length === 0 && bytes.length > 0) warnings.push(`the keyring ${file.path} holds no public keys: left out`);
  return { file, blocks };
}

/** RFC 9580, section 6.2: headers, a blank line, base64, and a checksum that says nothing to us. */
function unarmoured(body: string): Buffer {
  const base64 = body.replace(/^(?:[^\n:]+:[^\n]*\n)*\s*\n/, "").replace(/^=[^\n]*$/gm, "");
  return Buffer.from(base64, "base64");
}

async function parse(
  openpgp: OpenPgp,
  file: KeyringFile,
  blocks: readonly Buffer[],
  warnings: string[],
): Promise<readonly Key[]> {
  const keys: Key[] = [];
  for (const block of blocks) {
    try {
      keys.push(...(await openpgp.readKeys({ binaryKeys: block })));
    } catch (error) {
      warnings.push(unusable(file.path, error).message);
    }
  }
  if (keys.length <= MOST_KEYS_A_FILE) return keys;
  warnings.push(`the keyring ${file.path} holds more than ${MOST_KEYS_A_FILE} keys: the rest is left out`);
  return keys.slice(0, MOST_KEYS_A_FILE);
}

/** Is it the number of the key, or of one of its subkeys? @param keyId 16 hexadecimal digits */
export function namesKey(key: Key, keyId: string): boolean {
  return key.getKeys().some((each) => each.getKeyID().toHex() === keyId);
}

async function merged(openpgp: OpenPgp, one: Key, other: Key): Promise<Key> {
  try {
    return other instanceof openpgp.PublicKey ? await one.update(other) : one;
  } catch {
    // Two that cannot be one: the first says what counts.
    return one;
  }
}

function unusable(path: string, error: unknown): GuestbootError {
  const reason = error instanceof Error ? error.message : String(error);
  return new GuestbootError("KEYRING_UNUSABLE", `the keyring ${path} is damaged: ${reason}`, { cause: error });
}
