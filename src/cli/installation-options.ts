/**
 * `guestboot boot` takes pygrub's arguments, and some more that are for the rounds of an installation. Those are taken
 * out here, in their full length only; what stays is pygrub's.
 */
import { GuestbootError } from "../base/errors.ts";
import type { LogForm } from "../base/log-settings.ts";
import { NO_PATCHES, type GivenPatches } from "../pipeline/patches-wanted.ts";
import { readArguments } from "./arguments.ts";
import { LOG_OPTION, readLogForm } from "./command-log.ts";
import { givenPatches, PATCH_OPTIONS } from "./patch-options.ts";

export interface InstallationOptions {
  /** Nothing is asked of the network. */
  readonly offline: boolean;
  /** null: as the settings say. */
  readonly log: LogForm | null;
  readonly patches: GivenPatches;
  /** Of those that are for an installation alone, the first that was given: "--preseed"; null: none. */
  readonly first: string | null;
  /** The arguments without them. */
  readonly others: readonly string[];
}

const OPTIONS = { ...PATCH_OPTIONS, ...LOG_OPTION, offline: { type: "boolean" } } as const;

/** pygrub's options that stand alone, at their shortest: after any other one comes its value. */
const ALONE = ["quiet", "interactive", "list-entries", "not-really", "help", "isconfig", "debug", "guess"];

/** A word that is another option's value stays. @throws GuestbootError USAGE */
export function takeInstallationOptions(argv: readonly string[]): InstallationOptions {
  const ours: string[] = [];
  const others: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--") {
      others.push(...argv.slice(index));
      break;
    }
    const [, name = "", value] = /^--([^=]+)(=.*)?$/s.exec(word) ?? [];
    const rule = Object.entries(OPTIONS).find(([each]) => each === name)?.[1];
    const takesNext = value === undefined && (rule === undefined ? takesValue(name) : rule.type === "string");
    const into = rule === undefined ? others : ours;
    into.push(word);
    const next = argv[index + 1];
    if (!takesNext || next === undefined) continue;
    // In one word, since it may look like an option itself.
    if (rule === undefined) others.push(next);
    else ours[ours.length - 1] = `${word}=${next}`;
    index++;
  }
  if (ours.length === 0) return { offline: false, log: null, patches: NO_PATCHES, first: null, others };
  const { values } = readArguments(ours, OPTIONS);
  const [first] = Object.keys(values).filter((name) => name !== "offline" && name !== "log");
  const patches = givenPatches(values);
  return {
    offline: values.offline === true,
    log: readLogForm(values.log),
    patches,
    first: first === undefined ? null : `--${first}`,
    others,
  };
}

/** Does a value follow pygrub's option of that name? */
function takesValue(name: string): boolean {
  return name !== "" && !ALONE.some((option) => option.startsWith(name));
}

/** Without a VM there is no installation. @throws GuestbootError USAGE */
export function refuseWithoutVm({ first }: InstallationOptions): void {
  if (first === null) return;
  throw new GuestbootError("USAGE", `${first} is for a VM's installation: --vm says which VM it is`);
}
