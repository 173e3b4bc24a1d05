/**
 * `manifest.json` beside a pre-staged image's files: what they are, from where, how far they are known as the
 * distribution's, and when. It is written once all the files are there, so a folder without one is no image.
 *
 * Only root may read it: what was asked for may hold a password. What is shown of it does not (`repository`).
 */
import * as fs from "node:fs";
import * as path from "node:path";
import * as v from "valibot";
import { GuestbootError, isSystemError, systemReason } from "../base/errors.ts";
import { quote } from "../base/printable.ts";

export const MANIFEST_NAME = "manifest.json";

export interface ImageFile {
  /** Its name beside the manifest. */
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  /** `sha256:…` */
  readonly digest: string;
  /** Where the bytes come from, without user and password; several ramdisks are joined. */
  readonly sources: readonly string[];
}

export interface Manifest {
  readonly name: string;
  /** Without user and password. */
  readonly repository: string;
  readonly family: string;
  readonly release: string;
  readonly arch: string;
  readonly flavour: string;
  readonly layout: string;
  /** signed, listed or none. */
  readonly trust: string;
  /** The index that lists the files, and whose key signed it; null where nothing proves them. */
  readonly trustedBy: string | null;
  /** For the kernel. */
  readonly arguments: string;
  readonly kernel: ImageFile;
  readonly ramdisk: ImageFile | null;
  /** When these bytes were put here, and when the repository was last asked about them: ISO 8601, UTC. */
  readonly made: string;
  readonly checked: string;
  /** The words of the command line that asked for it, for `refresh`; never to be shown. */
  readonly request: readonly string[];
}

const VERSION = 1;
const LARGEST = 1024 * 1024;

/** @throws PRESTAGED_INVALID */
export function readManifest(folder: string): Manifest {
  const file = path.join(folder, MANIFEST_NAME);
  const name = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/));
  const image = v.object({
    file: name,
    size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    digest: v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/)),
    sources: v.array(v.string()),
  });
  const schema = v.object({
    version: v.literal(VERSION),
    name,
    repository: v.string(),
    family: v.string(),
    release: v.string(),
    arch: v.string(),
    flavour: v.string(),
    layout: v.string(),
    trust: v.string(),
    trustedBy: v.nullable(v.string()),
    arguments: v.string(),
    kernel: image,
    ramdisk: v.nullable(image),
    made: v.string(),
    checked: v.string(),
    request: v.array(v.string()),
  });
  const result = v.safeParse(schema, readJson(file), { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw invalid(file, `${v.getDotPath(issue) ?? "it"} must be ${issue.expected ?? "another"}`);
}

/** In one step; only root may read it. @throws the system's errors */
export function writeManifest(folder: string, manifest: Manifest): void {
  const file = path.join(folder, MANIFEST_NAME);
  const fresh = `${file}.new`;
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW, O_SYNC } = fs.constants;
  const descriptor = fs.openSync(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_SYNC, 0o600);
  try {
    fs.writeFileSync(descriptor, `${JSON.stringify({ version: VERSION, ...manifest }, null, 2)}\n`);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.renameSync(fresh, file);
}

function readJson(file: string): unknown {
  try {
    const { size } = fs.statSync(file);
    if (size > LARGEST) throw invalid(file, `it has ${size} bytes, a manifest at most ${LARGEST}`);
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof GuestbootError) throw error;
    const reason = isSystemError(error) ? systemReason(error) : "it is not JSON";
    throw invalid(file, reason, error);
  }
}

function invalid(file: string, reason: string, cause?: unknown): GuestbootError {
  return new GuestbootError("PRESTAGED_INVALID", `${file} is no manifest of a pre-staged image: ${reason}`, {
    cause,
    hint: `remove the image and stage it anew: guestboot prestage remove ${quote(path.basename(path.dirname(file)))}`,
  });
}
