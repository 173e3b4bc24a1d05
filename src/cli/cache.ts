/**
 * `guestboot cache list`: what the cache holds.
 */
import { GuestbootError } from "../base/errors.ts";
import { readSettings } from "../base/settings.ts";
import { openStore } from "../store/store.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cacheFolderOf } from "./folders.ts";
import { helpOf } from "./help.ts";
import { formatBytes } from "./progress.ts";
import { printJson, reporting } from "./report.ts";

export async function runCache(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("cache", { json }, async () => {
    const { values, positionals } = readArguments(argv, {
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
      debug: { type: "boolean" },
    });
    if (values.help === true) {
      process.stdout.write(helpOf("cache"));
      return;
    }
    const verb = onlyOperand(positionals, "what to do with the cache (list)");
    if (verb !== "list") throw new GuestbootError("USAGE", `cache cannot ${verb}: list is known`);
    const folder = cacheFolderOf(await readSettings(process.env));
    const files = openStore(folder).list();
    if (json) {
      printJson(
        files.map(({ url, digest, size, fetchedAt, checkedAt }) => ({ url, digest, size, fetchedAt, checkedAt })),
      );
      return;
    }
    process.stderr.write(`${folder}: ${files.length === 1 ? "1 file" : `${files.length} files`}\n`);
    for (const { url, digest, size, checkedAt } of files) {
      process.stdout.write(`${formatBytes(size).padStart(9)}  checked ${shortTime(checkedAt)}  ${digest}  ${url}\n`);
    }
  });
}

function shortTime(time: Date | string): string {
  return new Date(time).toISOString().slice(0, 16).replace("T", " ");
}
