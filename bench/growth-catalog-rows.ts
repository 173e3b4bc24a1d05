/**
 * The rows of the benchmark about how cost grows with the catalog: a family of an admin's own, in an /etc of each
 * command's own, so that the machine's is not touched.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { DEBIAN_INSTALLER } from "../fixtures/debian-installer.ts";
import { startNginx } from "../fixtures/nginx.ts";
import type { Command } from "./measure.ts";
import { growth, type Row, type Setting } from "./row.ts";

const FAMILY = "madeup";
/** MB, as in the row about the catalog: trees are looked at side by side. */
const CHECK_MEMORY_BAR_MB = 512;

export async function measureCatalogGrowth({ folder, dist, runs, isShort }: Setting): Promise<Row[]> {
  const root = folder("mirror");
  const layouts = isShort ? [10, 100] : [10, 100, 1000];
  makeTrees(root, Math.max(...layouts));
  await using nginx = await startNginx({ root });
  const each = (argv: readonly string[], name: string) =>
    layouts.map((count) => {
      const file = path.join(folder(`${name}-${count}`), `${FAMILY}.json`);
      fs.writeFileSync(file, JSON.stringify(family(count)));
      const size = `${count.toLocaleString("en")} layouts`;
      return { size, command: inOwnEtc(`${name}, ${size}`, file, [path.join(dist, "guestboot"), ...argv]) };
    });
  const resolve = ["resolve", nginx.url, "--distro", FAMILY, "--release", nameOf(0), "--arch", "amd64"];
  const check = ["layouts", "check", "--all", "--quiet", "--mirror", `${FAMILY}=${nginx.url}`];
  return [
    ...growth("resolve, catalog", each(resolve, "resolve"), runs),
    ...growth("layouts check", each(check, "check"), runs, CHECK_MEMORY_BAR_MB),
  ];
}

const nameOf = (release: number) => `release-${release}`;

/** As many releases, with one layout on one architecture each. */
function family(count: number) {
  return {
    family: FAMILY,
    arches: { amd64: "amd64" },
    rounds: 1,
    installers: { madeup: { network: "repo={repository}", cdrom: null, graphical: null, password: null } },
    installer: "madeup",
    layouts: [
      {
        name: "madeup",
        flavour: "generic",
        kernel: "{release}/vmlinuz",
        ramdisks: ["{release}/initrd.gz"],
        installer: "madeup",
      },
    ],
    releases: Array.from({ length: count }, (_, index) => ({ release: nameOf(index) })),
  };
}

function makeTrees(root: string, count: number): void {
  for (let index = 0; index < count; index++) {
    const folder = path.join(root, nameOf(index));
    fs.mkdirSync(folder);
    fs.symlinkSync(DEBIAN_INSTALLER.kernel, path.join(folder, "vmlinuz"));
    fs.symlinkSync(DEBIAN_INSTALLER.initrd, path.join(folder, "initrd.gz"));
  }
}

function inOwnEtc(name: string, file: string, argv: readonly string[]): Command {
  const script =
    'mount -t tmpfs none /etc && mkdir -p /etc/guestboot/distros.d && cp "$1" /etc/guestboot/distros.d/ && shift && exec "$@"';
  return { name, argv: ["unshare", "--mount", "/bin/sh", "-c", script, "sh", file, ...argv] };
}
