/**
 * `guestboot patch`: overlays and answer files put into an initrd; or a kernel unpacked for a host that cannot.
 */
import * as fs from "node:fs";
import type { ParseArgsOptionsConfig } from "node:util";
import { GuestbootError } from "../base/errors.ts";
import type { Progress } from "../base/progress.ts";
import { readSettings } from "../base/settings.ts";
import { openDisk } from "../disk/open-disk.ts";
import type { InitrdLimits } from "../initrd/members.ts";
import { mergeOverlays } from "../initrd/merge-overlays.ts";
import { openOverlay } from "../pipeline/open-overlay.ts";
import { patchToFile, streamToFile, type PatchPlan } from "../pipeline/patch-initrd.ts";
import { ANSWER_KINDS, ANSWER_OPTIONS, type AnswerValues } from "./answer-options.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { cancellation } from "./cancellation.ts";
import { helpOf } from "./help.ts";
import { limitOf } from "./limit.ts";
import { progressOnStandardError } from "./progress.ts";
import type { Answers } from "./read-answers.ts";
import { printJson, reporting } from "./report.ts";

const OPTIONS = {
  ...ANSWER_OPTIONS,
  overlay: { type: "string", multiple: true },
  fixups: { type: "string" },
  output: { type: "string", short: "o" },
  repack: { type: "boolean" },
  compression: { type: "string" },
  kernel: { type: "string" },
  "decompress-kernel": { type: "boolean" },
  "max-size-mb": { type: "string" },
  distro: { type: "string" },
  release: { type: "string" },
  json: { type: "boolean" },
  quiet: { type: "boolean", short: "q" },
  help: { type: "boolean", short: "h" },
  debug: { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

interface PatchValues extends AnswerValues {
  readonly overlay?: string[] | undefined;
  readonly fixups?: string | undefined;
  readonly repack?: boolean | undefined;
  readonly compression?: string | undefined;
  readonly kernel?: string | undefined;
}

const MEBIBYTE = 1024 * 1024;
/** Far more than any kernel. */
const MOST_KERNEL_BYTES = 512 * MEBIBYTE;

export async function runPatch(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  return reporting("patch", { json }, async () => {
    const { values, positionals } = readArguments(argv, OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("patch"));
      return;
    }
    const input = onlyOperand(positionals, "INITRD");
    const { output } = values;
    if (output === undefined) throw new GuestbootError("USAGE", "--output is missing: which file is to be written?");
    const progress = progressOnStandardError({ quiet: values.quiet === true });
    using cancelled = cancellation("nothing was written");
    const limits = {
      maximumBytes: limitOf(values["max-size-mb"], (await readSettings(process.env)).maxInitrdSize),
      signal: cancelled.signal,
    };
    if (values["decompress-kernel"] === true) {
      await unpackKernel(input, output, values, json, limits);
      return;
    }
    await patch(input, output, values, json, { limits, progress });
  });
}

async function patch(
  input: string,
  output: string,
  values: PatchValues,
  json: boolean,
  { limits, progress }: { readonly limits: InitrdLimits; readonly progress: Progress },
): Promise<void> {
  using stack = new DisposableStack();
  const initrd = stack.use(openDisk(input));
  const fixup = values.fixups === undefined ? null : await fixupOverlay(values.fixups, input, progress, limits.signal);
  const answers = await answersFor(values, progress, limits.signal);
  const named = await Promise.all((values.overlay ?? []).map((file) => openOverlay(file, limits.signal)));
  for (const each of named) stack.use(each);
  if (fixup !== null) stack.use(fixup);
  const opened = [...(fixup === null ? [] : [fixup]), ...named];
  const overlay = mergeOverlays([...opened.map((each) => each.overlay), ...answers.overlays]);
  if (overlay.length === 0 && values.repack !== true) {
    throw new GuestbootError("USAGE", "there is nothing to put into the initrd: --overlay names a folder, cpio or zip");
  }
  const wishes = {
    repack: values.repack === true,
    compression: compressionOf(values.compression),
    kernelVersion: values.kernel === undefined ? null : await kernelVersionOf(values.kernel),
  };
  // An answer file may hold passwords.
  const mode = answers.overlays.length > 0 ? 0o600 : 0o644;
  const { plan, size } = await patchToFile({ path: input, source: initrd.source }, overlay, wishes, limits, {
    path: output,
    mode,
    onPlan: ({ reason }) => {
      if (reason !== null) progress.say(`repacking: ${REASONS[reason]}`);
    },
  });
  const facts = { output, how: plan.how, compression: plan.compression, size, arguments: answers.arguments };
  if (json) printJson(facts);
  else process.stdout.write(wordsFor(plan, output, size, answers.arguments));
}

/** Catalog and transports are loaded only where they are needed. */
async function answersFor(values: PatchValues, progress: Progress, signal: AbortSignal | undefined): Promise<Answers> {
  if (ANSWER_KINDS.every((kind) => values[kind] === undefined)) return { overlays: [], arguments: "" };
  const { readAnswers } = await import("./read-answers.ts");
  return await readAnswers(values, progress, signal);
}

const REASONS = {
  "kernel before 2.6": "a kernel before 2.6 takes one archive only",
  "LZ4 before Linux 5.8":
    "the initrd is compressed with LZ4, behind which kernels before 5.8 find nothing more (--kernel FILE tells which it is)",
} as const;

function wordsFor(plan: PatchPlan, output: string, size: number, words: string): string {
  const how = {
    append: `the overlay appended (${plan.compression})`,
    repack: `repacked (${plan.compression})`,
    ext2: `the overlay written into its ext2 filesystem (${plan.compression})`,
  }[plan.how];
  return `${output}: ${how}, ${size} bytes\n${words === "" ? "" : `kernel arguments: ${words}\n`}`;
}

async function fixupOverlay(folder: string, input: string, progress: Progress, signal: AbortSignal | undefined) {
  const { findFixup, overlayFile, readFixups } = await import("../initrd/fixup-map.ts");
  const { md5Of } = await import("../pipeline/patch-ramdisk.ts");
  const fixups = readFixups(folder);
  const fixup = fixups.length === 0 ? null : findFixup(fixups, await md5Of(input, signal));
  if (fixup === null) {
    progress.say(`no map in ${folder} names this initrd`);
    return null;
  }
  progress.say(`${fixup.where}: ${fixup.label}`);
  return openOverlay(overlayFile(folder, fixup), signal);
}

async function unpackKernel(
  input: string,
  output: string,
  values: PatchValues,
  json: boolean,
  { signal }: InitrdLimits,
): Promise<void> {
  if (values.overlay !== undefined || values.repack === true || values.fixups !== undefined) {
    throw new GuestbootError("USAGE", "--decompress-kernel is for a kernel, which takes no overlay");
  }
  const { decompressKernel } = await import("../kernel/decompress.ts");
  using kernel = openDisk(input);
  const bytes = decompressKernel(kernel.source, { maximumBytes: MOST_KERNEL_BYTES, signal });
  const size = await streamToFile(bytes, { path: output, mode: 0o644 });
  if (json) printJson({ output, how: "decompress-kernel", size });
  else process.stdout.write(`${output}: the ELF image of ${input}, ${size} bytes\n`);
}

/** @throws FEATURE_UNSUPPORTED when it is no kernel */
async function kernelVersionOf(file: string): Promise<string | null> {
  const { readKernelImage } = await import("../kernel/kernel-image.ts");
  const image = readKernelImage({ bytes: fs.readFileSync(file), isWhole: true });
  if (image.kind === "kernel") return image.version;
  throw new GuestbootError("FEATURE_UNSUPPORTED", `${file} is no kernel but ${image.what}`);
}

function compressionOf(word: string | undefined): "gzip" | "zstd" | "none" | null {
  if (word === undefined || word === "gzip" || word === "zstd" || word === "none") return word ?? null;
  throw new GuestbootError("USAGE", `there is no compression "${word}": gzip, zstd and none are written`);
}
