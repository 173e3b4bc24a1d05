/**
 * `eliloader`: starts a round of a VM's installation, with the arguments and answers that xapi and xenopsd expect.
 */
import { asGuestbootError, GuestbootError } from "../base/errors.ts";
import type { LogSettings } from "../base/log-settings.ts";
import { readSettings } from "../base/settings.ts";
import type { OutputFormat } from "../toolstack/answer.ts";
import { formatFailure } from "../toolstack/format.ts";
import { ELILOADER_USAGE, eliloaderFormat, readEliloaderOptions, type EliloaderBoot } from "./eliloader-options.ts";
import { ELILOADER_BOOT_FOLDER } from "./folders.ts";
import { installVm } from "./install-vm.ts";
import { progressOnStandardError } from "./progress.ts";
import { logFailedStart, vmNamedIn } from "./start-log.ts";

export async function runEliloader(argv: readonly string[]): Promise<number> {
  let format: OutputFormat = "simple";
  try {
    const options = readEliloaderOptions(argv);
    if (options.help) {
      process.stdout.write(ELILOADER_USAGE);
      return 0;
    }
    // Before the settings are read, so that their failure too comes in the form that the caller reads.
    format = eliloaderFormat(options, null);
    const read = await readSettings(process.env);
    const settings = { ...read, log: logOf(options, read.log) };
    format = eliloaderFormat(options, settings.eliloaderOutput);
    await installVm({
      vm: options.vm,
      disk: options.disk,
      settings,
      bootFolder: settings.bootFolder ?? ELILOADER_BOOT_FOLDER,
      makeBootFolder: true,
      program: "eliloader",
      ownsStandardError: !options.quiet,
      saysSteps: options.logging && !options.quiet,
      offline: false,
      progress: progressOnStandardError({ quiet: options.quiet }),
      format,
      output: null,
      givenArguments: givenArguments(options, format),
      extraArguments: [],
    });
    return 0;
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    const isQuiet = argv.includes("-q") || argv.includes("--quiet");
    const about = { vm: vmNamedIn(argv), program: "eliloader", ownsStandardError: !isQuiet };
    await logFailedStart(error, { ...about, environment: process.env });
    if (error.code === "USAGE") {
      // The toolstack shows its user what follows the last line's mark, and with -q reads nothing else.
      const usage = isQuiet || format === "sxp" ? "" : `${ELILOADER_USAGE}\n`;
      process.stderr.write(`${usage}${formatFailure(usageFailure(error), format, "eliloader")}`);
      return 2;
    }
    process.stderr.write(formatFailure(error, format, "eliloader"));
    return error.code === "SECOND_ROUND_FAILED" ? 3 : 1;
  }
}

/**
 * Who asks for the steps gets them, though the host's settings want no log: with -q, standard error is the toolstack's,
 * and they are in the system log.
 */
function logOf({ logging, quiet }: EliloaderBoot, log: LogSettings): LogSettings {
  return logging && quiet && log.form === "none" ? { ...log, form: "syslog" } : log;
}

/** The old xapi's arguments are escaped for sxp already; in the simple formats there is no escaping. */
function givenArguments(options: EliloaderBoot, format: OutputFormat) {
  return options.args.map(({ text }) => ({ text, escaped: format === "sxp" && options.fromOldXapi }));
}

function usageFailure(error: GuestbootError): GuestbootError {
  return new GuestbootError("USAGE", error.message, {
    hint: "a left-over PV_bootloader_args of the VM is the usual cause: set it to nothing",
  });
}
