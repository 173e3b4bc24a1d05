/**
 * `content`: the index of a SUSE tree up to SLE 12 and openSUSE 13.2 / Leap 42. A line is a key and its value; the
 * files are listed in lines `HASH SHA256 <hex>  <path>` (also `META`, `KEY`). Format: linuxrc's `linuxrc_repo.md`.
 */
import { Budget } from "../base/budget.ts";
import { checksumFrom } from "../base/checksum.ts";
import { indexPath } from "./index-path.ts";
import { linesOf } from "./ini.ts";

export interface SuseContent {
  /** What the product calls itself: "SUSE Linux Enterprise Server 11 SP3". */
  readonly label: string | null;
  readonly version: string | null;
  readonly arches: readonly string[];
  /** Every path listed, with its digest (`sha256:…`, `sha512:…`, `sha1:…`); null for MD5, which proves nothing. */
  readonly files: ReadonlyMap<string, string | null>;
}

const MOST_LINES = 200_000;

/** @throws INVALID_SOURCE for paths that leave the tree; BUDGET_EXCEEDED */
export function readSuseContent(text: string, index: string): SuseContent {
  const budget = new Budget(`lines in ${index}`, MOST_LINES);
  const values = new Map<string, string>();
  const files = new Map<string, string | null>();
  for (const line of linesOf(text, budget)) {
    const [, key = "", value = ""] = /^([A-Z][A-Z0-9_.]*)\s+(.*)$/.exec(line) ?? [];
    if (key === "HASH" || key === "META" || key === "KEY") addFile(files, value, key, index);
    else if (key !== "" && !values.has(key)) values.set(key, value.trim());
  }
  const distro = values.get("DISTRO")?.split(",");
  const arches = values.get("BASEARCHS") ?? values.get("DEFAULTBASE") ?? "";
  return {
    label: values.get("LABEL") ?? values.get("PRODUCT") ?? values.get("NAME") ?? distro?.[1] ?? null,
    version: values.get("VERSION") ?? values.get("DISTVERSION") ?? null,
    arches: arches.split(/\s+/).filter((arch) => arch !== ""),
    files,
  };
}

function addFile(files: Map<string, string | null>, value: string, key: string, index: string): void {
  const [, kind = "", hex = "", path = ""] = /^(\S+)\s+([0-9a-fA-F]+)\s+(\S.*)$/.exec(value) ?? [];
  if (path === "") return;
  // META names files below the folder of descriptions and KEY those of the root; only HASH names boot files.
  const below = indexPath(path.trim(), index);
  if (key !== "HASH") return;
  files.set(below, checksumFrom(kind, hex));
}
