/**
 * `pygrub`: boots a guest from its own disk, with upstream's arguments and answers.
 */
import { asGuestbootError } from "../base/errors.ts";
import { readSettings } from "../base/settings.ts";
import { formatFailure } from "../toolstack/format.ts";
import { bootFromDisk } from "./boot-from-disk.ts";
import { PYGRUB_BOOT_FOLDER } from "./folders.ts";
import { PYGRUB_USAGE, readPygrubOptions } from "./pygrub-options.ts";
import { logFailedStart, vmNamedIn } from "./start-log.ts";

export async function runPygrub(argv: readonly string[]): Promise<number> {
  try {
    const options = readPygrubOptions(argv);
    if (options.help) process.stdout.write(PYGRUB_USAGE);
    else
      await bootFromDisk(options, await readSettings(process.env), {
        bootFolder: PYGRUB_BOOT_FOLDER,
        format: "sxp",
        program: "pygrub",
      });
    return 0;
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    await logFailedStart(error, {
      vm: vmNamedIn(argv),
      program: "pygrub",
      ownsStandardError: false,
      environment: process.env,
    });
    if (error.code === "USAGE") process.stderr.write(`pygrub: ${error.message}\n${PYGRUB_USAGE}`);
    else process.stderr.write(formatFailure(error, "simple", "pygrub"));
    return 1;
  }
}
