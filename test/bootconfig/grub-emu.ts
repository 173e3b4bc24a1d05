/** GRUB itself, as the program `grub-emu`, on a terminal of its own. */
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";

const EMULATOR = "/usr/bin/grub-emu";
const SCRIPT = "/usr/bin/script";

function argumentsFor(folder: string): string[] {
  for (const [program, debianPackage] of [
    [EMULATOR, "grub-emu"],
    [SCRIPT, "bsdutils"],
  ] as const) {
    if (!fs.existsSync(program)) throw new Error(`${program} is missing: apt-get install ${debianPackage}`);
  }
  return ["-qec", `${EMULATOR} -d ${folder}`, "/dev/null"];
}

const plain = (text: string): string => text.replace(/\x1b\[[0-9;?]*[A-Za-z]|\r/g, "");

/** What it prints while it reads `grub.cfg` in a folder and what that leads to, until it ends by itself. */
export function emulate(folder: string): string {
  const run = spawnSync(SCRIPT, argumentsFor(folder), { encoding: "utf8", input: "", timeout: 60_000 });
  return plain(run.stdout);
}

/** The same until it has printed what is waited for, or 30 seconds have passed. @param input what a person types */
export function emulateUntil(folder: string, isEnough: RegExp, input = ""): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const run = spawn(SCRIPT, argumentsFor(folder), { stdio: ["pipe", "pipe", "ignore"] });
  // The terminal goes away with `script`, and the emulator with its terminal.
  const end = () => run.kill("SIGKILL");
  const timer = setTimeout(end, 30_000);
  let printed = "";
  run.stdout.setEncoding("utf8");
  run.stdout.on("data", (text: string) => {
    printed += text;
    if (isEnough.test(plain(printed))) end();
  });
  run.on("error", reject);
  run.on("close", () => {
    clearTimeout(timer);
    resolve(plain(printed));
  });
  run.stdin.on("error", () => undefined);
  run.stdin.end(input);
  return promise;
}
