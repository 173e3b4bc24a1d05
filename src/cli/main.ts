/**
 * The program under its three names. Nothing is decided here but which command's file is loaded: each is loaded only
 * when it is asked for, since starting is most of what a boot loader does.
 */
import * as path from "node:path";
import { endProcess } from "../base/end.ts";
import { version } from "../base/program.ts";

/** Runs the command line and ends the process. Not by returning: see `endProcess`. */
export async function main(): Promise<never> {
  endProcess(await run(programName(), process.argv.slice(2)));
}

/** The name we were called by: a link called `pygrub` or `eliloader`, or our own. */
function programName(): string {
  return path.basename(process.argv0);
}

/** Runs one of the programs. @returns the status to end with */
export async function run(program: string, argv: readonly string[]): Promise<number> {
  switch (program) {
    case "pygrub":
      return (await import("./pygrub.ts")).runPygrub(argv);
    case "eliloader":
      return (await import("./eliloader.ts")).runEliloader(argv);
    default:
      return runGuestboot(argv);
  }
}

async function runGuestboot(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv;
  switch (first) {
    case "--version":
      process.stdout.write(`guestboot ${version()}\n`);
      return 0;
    case undefined:
    case "help":
    case "-h":
    case "--help":
      return (await import("./help.ts")).runHelp(first === undefined ? null : (rest[0] ?? "guestboot"));
    case "boot":
      return (await import("./boot.ts")).runBoot(rest);
    case "resolve":
      return (await import("./resolve.ts")).runResolve(rest);
    case "fetch":
      return (await import("./fetch.ts")).runFetch(rest);
    case "entries":
      return (await import("./entries.ts")).runEntries(rest);
    case "patch":
      return (await import("./patch.ts")).runPatch(rest);
    case "ls":
      return (await import("./ls.ts")).runLs(rest);
    case "cat":
      return (await import("./cat.ts")).runCat(rest);
    case "inspect":
      return (await import("./inspect.ts")).runInspect(rest);
    case "layouts":
      return (await import("./layouts.ts")).runLayouts(rest);
    case "cache":
      return (await import("./cache.ts")).runCache(rest);
    case "prestage":
      return (await import("./prestage.ts")).runPrestage(rest);
    case "vm":
      return (await import("./vm.ts")).runVm(rest);
    case "host":
      return (await import("./host.ts")).runHost(rest);
    case "doctor":
      return (await import("./doctor.ts")).runDoctor(rest);
    default:
      // libxl sends no command word: options first mean a loader.
      if (first.startsWith("-")) return (await import("./boot.ts")).runBoot(argv);
      return (await import("./help.ts")).unknownCommand(first);
  }
}
