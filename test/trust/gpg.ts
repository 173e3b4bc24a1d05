/**
 * Signatures made by GnuPG, and its verdicts on them: the judge of ours.
 */
import { execFileSync, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";

export interface KeyOptions {
  /** `ed25519`, `rsa4096`, `rsa1024`, `dsa1024`. */
  readonly algorithm?: string;
  /** `YYYYMMDDTHHMMSS`; default: now. */
  readonly made?: string;
  /** `1y`, or `never`. */
  readonly lives?: string;
}

export interface SignOptions {
  readonly at?: string;
  readonly digest?: string;
}

/** What gpgv says, in one word; `unreadable` where it finds no signature at all. */
export type GpgvVerdict = "good" | "bad" | "unknown key" | "expired key" | "revoked key" | "unreadable";

export class Gpg implements Disposable {
  readonly folder: string;

  constructor() {
    for (const program of ["gpg", "gpgv"]) {
      if (spawnSync(program, ["--version"]).error !== undefined) {
        throw new Error(`${program} is missing: apt-get install gnupg gpgv`);
      }
    }
    // A short path: the agent's socket lies in it.
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "gb-gpg-"));
    fs.chmodSync(this.folder, 0o700);
  }

  /** @returns the key's fingerprint */
  makeKey(name: string, { algorithm = "ed25519", made, lives = "never" }: KeyOptions = {}): string {
    const user = `${name} <${name}@archive.example>`;
    this.#gpg([...at(made), "--passphrase", "", "--quick-gen-key", user, algorithm, "sign", lives]);
    const listed = this.#gpg(["--with-colons", "--list-keys", `${name}@archive.example`]).toString();
    return /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? "";
  }

  revoke(fingerprint: string): void {
    const made = path.join(this.folder, "openpgp-revocs.d", `${fingerprint}.rev`);
    const text = fs.readFileSync(made, "utf8").replace(/^:(?=-----BEGIN)/m, "");
    this.#gpg(["--import"], text);
  }

  /** Writes the public keys into a file. */
  exportTo(file: string, fingerprints: readonly string[], { armour = false } = {}): string {
    fs.writeFileSync(file, this.#gpg([...(armour ? ["--armor"] : []), "--export", ...fingerprints]));
    return file;
  }

  clearsign(text: string, keys: readonly string[], options: SignOptions = {}): string {
    return this.#gpg([...signing(keys, options), "--clearsign"], text).toString();
  }

  detach(bytes: string | Uint8Array, keys: readonly string[], options: SignOptions = {}, armour = true): Buffer {
    return this.#gpg([...signing(keys, options), ...(armour ? ["--armor"] : []), "--detach-sign"], bytes);
  }

  /** @param signed what a detached signature is of */
  verdict(keyring: string, signature: string | Uint8Array, signed?: string | Uint8Array): GpgvVerdict {
    const file = path.join(this.folder, "to-verify");
    fs.writeFileSync(file, signature);
    const more: string[] = [];
    if (signed !== undefined) {
      more.push(`${file}.data`);
      fs.writeFileSync(`${file}.data`, signed);
    }
    const args = ["--status-fd", "1", "--homedir", this.folder, "--keyring", path.resolve(keyring), file, ...more];
    const { stdout, status } = spawnSync("gpgv", args, { encoding: "utf8" });
    const says = (word: string) => stdout.includes(`[GNUPG:] ${word} `);
    if (says("BADSIG")) return "bad";
    if (says("REVKEYSIG")) return "revoked key";
    if (says("EXPKEYSIG")) return "expired key";
    if (says("NO_PUBKEY") && !says("GOODSIG")) return "unknown key";
    if (says("GOODSIG") && (status === 0 || says("NO_PUBKEY"))) return "good";
    return "unreadable";
  }

  [Symbol.dispose](): void {
    spawnSync("gpgconf", ["--homedir", this.folder, "--kill", "all"]);
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  #gpg(args: readonly string[], input?: string | Uint8Array): Buffer {
    const fixed = ["--homedir", this.folder, "--batch", "--yes", "--quiet", "--pinentry-mode", "loopback"];
    return execFileSync("gpg", [...fixed, ...args], { input, stdio: ["pipe", "pipe", "pipe"], maxBuffer: 1 << 26 });
  }
}

function at(time: string | undefined): string[] {
  return time === undefined ? [] : ["--faked-system-time", `${time}!`];
}

function signing(keys: readonly string[], { at: time, digest }: SignOptions): string[] {
  return [
    ...at(time),
    ...(digest === undefined ? [] : ["--allow-weak-digest-algos", "--digest-algo", digest]),
    ...keys.flatMap((key) => ["--local-user", key]),
  ];
}
