/**
 * `guestboot layouts`: what the catalog can install, and whether trees still have what that needs.
 */
import * as path from "node:path";
import { GuestbootError } from "../base/errors.ts";
import { printable } from "../base/printable.ts";
import { wholeCatalog } from "../distro/whole-catalog.ts";
import { readSettings, type Settings } from "../base/settings.ts";
import type { Catalog, Flavour } from "../distro/catalog.ts";
import { findFamily } from "../distro/catalog.ts";
import { catalogLayouts, planChecks, type PlannedCheck } from "../pipeline/catalog-layouts.ts";
import { checkLayouts } from "../pipeline/layout-checks.ts";
import type { LayoutCheck } from "../pipeline/layout-check.ts";
import { parseLocation } from "../repository/location.ts";
import { openStore } from "../store/store.ts";
import { readArguments, wants } from "./arguments.ts";
import { cacheFolderOf } from "./folders.ts";
import { helpOf } from "./help.ts";
import type { Prepared } from "../pipeline/confine-installation.ts";
import { confineCommand, TARGET_OPTIONS } from "./installer-target.ts";
import { checkWritable, junitReport, writeReport } from "./junit.ts";
import { printJson, reporting } from "./report.ts";

const OPTIONS = {
  ...TARGET_OPTIONS,
  all: { type: "boolean" },
  mirror: { type: "string", multiple: true },
  deep: { type: "boolean" },
  timeout: { type: "string" },
  junit: { type: "string" },
} as const;

type Values = ReturnType<typeof readArguments<typeof OPTIONS>>["values"];

export async function runLayouts(argv: readonly string[]): Promise<number> {
  const outcome = { allWell: true };
  const status = await reporting("layouts", { json: wants(argv, "--json") }, async () => {
    const { values, positionals } = readArguments(argv, OPTIONS);
    const verb = positionals.at(0);
    const repositories = positionals.slice(1);
    if (values.help === true) process.stdout.write(helpOf("layouts"));
    else if (verb === "list") list(values, repositories);
    else if (verb === "check") outcome.allWell = await check(values, repositories);
    else if (verb === undefined) throw usage("what to do with the layouts is missing: list or check");
    else throw usage(`layouts cannot ${verb}: list and check are known`);
  });
  return status === 0 && !outcome.allWell ? 1 : status;
}

function list(values: Values, operands: readonly string[]): void {
  const extra = operands.at(0);
  if (extra !== undefined) throw usage(`"${extra}" is one argument too many`);
  const layouts = catalogLayouts(wholeCatalog());
  if (values.json === true) {
    printJson(layouts);
    return;
  }
  const rows = layouts.map(({ family, release, arch, flavour, kernel, ramdisks }) => {
    return [family, release ?? "any", arch, flavour, kernel, ramdisks.join(" ")];
  });
  printTable([["FAMILY", "RELEASE", "ARCH", "FLAVOUR", "KERNEL", "RAMDISKS"], ...rows]);
}

/** @returns whether every tree has what it needs */
async function check(values: Values, repositories: readonly string[]): Promise<boolean> {
  const catalog = wholeCatalog();
  const { checks, leftOut } = plan(values, repositories, catalog);
  const timeoutSeconds = readTimeout(values);
  if (values.junit !== undefined) checkWritable(values.junit);
  const settings = await readSettings(process.env);
  await using _prepared = await confine(checks, values, settings);
  const store = values.deep === true ? openStore(cacheFolderOf(settings)) : null;
  if (leftOut.length > 0 && values.quiet !== true) {
    process.stderr.write(`not checked, since no --mirror names one: ${leftOut.join(", ")}\n`);
  }
  const started = performance.now();
  const inOrder = values.json === true ? () => undefined : printInOrder({ withNotes: values.all !== true });
  const results = await checkLayouts(checks, {
    catalog,
    timeoutSeconds,
    store,
    repository: {
      proxy: values.proxy,
      caFile: values["ca-file"],
      settings: settings.repositories,
      environment: process.env,
    },
    onDone: inOrder,
  });
  const seconds = (performance.now() - started) / 1000;
  if (values.json === true) printJson(results);
  if (values.junit !== undefined) writeReport(values.junit, junitReport(results, leftOut, seconds));
  const bad = results.filter(({ ok }) => !ok).length;
  if (values.quiet !== true) {
    const count = results.length === 1 ? "1 layout" : `${results.length} layouts`;
    const outcome = bad === 0 ? "all well" : `${bad} with problems`;
    process.stderr.write(`${count} checked in ${seconds.toFixed(1)} s: ${outcome}\n`);
  }
  return bad === 0;
}

/** Of each server only answers are looked at; what is kept for a deep check is the cache's. */
function confine(checks: readonly PlannedCheck[], values: Values, settings: Settings): Promise<Prepared> {
  const addresses = [...new Set(checks.flatMap((each) => each.addresses))].filter(isLocation);
  return confineCommand(
    addresses.map((address) => ({ address, values })),
    settings,
    {
      writable: values.junit === undefined ? [] : [path.dirname(path.resolve(values.junit))],
      usesCache: values.deep === true,
    },
  );
}

