/**
 * `guestboot host install|uninstall|status`: makes this host's toolstack run us as pygrub and eliloader.
 */
import * as os from "node:os";
import * as path from "node:path";
import { GuestbootError } from "../base/errors.ts";
import { withLock } from "../base/lock.ts";
import { ownExecutable } from "../base/program.ts";
import { installOnHost, readHostState, uninstallFromHost } from "../pipeline/host-install.ts";
import { needsRestart, planInstall, wordsOf, type Change } from "../pipeline/host-plan.ts";
import { isExecutable, surveyHost } from "../pipeline/host-survey.ts";
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

/**
 * One for the whole machine, whatever the root: a lock file inside the root would be a trace. It goes with the next
 * start of the host. Who is not root can make an image of a host only, and is alone with it.
 */
function lockFile(): string {
  const uid = process.getuid?.() ?? 0;
  return uid === 0 ? "/var/run/guestboot-host.lock" : path.join(os.tmpdir(), `guestboot-host-${uid}.lock`);
}

export async function runHost(argv: readonly string[]): Promise<number> {
  const json = wants(argv, "--json");
  const outcome = { isInstalled: true };
  const status = await reporting("host", { json }, async () => {
    const { values, positionals } = readArguments(argv, OPTIONS);
    if (values.help === true) {
      process.stdout.write(helpOf("host"));
      return;
    }
    const root = path.resolve(values.root ?? "/");
    const isDry = values["dry-run"] === true;
    const verb = onlyOperand(positionals, "what to do with this host (install, uninstall or status)");
    switch (verb) {
      case "install": {
        const program = chooseProgram(values.program);
        mustBeThere(root, program);
        const install = () => installOnHost(root, program);
        const changes = isDry ? planInstall(surveyHost(root, program)) : await withLock(lockFile(), install);
        if (json) printJson({ dryRun: isDry, changes });
        else tellInstalled(changes, isDry);
        return;
      }
      case "uninstall": {
        const uninstall = () => uninstallFromHost(root);
        const changes = isDry ? (readHostState(root)?.changes ?? []) : await withLock(lockFile(), uninstall);
        if (json) printJson({ dryRun: isDry, changes });
        else tellUninstalled(changes, isDry);
        return;
      }
      case "status":
        outcome.isInstalled = tellStatus(root, chooseProgram(values.program), json);
        return;
      default:
        throw new GuestbootError("USAGE", `host cannot ${verb}: install, uninstall and status are known`);
    }
  });
  return status === 0 && !outcome.isInstalled ? 1 : status;
}

/** @throws USAGE when there is none that a toolstack could call */
function chooseProgram(named: string | undefined): string {
  const program = named ?? ownExecutable();
  if (program === null) {
    const message = "this is guestboot run by Node, which a toolstack cannot call as pygrub: name the executable";
    throw new GuestbootError("USAGE", `${message} with --program FILE`, { hint: "npm run build makes dist/guestboot" });
  }
  if (!program.startsWith("/")) throw new GuestbootError("USAGE", "--program must be an absolute path");
  return program;
}

/** @throws HOST_UNCHANGEABLE: with links to nothing, no guest would start */
function mustBeThere(root: string, program: string): void {
  if (isExecutable(root, program)) return;
  const inside = root === "/" ? "" : ` below ${root}`;
  throw new GuestbootError("HOST_UNCHANGEABLE", `${program} is no executable file${inside}: no guest would start`, {
    hint: "put the executable there first, or name it as the host sees it: --program FILE",
  });
}

function tellInstalled(changes: readonly Change[], isDry: boolean): void {
  for (const change of changes) process.stdout.write(`${wordsOf(change)}\n`);
  if (changes.length === 0) process.stdout.write("nothing to change\n");
  if (!isDry && changes.some(needsRestart)) {
    process.stderr.write("xenopsd reads its settings when it starts: systemctl restart xenopsd-xc\n");
  }
}

function tellUninstalled(changes: readonly Change[], isDry: boolean): void {
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
    // What is to be replaced stands above, as another program.
    const absent = missing.filter((change) => change.kind === "entry" || !change.replaces);
    for (const change of absent) process.stdout.write(`missing    ${wordsOf(change)}\n`);
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
