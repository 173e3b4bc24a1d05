/**
 * Signatures that repositories hold. An input's head, which stays as it is, has the keys that a host would hold, and
 * the text where the signature lies beside it: two lengths (32-bit words, little-endian), then both.
 */
import * as fs from "node:fs";
import type { Key } from "openpgp";
import { decodeText } from "../../../src/base/text.ts";
import { namesKey, type Keyring, type OpenPgp } from "../../../src/trust/keyring.ts";
import { loadOpenPgp } from "../../../src/trust/load.ts";
import { checkCleartext, checkDetached } from "../../../src/trust/signature.ts";
import { Gpg } from "../../trust/gpg.ts";
import { bytesOf, type FuzzTarget } from "../target.ts";
import { inTemporaryFolder } from "../temporary-folder.ts";

const LENGTHS = 8;
const TEXT = `Origin: Debian\nSuite: oldstable\nCodename: bookworm\nSHA256:\n ${"0123456789abcdef".repeat(4)} 42 main/x\n- dash\n`;
/** How one of version 4 over binary bytes begins (RFC 9580, sections 4.2 and 5.2.3). */
const SIGNATURE_PACKET = Uint8Array.of(0x88, 0x5d, 0x04, 0x00);
const ALGORITHMS = ["ed25519", "rsa2048", "nistp256"];

function framed(keys: Uint8Array, text: Uint8Array, signature: Uint8Array): Uint8Array {
  const lengths = Buffer.alloc(LENGTHS);
  lengths.writeUInt32LE(keys.length, 0);
  lengths.writeUInt32LE(text.length, 4);
  return new Uint8Array(Buffer.concat([lengths, keys, text, signature]));
}

function parts(input: Uint8Array): { keys: Uint8Array; text: Uint8Array; signature: Uint8Array } {
  const view = new DataView(input.buffer, input.byteOffset);
  const text = LENGTHS + view.getUint32(0, true);
  const signature = text + view.getUint32(4, true);
  return {
    keys: input.subarray(LENGTHS, text),
    text: input.subarray(text, signature),
    signature: input.subarray(signature),
  };
}

const headSize = (input: Uint8Array): number => parts(input).signature.byteOffset - input.byteOffset;

/** GnuPG's signatures by keys of each algorithm. */
function seedsOf(sign: (gpg: Gpg, key: string, keys: Uint8Array) => readonly Uint8Array[]): Uint8Array[] {
  using gpg = new Gpg();
  return ALGORITHMS.flatMap((algorithm) => {
    const key = gpg.makeKey(algorithm, { algorithm });
    const keys = inTemporaryFolder((folder) => fs.readFileSync(gpg.exportTo(`${folder}/keys`, [key])));
    return sign(gpg, key, keys);
  });
}

/** A signature of this kind covers no white space at the ends of lines (RFC 9580, section 7.2). */
const withoutEnds = (text: string): string => text.replaceAll(/[ \t\r]+$/gm, "").trimEnd();

interface Tools {
  readonly openpgp: OpenPgp;
  readonly keyring: Keyring;
}

/** By the keys' bytes: each seed has its own. */
const known = new Map<string, Promise<Tools>>();

async function toolsFor(keys: Uint8Array): Promise<Tools> {
  const key = Buffer.from(keys).toString("latin1");
  const found = known.get(key) ?? readTools(keys);
  known.set(key, found);
  return found;
}

async function readTools(bytes: Uint8Array): Promise<Tools> {
  const openpgp = await loadOpenPgp();
  const keys: readonly Key[] = await openpgp.readKeys({ binaryKeys: bytes });
  const keysFor = (keyId: string) => Promise.resolve(keys.filter((key) => namesKey(key, keyId)));
  return { openpgp, keyring: { keysFor, acceptExpiredKeys: false, places: ["/keyring"], warnings: [] } };
}

export const signatureTargets: readonly FuzzTarget[] = [
  {
    name: "signed text",
    fixedHead: headSize,
    seeds: () => seedsOf((gpg, key, keys) => [framed(keys, new Uint8Array(), bytesOf(gpg.clearsign(TEXT, [key])))]),
    dictionary: ["-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----", "Hash: SHA512", "- ", "\n\n", "="],
    run: async (input) => {
      const { keys, signature } = parts(input);
      const { openpgp, keyring } = await toolsFor(keys);
      const { text, verdict } = await checkCleartext(openpgp, decodeText(signature), "InRelease", keyring);
      if (verdict.kind === "signed" && withoutEnds(text) !== withoutEnds(TEXT)) {
        throw new Error(`a text that nobody has signed counts as signed: ${JSON.stringify(text)}`);
      }
    },
  },
  {
    name: "detached signature",
    fixedHead: headSize,
    seeds: () =>
      seedsOf((gpg, key, keys) =>
        [true, false].map((armour) => framed(keys, bytesOf(TEXT), gpg.detach(TEXT, [key], {}, armour))),
      ),
    dictionary: ["-----BEGIN PGP SIGNATURE-----", SIGNATURE_PACKET, "\n\n", "="],
    run: async (input) => {
      const { keys, text, signature } = parts(input);
      const { openpgp, keyring } = await toolsFor(keys);
      await checkDetached(openpgp, text, signature, "Release.gpg", keyring);
    },
  },
];
