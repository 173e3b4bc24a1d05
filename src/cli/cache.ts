/**
 * `guestboot cache list|verify|prune`: what the cache holds, whether it is whole, and how it gets smaller.
 */
import { A_BYTE_COUNT, A_DURATION, readByteCount, readDuration } from "../base/amounts.ts";
import { GuestbootError } from "../base/errors.ts";
import { readSettings } from "../base/settings.ts";
import { pruneStore } from "../store/prune.ts";
import { openStore } from "../store/store.ts";
import { verifyStore } from "../store/verify.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cacheFolderOf } from "./folders.ts";
import { helpOf } from "./help.ts";
import { formatBytes } from "./progress.ts";
import { printJson, reporting } from "./report.ts";

const OPTIONS = {
  json: { type: "boolean" },
  repair: { type: "boolean" },
  "max-size": { type: "string" },
  "max-age": { type: "string" },
  "dry-run": { type: "boolean" },
  help: { type: "boolean", short: "h" },
  debug: { type: "boolean" },
} as const;

type Values = ReturnType<typeof readArguments<typeof OPTIONS>>["values"];

/** Which options belong to which word. */
const OWN: Readonly<Record<string, readonly (keyof typeof OPTIONS)[]>> = {
  list: [],
  verify: ["repair"],
  prune: ["max-size", "max-age", "dry-run"],
};

export async function runCache(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  const outcome = { isBad: false };
  const status = await reporting("cache", { json }, async () => {
    const { values, positionals } = readArguments(argv, OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("cache"));
      return;
    }
    const verb = onlyOperand(positionals, "what to do with the cache (list, verify or prune)");
    const own = Object.hasOwn(OWN, verb) ? OWN[verb] : undefined;
    if (own === undefined) throw new GuestbootError("USAGE", `cache cannot ${verb}: list, verify and prune are known`);
    const foreign = Object.values(OWN)
      .flat()
      .find((option) => values[option] !== undefined && !own.includes(option));
    if (foreign !== undefined) throw new GuestbootError("USAGE", `cache ${verb} takes no --${foreign}`);
    const settings = await readSettings(process.env);
    const folder = cacheFolderOf(settings);
    if (verb === "list") list(folder, json);
    else if (verb === "verify") outcome.isBad = verify(folder, values, json);
    else prune(folder, values, settings.cache.maxSize, json);
  });
  return status === 0 && outcome.isBad ? 1 : status;
}

function list(folder: string, json: boolean): void {
  const files = openStore(folder).list();
  if (json) {
    printJson(
      files.map(({ url, digest, size, trust, fetchedAt, checkedAt }) => {
        return { url, digest, size, trust, fetchedAt, checkedAt };
      }),
    );
    return;
  }
  process.stderr.write(`${folder}: ${counted(files.length)}\n`);
  for (const { url, digest, size, trust, checkedAt } of files) {
    const columns = [
      formatBytes(size).padStart(9),
      ` checked ${shortTime(checkedAt)}`,
      ` ${trust.padEnd(6)}`,
      ` ${digest}`,
    ];
    process.stdout.write(`${columns.join(" ")}  ${url}\n`);
  }
}

/** @returns true when something is bad that is still there */
function verify(folder: string, { repair = false }: Values, json: boolean): boolean {
  const { files, bytes, bad } = verifyStore(folder, { repair });
  if (json) printJson({ files, bytes, bad, repaired: repair });
  else {
    for (const { problem, path, urls } of bad)
      process.stdout.write(`${`${problem}  ${path}  ${urls.join(" ")}`.trimEnd()}\n`);
    const found =
      bad.length === 0 ? "all good" : `${bad.length} bad${repair ? ", removed: they will be fetched anew" : ""}`;
    process.stderr.write(`${folder}: ${counted(files)}, ${formatBytes(bytes)} read: ${found}\n`);
    if (bad.length > 0 && !repair) process.stderr.write("guestboot cache verify --repair removes what is bad\n");
  }
  return bad.length > 0 && !repair;
}

function prune(folder: string, values: Values, configured: number | null, json: boolean): void {
  const maxSize = amount("max-size", values["max-size"], readByteCount, A_BYTE_COUNT);
  const maxAge = amount("max-age", values["max-age"], readDuration, A_DURATION);
  if (maxSize === null && maxAge === null && configured === null) {
    throw new GuestbootError("USAGE", "cache prune needs a limit: --max-size or --max-age", {
      hint: "or set max-size in the section [cache] of /etc/guestboot.conf",
    });
  }
  const limits = { maxSize: maxSize ?? (maxAge === null ? configured : null), maxAge };
  const dryRun = values["dry-run"] === true;
  const { removed, freed, left, kept } = pruneStore(folder, limits, { dryRun });
  if (json) {
    printJson({ removed, freed, left, inUse: kept, dryRun });
    return;
  }
  for (const { digest, size, usedAt, urls } of removed) {
    process.stdout.write(`${formatBytes(size).padStart(9)}  used ${shortTime(usedAt)}  ${digest}  ${urls.join(" ")}\n`);
  }
  const would = dryRun ? "would be removed" : "removed";
  process.stderr.write(`${counted(removed.length)} ${would}, ${formatBytes(freed)}; ${formatBytes(left)} left\n`);
  if (kept > 0) process.stderr.write(`${formatBytes(kept)} above the limit stay: they are in use\n`);
}

function amount(
  option: string,
  given: string | undefined,
  read: (text: string) => number | null,
  allowed: string,
): number | null {
  if (given === undefined) return null;
  const value = read(given);
  if (value === null) throw new GuestbootError("USAGE", `--${option} must be ${allowed}`);
  return value;
}

function counted(files: number): string {
  return files === 1 ? "1 file" : `${files} files`;
}

function shortTime(time: Date | string): string {
  return new Date(time).toISOString().slice(0, 16).replace("T", " ");
}
