/**
 * Layout checks as a JUnit report, which CI servers read (https://github.com/testmoapp/junitxml).
 *
 * The words in it come from servers, so everything that XML 1.0 cannot hold (section 2.2, "Characters") is shown by its
 * code.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { GuestbootError, systemReason } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import type { LayoutCheck } from "../pipeline/layout-check.ts";

/** @param leftOut families that were not checked; they show as skipped */
export function junitReport(checks: readonly LayoutCheck[], leftOut: readonly string[], seconds: number): string {
  const failures = checks.filter(({ ok }) => !ok).length;
  const totals = [
    attribute("name", "guestboot layouts"),
    attribute("tests", String(checks.length + leftOut.length)),
    attribute("failures", String(failures)),
    attribute("errors", "0"),
    attribute("skipped", String(leftOut.length)),
    attribute("time", seconds.toFixed(3)),
  ].join("");
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    "<testsuites>",
    `  <testsuite${totals}>`,
    ...checks.map(testCase),
    ...leftOut.map(skippedCase),
    "  </testsuite>",
    "</testsuites>",
    "",
  ].join("\n");
}

/**
 * Whole or not at all: a CI server never reads half a report.
 * @throws OUTPUT_FAILED
 */
export function writeReport(file: string, report: string): void {
  const temporary = `${file}.guestboot-${process.pid}`;
  try {
    fs.writeFileSync(temporary, report, { flag: "wx" });
    fs.renameSync(temporary, file);
  } catch (error) {
    throw unwritable(file, error);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

/** Known before the checks begin, which may take minutes. @throws OUTPUT_FAILED */
export function checkWritable(file: string): void {
  try {
    fs.accessSync(path.dirname(path.resolve(file)), fs.constants.W_OK);
    if (fs.statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) throw new Error("it is a folder");
  } catch (error) {
    throw unwritable(file, error);
  }
}

function unwritable(file: string, error: unknown): GuestbootError {
  return new GuestbootError("OUTPUT_FAILED", `the report ${file} cannot be written: ${systemReason(error)}`, {
    cause: error,
  });
}

function testCase(check: LayoutCheck): string {
  const { repository, family, release, arch, flavour, ok, problems, notes, tried, seconds } = check;
  const what = [release, arch, flavour].filter((word) => word !== null).join(" ");
  const name = what === "" ? repository : `${what} from ${repository}`;
  const lines = [
    `    <testcase${attribute("classname", `guestboot.${family ?? "unknown"}`)}${attribute("name", name)}${attribute("time", seconds.toFixed(3))}>`,
  ];
  if (!ok) {
    const [first = ""] = problems;
    const body = [...problems, ...notes, ...tried.map((each) => `tried ${each}`)].map(text).join("\n");
    lines.push(`      <failure${attribute("message", first)}${attribute("type", "layout")}>${body}</failure>`);
  } else if (notes.length > 0) {
    lines.push(`      <system-out>${notes.map(text).join("\n")}</system-out>`);
  }
  lines.push("    </testcase>");
  return lines.join("\n");
}

function skippedCase(family: string): string {
  const head = `    <testcase${attribute("classname", `guestboot.${family}`)}${attribute("name", "the whole family")}>`;
  return `${head}<skipped${attribute("message", "no mirror was named")}/></testcase>`;
}

function attribute(name: string, value: string): string {
  return ` ${name}="${text(value)}"`;
}

function text(value: string): string {
  return printable(value).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};
