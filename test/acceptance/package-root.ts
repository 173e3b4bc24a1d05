/**
 * A root folder in which packages are installed, their scripts run, and the program starts, by chroot: busybox's shell,
 * systemctl, a toolstack's pygrub, and the libraries that a program is given.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { ROOT, run, start, type Ended } from "../program.ts";

/** Where the root has upstream's loader, and what it holds. */
export const UPSTREAM_PYGRUB = "usr/libexec/xen/bin/pygrub";
export const UPSTREAM_TEXT = "upstream's\n";

/** The builds' date: without one, the packages' files are as old as time. */
const SOURCE_DATE_EPOCH = "1700000000";
const MOST_MILLISECONDS = 240_000;

/**
 * Without compression, which is most of a build's time.
 *
 * @param umask of whoever builds
 * @returns the package's file, in `folder`
 */
export async function buildPackage(kind: "deb" | "rpm" | "portable", folder: string, umask = "022"): Promise<string> {
  fs.mkdirSync(folder, { recursive: true });
  const node = path.join(ROOT, "node_modules/.bin/node");
  const command = [node, path.join(ROOT, "scripts/package.ts"), kind, "--fast", "--output", folder];
  const shell = ["sh", "-c", `umask ${umask} && exec "$@"`, "sh", ...command];
  const built = await start("/usr/bin/env", ["-u", "NODE_OPTIONS", ...shell], { SOURCE_DATE_EPOCH }, MOST_MILLISECONDS);
  if (built.status !== 0) throw new Error(built.stderr);
  return built.stdout.trim();
}

/** @param libraries programs of this machine whose libraries the root has at the same paths */
export function makePackageRoot(root: string, libraries: readonly string[]): void {
  for (const folder of ["bin", "dev", "tmp", "usr/bin", "var/run", "var/lib", "var/cache", "opt"]) {
    fs.mkdirSync(path.join(root, folder), { recursive: true });
  }
  execFileSync("mknod", ["-m", "666", path.join(root, "dev/null"), "c", "1", "3"]);
  fs.copyFileSync("/bin/busybox", path.join(root, "bin/busybox"));
  fs.chmodSync(path.join(root, "bin/busybox"), 0o755);
  for (const name of ["sh", "rm", "sync"]) fs.symlinkSync("busybox", path.join(root, "bin", name));
  fs.copyFileSync("/usr/bin/systemctl", path.join(root, "usr/bin/systemctl"));
  for (const library of librariesOf(["/usr/bin/systemctl", ...libraries])) {
    const copy = path.join(root, library);
    fs.mkdirSync(path.dirname(copy), { recursive: true });
    fs.copyFileSync(library, copy);
    fs.chmodSync(copy, 0o755);
  }
  const upstream = path.join(root, UPSTREAM_PYGRUB);
  fs.mkdirSync(path.dirname(upstream), { recursive: true });
  fs.writeFileSync(upstream, UPSTREAM_TEXT, { mode: 0o755 });
}

export function runIn(root: string, program: string, args: readonly string[] = []): Ended {
  return run("chroot", [root, program, ...args], { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", SYSTEMD_OFFLINE: "1" });
}

/**
 * All that is there but folders, and the folders that are named after us: type, mode, owner, size, link.
 *
 * @param database the package tool's own, which is left out
 */
export function contentsOf(root: string, database: string): readonly string[] {
  const wanted = ["(", "-not", "-type", "d", "-o", "-path", `${root}/*/guestboot*`, ")"];
  const format = "%P %y %m %U:%G %s %l\n";
  const found = execFileSync("find", [root, ...wanted, "-printf", format], { encoding: "utf8" });
  return found
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith(database))
    .sort();
}

function librariesOf(programs: readonly string[]): ReadonlySet<string> {
  return new Set(
    programs.flatMap((program) => {
      const told = execFileSync("ldd", [program], { encoding: "utf8" });
      return [...told.matchAll(/(\/\S+) \(0x/g)].map(([, file = ""]) => file);
    }),
  );
}
