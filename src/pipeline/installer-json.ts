/**
 * The shapes in which other programs are told of an installer: `resolve --json`, `fetch --json`, and the library. They
 * lead to no other package's types.
 */
import type { TrustLevel } from "../trust/level.ts";

/** The shape that other programs rely on (DESIGN: "Shapes that other programs read"). */
export interface ResolvedJson {
  readonly family: string;
  readonly release: string;
  readonly arch: string;
  readonly flavour: string;
  readonly layout: string;
  readonly kernel: FileJson;
  readonly ramdisks: readonly FileJson[];
  readonly arguments: string;
  readonly trust: TrustLevel;
}

export interface FileJson {
  readonly url: string;
  readonly path: string;
  readonly digest: string | null;
  readonly size: number | null;
}
