/** `--preseed`, `--kickstart`, `--autoyast`: as the commands that take them share them. */
import type { ParseArgsOptionsConfig } from "node:util";
import type { AnswerKind } from "../distro/catalog.ts";

export const ANSWER_KINDS = ["preseed", "kickstart", "autoyast"] as const satisfies readonly AnswerKind[];

export const ANSWER_OPTIONS = {
  preseed: { type: "string" },
  kickstart: { type: "string" },
  autoyast: { type: "string" },
} as const satisfies ParseArgsOptionsConfig;

export interface AnswerValues {
  readonly preseed?: string | undefined;
  readonly kickstart?: string | undefined;
  readonly autoyast?: string | undefined;
  readonly distro?: string | undefined;
  readonly release?: string | undefined;
}
