/**
 * `guestboot doctor`: is this host ready, and what is missing.
 */
import { GuestbootError } from "../base/errors.ts";
import { ownExecutable } from "../base/program.ts";
import { readSettings } from "../base/settings.ts";
import { examineHost, type Finding } from "../pipeline/host-doctor.ts";
import { readArguments, wants } from "./arguments.ts";
import { cacheFolderOf, ELILOADER_BOOT_FOLDER, PYGRUB_BOOT_FOLDER } from "./folders.ts";
import { helpOf } from "./help.ts";
import { printJson, reporting } from "./report.ts";

const OPTIONS = {
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  debug: { type: "boolean" },
} as const;

const KEYRING_PLACES = ["/usr/share/keyrings", "/etc/guestboot/keyrings"];
const SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

export async function runDoctor(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  const outcome = { isBad: false };
  const status = await reporting("doctor", { json }, async () => {
    const { values, positionals } = readArguments(argv, OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("doctor"));
      return;
    }
    const [extra] = positionals;
    if (extra !== undefined) throw new GuestbootError("USAGE", `"${extra}" is one argument too many`);
    const findings = await examine();
    outcome.isBad = findings.some(({ level }) => level === "failed");
    if (json) printJson(findings);
    else for (const finding of findings) process.stdout.write(wordsOf(finding));
  });
  return status === 0 && outcome.isBad ? 1 : status;
}

/** Settings that cannot be read are a finding too, and the other checks need them. */
async function examine(): Promise<readonly Finding[]> {
  try {
    const settings = await readSettings(process.env);
    const { bootFolder } = settings;
    return await examineHost({
      settings,
      cacheFolder: cacheFolderOf(settings),
      bootFolders: bootFolder === null ? [ELILOADER_BOOT_FOLDER, PYGRUB_BOOT_FOLDER] : [bootFolder],
      program: ownExecutable(),
      keyringPlaces: KEYRING_PLACES,
      searchPath: SEARCH_PATH,
      now: new Date(),
    });
  } catch (error) {
    if (!(error instanceof GuestbootError) || error.code !== "SETTINGS_INVALID") throw error;
    return [{ check: "settings", level: "failed", found: error.message, command: "man guestboot.conf" }];
  }
}

function wordsOf({ check, level, found, command }: Finding): string {
  const line = `${level.padEnd(7)}  ${check.padEnd(11)}  ${found}\n`;
  return command === null ? line : `${line}${" ".repeat(22)}→ ${command}\n`;
}
