import { spawnSync } from "node:child_process";

/** Runs a program of the system and answers what it prints. @throws Error with its words, or naming its package */
export function call(program: string, args: readonly string[], debianPackage: string, input = ""): string {
  // The tools are in /sbin, which not every user's PATH names.
  const env = { ...process.env, LC_ALL: "C", PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  const done = spawnSync(program, args, { input, env, encoding: "latin1", maxBuffer: 256 * 1024 * 1024 });
  if (done.error !== undefined && "code" in done.error && done.error.code === "ENOENT") {
    throw new Error(`${program} is missing; it is in Debian's ${debianPackage}: apt-get install ${debianPackage}`);
  }
  if (done.status !== 0) throw new Error(`${program} ${args.join(" ")} (${done.status ?? "killed"}): ${done.stderr}`);
  return done.stdout;
}
