/**
 * eliloader's command line, as xenopsd and the xapi before it send it, and which output format they read.
 */
import { GuestbootError } from "../base/errors.ts";
import type { OutputFormat } from "../toolstack/answer.ts";
import { getopt, type OptionRule } from "./getopt.ts";
import { readOutputFormat } from "./pygrub-options.ts";

export type EliloaderOptions = EliloaderHelp | EliloaderBoot;

export interface EliloaderHelp {
  readonly help: true;
}

export interface EliloaderBoot {
  readonly help: false;
  /** As given: a UUID under xapi. */
  readonly vm: string;
  readonly disk: string;
  readonly quiet: boolean;
  readonly logging: boolean;
  /** In the order given, without the empty ones. */
  readonly args: readonly GivenArguments[];
  /** Was `--default_args` or `--extra_args` given, even empty? Only the old xapi does. */
  readonly fromOldXapi: boolean;
  readonly outputFormat: OutputFormat | null;
}

/** Kernel arguments, and the option that brought them. */
export interface GivenArguments {
  readonly option: "args" | "extra_args" | "default_args";
  readonly text: string;
}

/** Ends in a newline. */
export const ELILOADER_USAGE = `usage: eliloader --vm=UUID [options] DISK

Starts what the record of a Xen guest asks for: the installation of its distribution, or the boot from its disk.

      --vm=UUID                which guest it is
  -q, --quiet                  say nothing on standard error but a failure's last words
      --logging                say every step on standard error; with -q, in the system log, whatever is set
      --args=ARGUMENTS, --extra_args=ARGUMENTS, --default_args=ARGUMENTS
                               kernel arguments; all of them, in the order given
      --output-format=FORMAT   sxp, simple, or simple0; unless given: sxp with --extra_args or --default_args,
                               else what /etc/guestboot.conf says, else simple
  -h, --help                   this text
`;

type OptionName = "vm" | "quiet" | "logging" | "args" | "extra_args" | "default_args" | "output-format" | "help";

const RULES: readonly OptionRule<OptionName>[] = [
  { name: "vm", value: true },
  { name: "quiet", short: "q", value: false },
  { name: "logging", value: false },
  { name: "args", value: true },
  { name: "extra_args", value: true },
  { name: "default_args", value: true },
  { name: "output-format", value: true, exactOnly: true },
  { name: "help", short: "h", value: false, exactOnly: true },
];

/** @throws GuestbootError USAGE; for eliloader that is exit status 2 */
export function readEliloaderOptions(argv: readonly string[]): EliloaderOptions {
  const { options, operands } = getopt(argv, RULES);
  const given = new Map<OptionName, string>();
  const args: GivenArguments[] = [];
  for (const { name, value } of options) {
    given.set(name, value);
    if (name === "output-format") readOutputFormat(value);
    if ((name === "args" || name === "extra_args" || name === "default_args") && value !== "") {
      args.push({ option: name, text: value });
    }
  }
  if (given.has("help")) return { help: true };

  const vm = given.get("vm") ?? "";
  if (vm === "") throw new GuestbootError("USAGE", "no VM was given: --vm=UUID is missing");
  const [disk, ...others] = operands;
  if (disk === undefined) throw new GuestbootError("USAGE", "no disk was given");
  if (others.length > 0) {
    throw new GuestbootError(
      "USAGE",
      `one disk is expected, but there are ${operands.length} words: ${operands.join(" ")}`,
      {
        hint: "if they come from the VM's PV-bootloader-args, empty it",
      },
    );
  }
  const format = given.get("output-format");
  return {
    help: false,
    vm,
    disk,
    quiet: given.has("quiet"),
    logging: given.has("logging"),
    args,
    fromOldXapi: given.has("default_args") || given.has("extra_args"),
    outputFormat: format === undefined ? null : readOutputFormat(format),
  };
}

/**
 * Which format the caller reads. XenServer 6.2 to 7.0 read sxp and call just as later versions do, so there it must be
 * `configured`.
 */
export function eliloaderFormat(options: EliloaderBoot, configured: OutputFormat | null): OutputFormat {
  if (options.outputFormat !== null) return options.outputFormat;
  return options.fromOldXapi ? "sxp" : (configured ?? "simple");
}
