/**
 * A file of certificates (PEM) of authorities that an admin trusts for one repository.
 */
import { readFile, stat } from "node:fs/promises";
import { GuestbootError, systemReason } from "../base/errors.ts";

const LARGEST_FILE = 4 * 1024 ** 2;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** @throws SETTINGS_INVALID when the file cannot be read or holds no certificate, or one that is none */
export async function readAuthorities(file: string): Promise<readonly string[]> {
  const certificates = (await read(file)).match(CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    throw invalid(file, "it holds no certificate", "certificates begin with -----BEGIN CERTIFICATE----- (PEM)");
  }
  const { X509Certificate } = process.getBuiltinModule("node:crypto");
  certificates.forEach((certificate, index) => {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      throw invalid(file, `its certificate ${index + 1} is damaged`, `openssl x509 -noout -text -in ${file}`, error);
    }
  });
  return certificates;
}

async function read(file: string): Promise<string> {
  try {
    const status = await stat(file);
    if (!status.isFile()) throw invalid(file, "it is not a file");
    if (status.size > LARGEST_FILE) throw invalid(file, `it is larger than ${LARGEST_FILE} bytes`);
    return await readFile(file, "latin1");
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    throw invalid(file, systemReason(error), `ls -l ${file}`, error);
  }
}

function invalid(file: string, why: string, hint?: string, cause?: unknown): GuestbootError {
  return new GuestbootError("SETTINGS_INVALID", `the CA file ${file} cannot be used: ${why}`, { hint, cause });
}
