/**
 * `pygrub -l` and `pygrub --isconfig`: the entries as upstream lists them.
 */
import type { BootEntry, FileReference } from "../bootconfig/boot-config.ts";
import { chooseEntry } from "../bootconfig/choose.ts";
import type { OutputFormat } from "../toolstack/answer.ts";
import { openAnswerOutput } from "../toolstack/answer-output.ts";
import { formatAnswer } from "../toolstack/format.ts";
import { bootConfigOf } from "./boot-config-of.ts";
import { printable } from "../base/printable.ts";
import type { PygrubBoot } from "./pygrub-options.ts";

export function listEntries(options: PygrubBoot, format: OutputFormat): void {
  using output = openAnswerOutput(options.output);
  const { config } = bootConfigOf({
    path: options.disk,
    offset: options.offset,
    isConfig: options.isConfig,
    uid: options.runas,
  });
  if (options.listEntries) {
    process.stdout.write(config.entries.map(listing).join(""));
    return;
  }
  // A config by itself has no files: it can only be said what would boot.
  const { entry } = chooseEntry(config, options.entry?.kind === "entry" ? options.entry.wanted : null);
  const [ramdisk] = entry.ramdisks;
  output.write(
    formatAnswer(
      {
        kernel: `<kernel:${entry.kernel.path}>`,
        ramdisk: ramdisk === undefined ? null : `<ramdisk:${ramdisk.path}>`,
        arguments: [
          { text: entry.arguments, escaped: false },
          { text: options.args, escaped: false },
        ],
      },
      options.outputFormat ?? format,
    ),
  );
}

/** The keys and their order are upstream's, since scripts read them. */
function listing(entry: BootEntry): string {
  const lines = [`title: ${entry.title}`];
  const root = rootOf(entry.kernel);
  if (root !== null) lines.push(`  root: ${root}`);
  lines.push(`  kernel: ${entry.kernel.path}`, `  args: ${entry.arguments}`);
  for (const ramdisk of entry.ramdisks) lines.push(`  initrd: ${ramdisk.path}`);
  return lines.map((line) => `${printable(line)}\n`).join("");
}

function rootOf(kernel: FileReference): string | null {
  const { device } = kernel;
  if (device === null) return null;
  return device.partition === null ? `d${device.disk}` : `d${device.disk}p${device.partition - 1}`;
}
