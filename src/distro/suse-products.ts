/**
 * `media.1/products`: which products a SUSE medium holds. A line a product: its folder on the medium, its name, its
 * version (`/ SLES11-SP3 11.3-1.12`).
 */
import { Budget } from "../base/budget.ts";
import { linesOf } from "./ini.ts";

export interface SuseProduct {
  readonly folder: string;
  readonly name: string;
  /** Without the build number. */
  readonly version: string;
}

const MOST_LINES = 1000;

/** @throws BUDGET_EXCEEDED */
export function readSuseProducts(text: string, index: string): SuseProduct[] {
  const products: SuseProduct[] = [];
  for (const line of linesOf(text, new Budget(`lines in ${index}`, MOST_LINES))) {
    const [folder = "", ...words] = line.trim().split(/\s+/);
    const version = /^[0-9][0-9A-Za-z.]*/.exec(words.pop() ?? "")?.[0];
    if (!folder.startsWith("/") || words.length === 0 || version === undefined) continue;
    products.push({ folder, name: words.join(" "), version });
  }
  return products;
}