/** What is wrong with one that is none is told where it is to be checked. */
function isLocation(address: string): boolean {
  try {
    parseLocation(address);
    return true;
  } catch (error) {
    if (error instanceof GuestbootError) return false;
    throw error;
  }
}

function plan(
  values: Values,
  repositories: readonly string[],
  catalog: Catalog,
): { readonly checks: readonly PlannedCheck[]; readonly leftOut: readonly string[] } {
  if (values.all === true) {
    if (repositories.length > 0) throw usage("--all checks the whole catalog; name repositories without it");
    const wanted = [values.distro, values.release, values.arch, values.flavour];
    if (wanted.some((each) => each !== undefined))
      throw usage("--all checks the whole catalog: it takes no --distro, --release, --arch or --flavour");
    return planChecks(catalog, readMirrors(values.mirror ?? []));
  }
  if (values.mirror !== undefined) throw usage("--mirror goes with --all");
  if (repositories.length === 0) throw usage("REPOSITORY is missing (or --all with --mirror FAMILY=URL)");
  // A name that nobody knows is wrong whatever the trees hold.
  const family = values.distro === undefined ? null : (findFamily(catalog, values.distro), values.distro);
  const wanted = {
    family,
    release: values.release ?? null,
    arch: values.arch ?? null,
    flavour: readFlavour(values.flavour),
  };
  return { checks: repositories.map((address) => ({ addresses: [address], wanted })), leftOut: [] };
}

function readMirrors(given: readonly string[]): Map<string, string[]> {
  if (given.length === 0) {
    throw usage("--all needs to know the mirrors: --mirror FAMILY=URL, once for each (the catalog names none)");
  }
  const mirrors = new Map<string, string[]>();
  for (const each of given) {
    const [, family, address] = /^([^=]+)=(.+)$/s.exec(each) ?? [];
    if (family === undefined || address === undefined) throw usage(`--mirror is FAMILY=URL, and not "${each}"`);
    mirrors.set(family, [...(mirrors.get(family) ?? []), address]);
  }
  return mirrors;
}

function readFlavour(word: string | undefined): Flavour | null {
  if (word === undefined || word === "xen" || word === "generic") return word ?? null;
  throw usage(`there is no flavour "${word}": xen and generic are known`);
}

/** Whole files take longer than their beginnings. */
function readTimeout({ timeout, deep }: Values): number {
  if (timeout === undefined) return deep === true ? 600 : 30;
  const seconds = /^[0-9]{1,5}(?:\.[0-9]{1,3})?$/.test(timeout) ? Number(timeout) : 0;
  if (seconds === 0) throw usage(`--timeout is a number of seconds, and not "${timeout}"`);
  return seconds;
}

/** Rows come as soon as those before them are there, so a person sees how far it is. */
function printInOrder(options: { readonly withNotes: boolean }): (check: LayoutCheck, index: number) => void {
  const waiting = new Map<number, LayoutCheck>();
  let next = 0;
  return (done, index) => {
    waiting.set(index, done);
    for (let row = waiting.get(next); row !== undefined; row = waiting.get(next)) {
      process.stdout.write(rowOf(row, options));
      waiting.delete(next);
      next += 1;
    }
  };
}

const WIDTHS = { family: 10, release: 15, arch: 7, flavour: 7 } as const;

function rowOf(check: LayoutCheck, { withNotes }: { readonly withNotes: boolean }): string {
  const { repository, family, release, arch, flavour, ok, problems, notes, tried, seconds } = check;
  const cells = [
    ok ? "ok    " : "FAILED",
    (family ?? "?").padEnd(WIDTHS.family),
    (release ?? "?").padEnd(WIDTHS.release),
    (arch ?? "?").padEnd(WIDTHS.arch),
    (flavour ?? "?").padEnd(WIDTHS.flavour),
    `${repository} (${seconds.toFixed(1)} s)`,
  ];
  const lines = [cells.join("  ")];
  for (const problem of problems) lines.push(`        ${problem}`);
  if (!ok || withNotes) for (const note of notes) lines.push(`        note: ${note}`);
  // Most problems name what was tried already.
  const more = tried.filter(
    (each) => !problems.some((problem) => problem.includes(each.slice(0, each.lastIndexOf(": ")))),
  );
  if (!ok && more.length > 0) lines.push(`        tried: ${more.join(", ")}`);
  return lines.map((line) => `${printable(line)}\n`).join("");
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, index) => Math.max(widest[index] ?? 0, cell.length)),
    [],
  );
  for (const row of rows) {
    const line = row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("  ");
    process.stdout.write(`${printable(line.trimEnd())}\n`);
  }
}

function usage(what: string): GuestbootError {
  return new GuestbootError("USAGE", what);
}
