/**
 * `guestboot boot`: what a VM's record asks for, a round of its installation or a boot from its disk; without a VM,
 * the disk. The loader of `xl` guests: its arguments are pygrub's, as libxl sends them.
 */
import { asGuestbootError, GuestbootError } from "../base/errors.ts";
import type { ReadLimits } from "../base/limits.ts";
import type { LogForm } from "../base/log-settings.ts";
import { readSettings, type Settings } from "../base/settings.ts";
import { nextStart } from "../pipeline/plan.ts";
import { formatFailure } from "../toolstack/format.ts";
import { domainOf, nameOfDomain } from "../toolstack/domain-name.ts";
import type { VmRecord } from "../toolstack/vm-record.ts";
import { bootFromDisk } from "./boot-from-disk.ts";
import { ELILOADER_BOOT_FOLDER, PYGRUB_BOOT_FOLDER } from "./folders.ts";
import { refuseWithoutVm, takeInstallationOptions, type InstallationOptions } from "./installation-options.ts";
import { boundOf, withWordsOfLibvirt, type StartBound } from "./libxl.ts";
import { readPygrubOptions, type PygrubBoot } from "./pygrub-options.ts";
import { logFailedStart, vmNamedIn } from "./start-log.ts";

/** libxl always says which it wants; a person reads this one best. */
const DEFAULT_FORMAT = "simple";

export async function runBoot(given: readonly string[]): Promise<number> {
  const argv = withWordsOfLibvirt(given);
  let form: LogForm | null = null;
  try {
    const installation = takeInstallationOptions(argv);
    form = installation.log;
    const options = readPygrubOptions(installation.others);
    if (options.help) process.stdout.write((await import("./help.ts")).helpOf("boot"));
    else {
      const settings = await readSettings(process.env);
      const log = installation.log === null ? settings.log : { ...settings.log, form: installation.log };
      await boot(options, installation, { ...settings, log });
    }
    return 0;
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    const ownsStandardError = !argv.includes("-q") && !argv.includes("--quiet");
    const about = { vm: vmNamedIn(argv), program: "guestboot", ownsStandardError, form };
    await logFailedStart(error, { ...about, environment: process.env });
    if (error.code === "USAGE") {
      process.stderr.write(`guestboot: ${error.message}\n\n${(await import("./help.ts")).helpOf("boot")}`);
      return 2;
    }
    process.stderr.write(formatFailure(error, "simple", "guestboot"));
    return 1;
  }
}

async function boot(options: PygrubBoot, installation: InstallationOptions, host: Settings): Promise<void> {
  const bound = boundOf(options, process.env);
  const settings = bound === null ? host : { ...host, limits: within(bound, host.limits) };
  const record = await recordFor(options, settings);
  if (record === null) {
    refuseWithoutVm(installation);
    await bootFromDisk(options, settings, {
      bootFolder: PYGRUB_BOOT_FOLDER,
      format: DEFAULT_FORMAT,
      program: "guestboot",
    });
    return;
  }
  const recordArguments = { text: record.PV_args, escaped: false };
  if (nextStart(record) === "disk") {
    await bootFromDisk(withLoaderArgs(record, installation.others), settings, {
      bootFolder: PYGRUB_BOOT_FOLDER,
      format: DEFAULT_FORMAT,
      program: "guestboot",
      extraArguments: [recordArguments],
      guess: record.other_config["guestboot-guess"] === "true",
    });
    return;
  }
  const { installVm } = await import("./install-vm.ts");
  const { progressOnStandardError } = await import("./progress.ts");
  await installVm({
    vm: record.uuid,
    disk: options.disk,
    settings,
    bootFolder: options.outputDirectory ?? settings.bootFolder ?? ELILOADER_BOOT_FOLDER,
    makeBootFolder: options.outputDirectory === null,
    program: "guestboot",
    ownsStandardError: options.menu,
    offline: installation.offline,
    bound,
    patches: installation.patches,
    progress: progressOnStandardError({ quiet: !options.menu }),
    format: options.outputFormat ?? DEFAULT_FORMAT,
    output: options.output,
    givenArguments: [],
    extraArguments: [recordArguments, { text: options.args, escaped: false }],
  });
}

/** Whole seconds, as the settings have them. */
function within({ seconds }: StartBound, limits: ReadLimits): ReadLimits {
  return { ...limits, seconds: Math.min(limits.seconds, Math.max(1, Math.floor(seconds))) };
}

/** The record of the VM that was named, by the caller or by libxl's way of naming; null where there is none. */
async function recordFor({ vm, output }: PygrubBoot, settings: Settings): Promise<VmRecord | null> {
  const domain = vm === null ? domainOf(output) : null;
  const name = vm ?? (domain === null ? null : nameOfDomain(domain));
  if (name === null) return null;
  const { openRecordStore } = await import("../toolstack/choose-store.ts");
  await using records = await openRecordStore(settings);
  try {
    return await records.read(name);
  } catch (error) {
    // Most guests of xl have none, and boot from their disks.
    if (vm === null && error instanceof GuestbootError && error.code === "VM_UNKNOWN") return null;
    throw error;
  }
}

/** As xenopsd does: the record's own words for its loader, cut at single spaces, before those of this call. */
function withLoaderArgs(record: VmRecord, argv: readonly string[]): PygrubBoot {
  const words = record.PV_bootloader_args.split(" ").filter((word) => word !== "");
  const options = readPygrubOptions([...words, ...argv]);
  if (options.help) throw new TypeError("help was handled before");
  return { ...options, vm: record.uuid };
}
