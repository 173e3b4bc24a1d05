/**
 * Is the repository's server in trouble, or does it mean what it says? Who has a verified copy may go on with it in the
 * first case; in the second it would hide an answer: a file that is gone, a password that is wrong, a certificate that
 * is not to be trusted.
 */
import { GuestbootError } from "../base/errors.ts";
import { AnsweredStatus } from "./http-errors.ts";
import { codeOf } from "./network-errors.ts";

/** Whoever sits between us and the server may have made these. */
const CERTIFICATE = /CERT|ERR_TLS|ERR_SSL|EPROTO|SELF_SIGNED|UNABLE_TO_|UND_ERR_PRX_TLS/;

/** True for no answer (no route, no name server, refused, too slow) and for 429, 500, 502, 503 and 504. */
export function isOutage(error: unknown): boolean {
  if (!(error instanceof GuestbootError)) return false;
  if (error.code === "REPOSITORY_REFUSED") {
    return error.cause instanceof AnsweredStatus && [429, 500, 502, 503, 504].includes(error.cause.status);
  }
  return error.code === "REPOSITORY_UNREACHABLE" && !CERTIFICATE.test(codeOf(error.cause));
}
