/**
 * `guestboot vm`: a VM's boot state in words, and its changes: its installation begun again, a start from a pre-staged
 * image, the handing over to its disk. What each changes is planned elsewhere (pipeline/).
 */
import * as path from "node:path";
import type { ParseArgsOptionsConfig } from "node:util";
import { GuestbootError, asGuestbootError } from "../base/errors.ts";
import { printable, quote } from "../base/printable.ts";
import { wholeCatalog } from "../distro/whole-catalog.ts";
import { readSettings, type Settings } from "../base/settings.ts";
import { findFamily } from "../distro/catalog.ts";
import { xeCommands, xeStart, type SettingChange } from "../pipeline/dry-run.ts";
import { planFinish } from "../pipeline/finish.ts";
import { withJournal } from "../pipeline/journal.ts";
import { imageFolder, noteUser } from "../pipeline/prestage-folder.ts";
import { imageWithKernel, openImage } from "../pipeline/prestage-image.ts";
import { planReinstall } from "../pipeline/reinstall.ts";
import { planUseImage } from "../pipeline/use-image.ts";
import { applyChanges } from "../toolstack/apply-changes.ts";
import { inverseOf, type VmRecord } from "../toolstack/vm-record.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cancellation } from "./cancellation.ts";
import { helpOf } from "./help.ts";
import { printJson, reporting } from "./report.ts";
import { notedName, openVmStore, type VmStore } from "./vm-store.ts";
import { shownJson, shownWords } from "./vm-words.ts";

