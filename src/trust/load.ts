/**
 * The OpenPGP library, loaded only where a signature is there to be checked: it takes longer to load than most starts
 * take in all.
 */
import type { OpenPgp } from "./keyring.ts";

export function loadOpenPgp(): Promise<OpenPgp> {
  return import("openpgp");
}
