/**
 * `guestboot boot`: what a VM's record asks for, a round of its installation or a boot from its disk; without a VM,
 * the disk. The loader of `xl` guests: its arguments are pygrub's, as libxl sends them.
 */
import { asGuestbootError } from "../base/errors.ts";
import { readSettings, type Settings } from "../base/settings.ts";
import { nextStart } from "../pipeline/plan.ts";
import { formatFailure } from "../toolstack/format.ts";
import { openFileStore } from "../toolstack/file-store.ts";
import type { VmRecord } from "../toolstack/vm-record.ts";
import { bootFromDisk } from "./boot-from-disk.ts";
import { ELILOADER_BOOT_FOLDER, PYGRUB_BOOT_FOLDER } from "./folders.ts";
import { helpOf } from "./help.ts";
import { readPygrubOptions, type PygrubBoot } from "./pygrub-options.ts";

/** libxl always says which it wants; a person reads this one best. */
const DEFAULT_FORMAT = "simple";

export async function runBoot(argv: readonly string[]): Promise<number> {
  try {
    const options = readPygrubOptions(argv);
    if (options.help) process.stdout.write(helpOf("boot"));
    else await boot(options, argv, await readSettings(process.env));
    return 0;
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    if (error.code === "USAGE") {
      process.stderr.write(`guestboot: ${error.message}\n\n${helpOf("boot")}`);
      return 2;
    }
    process.stderr.write(formatFailure(error, "simple", "guestboot"));
    return 1;
  }
}

async function boot(options: PygrubBoot, argv: readonly string[], settings: Settings): Promise<void> {
  if (options.vm === null) {
    await bootFromDisk(options, settings, { bootFolder: PYGRUB_BOOT_FOLDER, format: DEFAULT_FORMAT });
    return;
  }
  const record = await openFileStore(settings.stateFolder).read(options.vm);
  const recordArguments = { text: record.PV_args, escaped: false };
  if (nextStart(record) === "disk") {
    await bootFromDisk(withLoaderArgs(record, argv), settings, {
      bootFolder: PYGRUB_BOOT_FOLDER,
      format: DEFAULT_FORMAT,
      extraArguments: [recordArguments],
    });
    return;
  }
  const { installVm } = await import("./install-vm.ts");
  const { progressFor } = await import("./progress.ts");
  await installVm({
    vm: record.uuid,
    disk: options.disk,
    settings,
    bootFolder: options.outputDirectory ?? settings.bootFolder ?? ELILOADER_BOOT_FOLDER,
    makeBootFolder: options.outputDirectory === null,
    progress: progressFor(process.stderr, { quiet: !options.menu }),
    format: options.outputFormat ?? DEFAULT_FORMAT,
    output: options.output,
    givenArguments: [],
    extraArguments: [recordArguments, { text: options.args, escaped: false }],
  });
}

/** As xenopsd does: the record's own words for its loader, cut at single spaces, before those of this call. */
function withLoaderArgs(record: VmRecord, argv: readonly string[]): PygrubBoot {
  const words = record.PV_bootloader_args.split(" ").filter((word) => word !== "");
  const options = readPygrubOptions([...words, ...argv]);
  if (options.help) throw new TypeError("help was handled before");
  return { ...options, vm: record.uuid };
}
