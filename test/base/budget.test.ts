import { expect, it } from "vitest";
import { Budget } from "../../src/base/budget.ts";

it("a budget allows its limit and not one more", () => {
  const budget = new Budget("links", 3);
  budget.spend();
  budget.spend(2);
  expect(() => budget.spend()).toThrow(expect.objectContaining({ code: "BUDGET_EXCEEDED" }));
});

it("a budget says what there was too much of", () => {
  expect(() => new Budget("directory entries", 10).spend(11)).toThrow("more than 10 directory entries");
});

it("a budget that is used up stays so", () => {
  const budget = new Budget("links", 1);
  expect(() => budget.spend(2)).toThrow();
  expect(() => budget.spend(0)).toThrow();
});
