/** The answer files that a command's options name, read and made overlays. */
import { wholeCatalog } from "../distro/whole-catalog.ts";
import type { Progress } from "../base/progress.ts";
import {
  ANSWER_KINDS,
  answerPlace,
  usualAnswerPlace,
  type AnswerFile,
  type AnswerFilePlace,
} from "../distro/answer-file.ts";
import { findFamily, type AnswerKind } from "../distro/catalog.ts";
import { namedRelease } from "../distro/release-name.ts";
import type { Overlay } from "../initrd/overlay.ts";
import { answerOverlay, readAnswerFile } from "../pipeline/answer-file.ts";
import type { AnswerValues } from "./answer-options.ts";

export interface Answers {
  readonly overlays: readonly Overlay[];
  /** For the kernel command line. */
  readonly arguments: string;
}

/** The answer files that the options name. */
export function answerFilesOf(values: AnswerValues): AnswerFile[] {
  return ANSWER_KINDS.flatMap((kind) => {
    const from = values[kind];
    return from === undefined ? [] : [{ kind, from }];
  });
}

/**
 * The answer files of a command that looks into no repository: the family and release are those that the options name.
 * @throws as `answerPlace` and `readAnswerFile`
 */
export async function readAnswers(
  values: AnswerValues,
  progress: Progress,
  signal: AbortSignal | undefined,
): Promise<Answers> {
  const overlays: Overlay[] = [];
  const words: string[] = [];
  for (const file of answerFilesOf(values)) {
    const place = placeFor(file.kind, file.from, values);
    words.push(place.arguments);
    if (place.file === null) continue;
    const bytes = await readAnswerFile(file, { environment: process.env, progress }, signal);
    overlays.push(answerOverlay(bytes, place.file));
  }
  return { overlays, arguments: words.join(" ") };
}

function placeFor(kind: AnswerKind, given: string, { distro, release }: AnswerValues): AnswerFilePlace {
  if (distro === undefined) return usualAnswerPlace(kind);
  const family = findFamily(wholeCatalog(), distro);
  const what = release === undefined ? family.family : `${family.family} ${release}`;
  const listed = release === undefined ? undefined : namedRelease(family, release).listed;
  const name = listed?.installer ?? family.installer;
  const installer = name === undefined ? null : (family.installers[name] ?? null);
  return answerPlace(installer, kind, given, what);
}
