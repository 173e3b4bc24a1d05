/**
 * `XS-REPOSITORY` and `XS-PACKAGES`: an installation repository of XenServer's own host installer. It counts as one
 * only where both are there and valid.
 */
import { Budget } from "../base/budget.ts";
import { GuestbootError } from "../base/errors.ts";
import { indexPath } from "./index-path.ts";
import { linesOf } from "./ini.ts";

export interface XsRepository {
  /** `vendor:name`. */
  readonly id: string;
  readonly name: string;
  readonly targetProduct: string;
  readonly targetVersion: string;
}

export type XsPackage = {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** As the file has it: 32 hexadecimal digits. */
  readonly md5: string;
} & (
  | { readonly type: "tbz2"; readonly required: boolean; readonly file: string; readonly destination: string }
  | { readonly type: "driver"; readonly file: string; readonly destination: string }
  | { readonly type: "firmware"; readonly destination: string }
);

/** Where below a base such repositories lie. */
export const XS_FOLDERS = ["", "packages/", "packages.main/", "packages.linux/", "packages.site/"] as const;

const MOST_PACKAGES = 10_000;

/** @throws INVALID_SOURCE naming what is wrong */
export function readXsRepository(text: string, index: string): XsRepository {
  const lines = [...linesOf(text, new Budget(`lines in ${index}`, 100))].map((line) => line.trim());
  const [id = "", name = "", targetProduct = "", targetVersion = "", ...more] = lines;
  if (!/^[^\s:]+:[^\s:]+$/.test(id)) throw invalid(index, 1, "is no vendor:name");
  if (name === "" || targetProduct === "" || !/^[0-9][0-9A-Za-z.+-]*$/.test(targetVersion)) {
    throw invalid(index, name === "" ? 2 : targetProduct === "" ? 3 : 4, "is missing or wrong");
  }
  if (more.some((line) => line !== "")) throw invalid(index, 5, "is one too many");
  return { id, name, targetProduct, targetVersion };
}

/** @throws INVALID_SOURCE naming the line that is wrong */
export function readXsPackages(text: string, index: string): XsPackage[] {
  const packages: XsPackage[] = [];
  let number = 0;
  for (const line of linesOf(text, new Budget(`lines in ${index}`, MOST_PACKAGES))) {
    number++;
    if (line.trim() !== "") packages.push(packageOf(line.trim().split(/ +/), index, number));
  }
  return packages;
}

function packageOf(words: readonly string[], index: string, line: number): XsPackage {
  const [name = "", bytes = "", md5 = "", type, ...rest] = words;
  const size = /^[0-9]{1,15}$/.test(bytes) ? Number(bytes) : NaN;
  if (Number.isNaN(size)) throw invalid(index, line, "has no size in bytes");
  if (!/^[0-9a-f]{32}$/i.test(md5)) throw invalid(index, line, "has no md5");
  const common = { name, size, md5: md5.toLowerCase() };
  if (type === "tbz2" && rest.length === 3) {
    const [need, file = "", destination = ""] = rest;
    if (need !== "required" && need !== "optional") throw invalid(index, line, "is neither required nor optional");
    return { ...common, type, required: need === "required", file: indexPath(file, index), destination };
  }
  if (type === "driver" && rest.length === 2) {
    const [file = "", destination = ""] = rest;
    return { ...common, type, file: indexPath(file, index), destination };
  }
  if (type === "firmware" && rest.length === 1) return { ...common, type, destination: rest[0] ?? "" };
  throw invalid(index, line, "is no tbz2, driver or firmware with its fields");
}

function invalid(index: string, line: number, what: string): GuestbootError {
  return new GuestbootError("INVALID_SOURCE", `${index} is no index of a XenServer repository: line ${line} ${what}`, {
    args: [index],
  });
}