const OPTIONS = {
  json: { type: "boolean" },
  distro: { type: "string" },
  dir: { type: "string" },
  start: { type: "boolean" },
  "dry-run": { type: "boolean" },
  help: { type: "boolean", short: "h" },
  debug: { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

interface VmCommand {
  readonly settings: Settings;
  readonly isDryRun: boolean;
  /** Where pre-staged images are. */
  readonly folder: string;
}

/** Which options each verb takes. */
const TAKES: Readonly<Record<string, readonly string[]>> = {
  show: ["json"],
  reinstall: ["distro", "dry-run"],
  "use-image": ["dir", "start", "dry-run"],
  finish: ["dry-run"],
};
const AN_ID = "the VM's uuid or name";

export async function runVm(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("vm", { json }, async () => {
    const { values, positionals } = readArguments(argv, OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("vm"));
      return;
    }
    const [verb, ...operands] = positionals;
    const known = Object.keys(TAKES).join(", ");
    if (verb === undefined) throw new GuestbootError("USAGE", `vm needs to know what to do: ${known}`);
    const takes = Object.hasOwn(TAKES, verb) ? TAKES[verb] : undefined;
    if (takes === undefined) throw new GuestbootError("USAGE", `vm cannot ${quote(verb)}: ${known} are known`);
    const strange = Object.keys(values).find((name) => name !== "debug" && !takes.includes(name));
    if (strange !== undefined) throw new GuestbootError("USAGE", `vm ${verb} takes no --${strange}`);
    const settings = await readSettings(process.env);
    const isDryRun = values["dry-run"] === true;
    // The record is read by the toolstack, wherever this command is called.
    const command: VmCommand = { settings, isDryRun, folder: path.resolve(values.dir ?? imageFolder()) };
    switch (verb) {
      case "show":
        return show(onlyOperand(operands, AN_ID), command, json);
      case "reinstall":
        return reinstall(onlyOperand(operands, AN_ID), command, values.distro);
      case "finish":
        return finish(onlyOperand(operands, AN_ID), command);
      default: {
        const [id, ...rest] = operands;
        if (id === undefined) throw new GuestbootError("USAGE", `${AN_ID} is missing`);
        const name = onlyOperand(rest, "the image's NAME");
        return values.start === true ? startFromImage(id, name, command) : useImage(id, name, command);
      }
    }
  });
}

async function show(id: string, { settings }: VmCommand, json: boolean): Promise<void> {
  await using records = await openVmStore(id, settings);
  const record = await records.read(id);
  if (json) printJson(shownJson(record));
  else process.stdout.write(shownWords(record));
}

async function reinstall(id: string, command: VmCommand, distro: string | undefined): Promise<void> {
  const family = distro === undefined ? null : findFamily(wholeCatalog(), distro).family;
  const plan: Plan = (record, records) => {
    if (records.hasOtherConfig) return planReinstall(record, family);
    throw new GuestbootError("VM_UNWRITABLE", "a guest's own file has no place for an installation", {
      hint: `its record in the file store has: guestboot vm reinstall ${printable(record.name_label)}`,
    });
  };
  await change(id, command, "the next start begins its installation", plan);
}

async function finish(id: string, command: VmCommand): Promise<void> {
  const plan: Plan = (record, records) => noted(records, record, finishChanges(record));
  await change(id, command, "the next start boots from its disk", plan);
}

async function useImage(id: string, name: string, command: VmCommand): Promise<void> {
  const image = openImage(command.folder, name);
  const then = `every start from now on boots the image ${name}, until: guestboot vm finish ${id}`;
  const before = (record: VmRecord) => noteUser(image.folder, notedName(id, record.uuid));
  const plan: Plan = (record, records) => noted(records, record, planUseImage(record, image));
  await change(id, command, then, plan, before);
}

/** All the changes of a command, the journal's own among them. */
type Plan = (record: VmRecord, records: VmStore) => readonly SettingChange[] | Promise<readonly SettingChange[]>;

/** Reads the record, plans, and changes it; or says what it would do. */
async function change(
  id: string,
  { settings, isDryRun }: VmCommand,
  then: string,
  plan: Plan,
  before: (record: VmRecord) => void = () => undefined,
): Promise<void> {
  await using records = await openVmStore(id, settings);
  const record = await records.read(id);
  const changes = await plan(record, records);
  if (isDryRun) {
    print(xeCommands(record.uuid, changes));
    return;
  }
  before(record);
  await records.apply(record.uuid, changes);
  process.stdout.write(`${printable(record.name_label || record.uuid)}: ${printable(then)}\n`);
}

/**
 * The whole dance: the record made to boot the image, the VM started, the record made to boot the disk, so that the
 * installer's reboot ends the installation. Ended between any two steps, the record tells what is left to do.
 */
async function startFromImage(id: string, name: string, command: VmCommand): Promise<void> {
  const image = openImage(command.folder, name);
  const { settings } = command;
  await using records = await openVmStore(id, settings);
  const record = await records.read(id);
  const changes = noted(records, record, planUseImage(record, image));
  if (command.isDryRun) {
    const started = applyChanges(record, changes);
    const after = noted(records, started, finishChanges(started));
    // A VM whose start failed must not be handed to its disk: each of these waits for the one before it.
    const dance = [xeStart(record.uuid), ...xeCommands(record.uuid, after)].join(" &&\n");
    print([...xeCommands(record.uuid, changes), dance]);
    return;
  }
  if (records.start === undefined) {
    const message = "--start is for VMs of xapi; the toolstack of this one cannot be asked to start it";
    throw new GuestbootError("TOOLSTACK_REFUSED", message, {
      hint: `without --start; then start the VM, and once its installer runs: guestboot vm finish ${id}`,
    });
  }
  noteUser(image.folder, notedName(id, record.uuid));
  using cancelled = cancellation(
    `the VM may have been started; once its installer runs: guestboot vm finish ${record.uuid}`,
  );
  const made = await records.apply(record.uuid, changes);
  try {
    await orAborted(records.start(record.uuid), cancelled.signal);
  } catch (error) {
    // Cancelled: xapi may be starting it from this very record.
    if (!cancelled.signal.aborted) await records.apply(record.uuid, inverseOf(made).reverse());
    throw error;
  }
  await flip(record.uuid, records);
  process.stdout.write(
    `${printable(record.name_label || record.uuid)}: started from the image ${name}; its next start boots from its disk\n`,
  );
}

async function flip(uuid: string, records: VmStore): Promise<void> {
  try {
    const record = await records.read(uuid);
    await records.apply(uuid, noted(records, record, finishChanges(record)));
  } catch (thrown) {
    const error = asGuestbootError(thrown);
    const message = `the VM was started from the image, and its record still says so: ${error.message}`;
    throw new GuestbootError(error.code, message, {
      cause: thrown,
      hint: `guestboot vm finish ${uuid}, else its installation begins anew when it ends`,
    });
  }
}

function finishChanges(record: VmRecord): readonly SettingChange[] {
  return planFinish(record, imageWithKernel(record.PV_kernel));
}

/** A guest's file has no place for a journal. */
function noted(records: VmStore, record: VmRecord, changes: readonly SettingChange[]): readonly SettingChange[] {
  return records.hasOtherConfig ? withJournal(record, changes) : changes;
}

function print(lines: readonly string[]): void {
  for (const line of lines) process.stdout.write(`${line}\n`);
}

/** What `work` does goes on; it is not waited for any more. */
async function orAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(asGuestbootError(signal.reason));
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    work.catch(() => undefined);
  }
}
