/**
 * `guestboot host install|uninstall|status`: makes this host's toolstack run us as pygrub and eliloader.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { GuestbootError } from "../base/errors.ts";
import { ownCommand } from "../base/program.ts";
import { installOnHost, readHostState, uninstallFromHost } from "../pipeline/host-install.ts";
import { planInstall, wordsOf, type Change } from "../pipeline/host-plan.ts";
import { surveyHost } from "../pipeline/host-survey.ts";
import { onlyOperand, readArguments, wants } from "./arguments.ts";
import { helpOf } from "./help.ts";
import { printJson, reporting } from "./report.ts";

const OPTIONS = {
  root: { type: "string" },
  program: { type: "string" },
  "dry-run": { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  debug: { type: "boolean" },
} as const;

export async function runHost(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  const outcome = { isInstalled: true };
  const status = await reporting("host", { json }, () => {
    const { values, positionals } = readArguments(argv, OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("host"));
      return;
    }
    const root = path.resolve(values.root ?? "/");
    const program = values.program ?? fs.realpathSync(ownCommand().file);
    if (!program.startsWith("/")) throw new GuestbootError("USAGE", "--program must be an absolute path");
    const isDry = values["dry-run"] === true;
    const verb = onlyOperand(positionals, "what to do with this host (install, uninstall or status)");
    switch (verb) {
      case "install":
        told(isDry ? planInstall(surveyHost(root, program)) : installOnHost(root, program), isDry, "nothing to change");
        return;
      case "uninstall":
        undone(isDry ? (readHostState(root)?.changes ?? []) : uninstallFromHost(root), isDry);
        return;
      case "status":
        outcome.isInstalled = tellStatus(root, program, json);
        return;
      default:
        throw new GuestbootError("USAGE", `host cannot ${verb}: install, uninstall and status are known`);
    }
  });
  return status === 0 && !outcome.isInstalled ? 1 : status;
}

function told(changes: readonly Change[], isDry: boolean, none: string): void {
  for (const change of changes) process.stdout.write(`${wordsOf(change)}\n`);
  if (changes.length === 0) process.stdout.write(`${none}\n`);
  if (!isDry && changes.some(({ kind }) => kind === "entry")) {
    process.stderr.write("xenopsd reads its settings when it starts: systemctl restart xenopsd-xc\n");
  }
}

function undone(changes: readonly Change[], isDry: boolean): void {
  const will = isDry ? "would be" : "is";
  for (const change of changes) process.stdout.write(`${change.path} ${will} as it was\n`);
  if (changes.length === 0) process.stdout.write("nothing was installed\n");
}

/** @returns false when something is left to install */
function tellStatus(root: string, program: string, json: boolean): boolean {
  const facts = surveyHost(root, program);
  const missing = planInstall(facts);
  const state = readHostState(root);
  const places = facts.places.map(({ loader, path: place, holds }): ToldPlace => {
    const isOurJob = state?.changes.some((change) => change.path === place) === true;
    return { loader, path: place, state: holds === "another" && isOurJob ? "put back" : holds };
  });
  const isInstalled = state !== null && missing.length === 0;
  if (json) printJson({ installed: isInstalled, program, places, missing });
  else {
    for (const { loader, path: place, state: how } of places) {
      process.stdout.write(`${loader.padEnd(9)}  ${WORDS[how].padEnd(34)}  ${place}\n`);
    }
    for (const change of missing) if (change.kind === "entry") process.stdout.write(`missing    ${wordsOf(change)}\n`);
    if (places.length === 0) process.stdout.write("no toolstack's loader was found here\n");
    if (missing.length > 0) process.stdout.write("guestboot host install makes this host use guestboot\n");
  }
  return isInstalled;
}

interface ToldPlace {
  readonly loader: string;
  readonly path: string;
  readonly state: keyof typeof WORDS;
}

const WORDS = {
  nothing: "not there",
  ours: "guestboot",
  follows: "a link to one of the others",
  another: "another program",
  "put back": "put back by an update of the host",
} as const;
