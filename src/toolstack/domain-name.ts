/**
 * Which guest libxl starts. It names none; but the file that it wants the answer in is `…/bootloader.N.out`, and
 * xenstore has the name of domain N (xenstore-read(1)).
 */

const LONGEST_NAME = 1024;
const SECONDS = 5;

/** The number of the domain that is being built, from `--output`; null when the path is not libxl's. */
export function domainOf(output: string | null): number | null {
  const number = /(?:^|\/)bootloader\.(\d{1,5})\.out$/.exec(output ?? "")?.[1];
  return number === undefined ? null : Number(number);
}

/**
 * The guest's name; null where xenstore does not say (no Xen here, a restricted user, nothing in time): the guest is
 * then booted as one that has no record.
 * @param program for tests
 */
export function nameOfDomain(domain: number, program = "xenstore-read"): string | null {
  // Not `import`: this file may be in the start-up snapshot, where builtins are only to be had like this.
  const { spawnSync } = process.getBuiltinModule("node:child_process");
  const done = spawnSync(program, [`/local/domain/${domain}/name`], {
    encoding: "utf8",
    timeout: SECONDS * 1000,
    maxBuffer: LONGEST_NAME,
    killSignal: "SIGKILL",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const name = done.status === 0 && done.error === undefined ? done.stdout.replace(/\n$/, "") : "";
  return name === "" || /[\0-\x1f\x7f]/.test(name) ? null : name;
}
