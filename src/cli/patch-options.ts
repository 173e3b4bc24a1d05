/**
 * What an installation's files are to have in them, as `fetch` and `boot` are told: answer files, overlays, a repack, an
 * unpacked kernel. Words to plain data; nothing is opened here.
 */
import type { ParseArgsOptionsConfig } from "node:util";
import { GuestbootError } from "../base/errors.ts";
import type { GivenPatches } from "../pipeline/patches-wanted.ts";
import { ANSWER_KINDS, ANSWER_OPTIONS } from "./answer-options.ts";

export const PATCH_OPTIONS = {
  ...ANSWER_OPTIONS,
  overlay: { type: "string", multiple: true },
  repack: { type: "boolean" },
  "decompress-kernel": { type: "boolean" },
} as const satisfies ParseArgsOptionsConfig;

export interface PatchOptionValues {
  readonly preseed?: string | undefined;
  readonly kickstart?: string | undefined;
  readonly autoyast?: string | undefined;
  readonly overlay?: string[] | undefined;
  readonly repack?: boolean | undefined;
  readonly "decompress-kernel"?: boolean | undefined;
}

/** @throws USAGE for several answer files: an installer reads one */
export function givenPatches(values: PatchOptionValues): GivenPatches {
  const [first, second] = ANSWER_KINDS.flatMap((kind) => {
    const from = values[kind];
    return from === undefined || from === "" ? [] : [{ kind, from }];
  });
  if (first !== undefined && second !== undefined) {
    throw new GuestbootError("USAGE", `an installer reads one answer file: --${first.kind} or --${second.kind}`);
  }
  return {
    answer: first ?? null,
    overlays: values.overlay ?? [],
    repack: values.repack === true,
    decompressKernel: values["decompress-kernel"] === true,
  };
}
