import { execFileSync } from "node:child_process";
import builtin, * as fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { entryOf, withEntry, withoutEntry } from "../../src/pipeline/host-conf.ts";
import { installOnHost, uninstallFromHost } from "../../src/pipeline/host-install.ts";
import { planInstall } from "../../src/pipeline/host-plan.ts";
import { surveyHost } from "../../src/pipeline/host-survey.ts";
import { temporaryFolder } from "../program.ts";

const PROGRAM = "/usr/bin/guestboot";

let root: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  root = temporaryFolder();
  put("usr/bin/guestboot", "ours");
  // Every host has it; an installation that is killed while it makes it would leave it.
  fs.mkdirSync(at("var/lib"), { recursive: true });
});
afterEach(() => {
  root[Symbol.dispose]();
});

const at = (file: string) => path.join(root.path, file);

function put(file: string, text: string, mode = 0o755): void {
  fs.mkdirSync(path.dirname(at(file)), { recursive: true });
  fs.writeFileSync(at(file), text, { mode });
}

/** Every file as GNU find sees it: type, mode, owner, times, links, and the contents' digests. */
function tree(): string {
  const format = "%P %y %m %U:%G %l %i %n\n";
  const listed = execFileSync("find", [root.path, "-mindepth", "1", "-printf", format], { encoding: "utf8" });
  const sums = execFileSync("find", [root.path, "-type", "f", "-exec", "sha256sum", "{}", "+"], { encoding: "utf8" });
  return [...listed.split("\n"), ...sums.split("\n")].sort().join("\n");
}

const HOSTS: Readonly<Record<string, () => void>> = {
  "XCP-ng 8.3: the wrapper's fixed path, no eliloader": () => {
    put("usr/libexec/xen/bin/pygrub", "upstream");
    put("usr/lib64/xen/bin/pygrub-wrapper", "wrapper");
    put(
      "etc/xenopsd.conf",
      "# Path to eliloader\n# eliloader=/usr/bin/eliloader\npygrub=/usr/lib64/xen/bin/pygrub-wrapper",
      0o640,
    );
  },
  "XenServer 7: both programs": () => {
    put("usr/lib64/xen/bin/pygrub", "upstream");
    put("opt/xensource/libexec/eliloader", "theirs", 0o555);
    put("etc/xenopsd.conf", "pygrub=/usr/lib64/xen/bin/pygrub\neliloader=/opt/xensource/libexec/eliloader\n");
  },
  "Debian with xl": () => {
    put("usr/lib/xen-4.17/bin/pygrub", "upstream");
    fs.symlinkSync("../lib/xen-4.17/bin/pygrub", at("usr/bin/pygrub"));
  },
  "entries that lead nowhere": () => {
    put("etc/xenopsd.conf", "pygrub = /gone/pygrub\neliloader=eliloader\nlog=syslog:xenopsd\n", 0o600);
  },
  "an entry that leads nowhere, beside a program that nobody runs": () => {
    put("usr/lib64/xen/bin/pygrub", "upstream");
    put("etc/xenopsd.conf", "pygrub=/usr/lib64/xen/bin/pygrub-wrapper # gone with an update\n");
  },
  "fragments that name programs": () => {
    put("etc/xenopsd.conf", "pygrub=/usr/libexec/xen/bin/pygrub\n");
    put("usr/libexec/xen/bin/pygrub", "upstream");
    put("srv/mine/pygrub", "mine");
    put("srv/mine/eliloader", "mine");
    put("etc/xenopsd.conf.d/loaders", "pygrub = '/srv/mine/pygrub'\neliloader=/srv/mine/eliloader # ours\n");
  },
  "fragments that lead nowhere": () => {
    put("etc/xenopsd.conf", "# nothing\n");
    put("etc/xenopsd.conf.d/10-pygrub.conf", "pygrub=/srv/mine/pygrub\n");
    put("etc/xenopsd.conf.d/20-eliloader.conf", "eliloader=eliloader\n");
    fs.mkdirSync(at("usr/bin"), { recursive: true });
  },
  "a fragment and no xenopsd.conf": () => {
    put("etc/xenopsd.conf.d/pci.conf", "xen-platform-pci-bar-uc=false\n");
    put("usr/lib64/xen/bin/pygrub", "upstream");
  },
};

describe.each(Object.entries(HOSTS))("on %s", (_name, make) => {
  beforeEach(make);

  it("an installation makes every loader ours, and undoing it leaves no trace", () => {
    const before = tree();
    expect(installOnHost(root.path, PROGRAM)).not.toEqual([]);
    const survey = surveyHost(root.path, PROGRAM);
    expect(survey.places.filter(({ holds }) => holds === "another")).toEqual([]);
    expect(planInstall(survey)).toEqual([]);
    uninstallFromHost(root.path);
    expect(tree()).toBe(before);
  });

  it("a second installation changes nothing", () => {
    const before = tree();
    installOnHost(root.path, PROGRAM);
    const once = tree();
    expect(installOnHost(root.path, PROGRAM)).toEqual([]);
    expect(tree()).toBe(once);
    uninstallFromHost(root.path);
    expect(tree()).toBe(before);
  });
});

const STEPS = [
  "mkdirSync",
  "rmSync",
  "rmdirSync",
  "symlinkSync",
  "linkSync",
  "openSync",
  "renameSync",
  "writeFileSync",
  "chownSync",
  "chmodSync",
] as const;

/** An installation after whose first `allowed` steps nothing more happens, as if killed. @returns false: it came to its end */
function installUpTo(allowed: number): boolean {
  const real = STEPS.map((step) => [step, builtin[step]] as const);
  const outcome = { left: allowed, isDead: false };
  for (const [step, call] of real) {
    const dying = (...args: readonly unknown[]): unknown => {
      outcome.isDead ||= outcome.left-- <= 0;
      if (outcome.isDead) throw new Error("killed");
      return Reflect.apply(call, fs, args);
    };
    Object.assign(builtin, { [step]: dying });
  }
  syncBuiltinESMExports();
  try {
    installOnHost(root.path, PROGRAM);
  } catch (error) {
    if (!outcome.isDead) throw error;
  } finally {
    Object.assign(builtin, Object.fromEntries(real));
    syncBuiltinESMExports();
  }
  return outcome.isDead;
}

it("killed before any step, an installation of links and entries can be undone, and done again", () => {
  HOSTS["XCP-ng 8.3: the wrapper's fixed path, no eliloader"]?.();
  const before = tree();
  let steps = 0;
  for (let allowed = 0; ; allowed += 1) {
    const killed = installUpTo(allowed);
    if (!killed) break;
    steps += 1;
    expect(steps).toBeLessThan(60);
    uninstallFromHost(root.path);
    expect(tree(), `killed after ${allowed} steps`).toBe(before);
    installUpTo(allowed);
    installOnHost(root.path, PROGRAM);
    expect(planInstall(surveyHost(root.path, PROGRAM))).toEqual([]);
    uninstallFromHost(root.path);
    expect(tree(), `killed after ${allowed} steps, then done`).toBe(before);
  }
  expect(steps).toBeGreaterThan(4);
});

it("an update of the host that puts its own program back is seen, and stays at an undoing", () => {
  put("usr/libexec/xen/bin/pygrub", "old");
  installOnHost(root.path, PROGRAM);
  put("new", "new");
  fs.renameSync(at("new"), at("usr/libexec/xen/bin/pygrub"));
  const again = planInstall(surveyHost(root.path, PROGRAM));
  expect(again).toMatchObject([{ kind: "link", path: "/usr/libexec/xen/bin/pygrub" }]);
  installOnHost(root.path, PROGRAM);
  uninstallFromHost(root.path);
  expect(fs.readFileSync(at("usr/libexec/xen/bin/pygrub"), "utf8")).toBe("new");
  expect(fs.readdirSync(at("usr/libexec/xen/bin"))).toEqual(["pygrub"]);
});

it("an admin's own edit of xenopsd.conf is kept at an undoing", () => {
  put("etc/xenopsd.conf", "eliloader = /gone\n");
  installOnHost(root.path, PROGRAM);
  fs.appendFileSync(at("etc/xenopsd.conf"), "simulate=false\n");
  uninstallFromHost(root.path);
  expect(fs.readFileSync(at("etc/xenopsd.conf"), "utf8")).toBe("eliloader = /gone\nsimulate=false\n");
  expect(fs.readdirSync(at("etc"))).toEqual(["xenopsd.conf"]);
});

/** What a plan has changed or made, without the folders of our own. */
const planned = () => planInstall(surveyHost(root.path, PROGRAM)).map((change) => change.path);

describe("fragments in xenopsd.conf.d", () => {
  it("are read after xenopsd.conf in the order of their names, whatever they are called, and the last one counts", () => {
    put("etc/xenopsd.conf", "eliloader=/a/eliloader\n");
    put("etc/xenopsd.conf.d/B.conf", "eliloader=/b/eliloader\n");
    put("etc/xenopsd.conf.d/a.conf", "eliloader=/c/eliloader\n");
    put("etc/xenopsd.conf.d/a.conf.rpmsave", 'eliloader="/d/eliloader"\n#eliloader=/e/eliloader\n');
    for (const each of ["a", "b", "c", "d", "e"]) put(`${each}/eliloader`, "theirs");
    expect(planned()).toContain("/d/eliloader");
    expect(planned().filter((each) => /^\/[abce]\//.test(each))).toEqual([]);
  });

  it("are never written to, nor is anything put beside them, which xenopsd would read", () => {
    HOSTS["fragments that lead nowhere"]?.();
    const fragments = () => execFileSync("grep", ["-r", "", at("etc/xenopsd.conf.d")], { encoding: "utf8" });
    const before = fragments();
    installOnHost(root.path, PROGRAM);
    expect(fragments()).toBe(before);
    for (const each of ["srv/mine/pygrub", "usr/bin/eliloader"]) expect(fs.readlinkSync(at(each))).toBe(PROGRAM);
    expect(fs.readFileSync(at("etc/xenopsd.conf"), "utf8")).toBe("# nothing\n");
  });

  it("written after the installation are seen as what undoes it", () => {
    HOSTS["XCP-ng 8.3: the wrapper's fixed path, no eliloader"]?.();
    installOnHost(root.path, PROGRAM);
    expect(planned()).toEqual([]);
    put("srv/mine/eliloader", "mine");
    put("etc/xenopsd.conf.d/mine.conf", "eliloader=/srv/mine/eliloader\n");
    expect(planned()).toEqual(["/srv/mine/eliloader"]);
    installOnHost(root.path, PROGRAM);
    expect(planned()).toEqual([]);
    uninstallFromHost(root.path);
    expect(fs.readFileSync(at("srv/mine/eliloader"), "utf8")).toBe("mine");
  });
});

it("an entry of xenopsd.conf is set and taken back to the byte", () => {
  for (const conf of ["", "a=1", "a=1\n", "pygrub=/x\n# pygrub=/y\n  pygrub = /z", "\n\n"]) {
    const set = withEntry(conf, "pygrub", "/ours");
    expect(entryOf(set, "pygrub")).toBe("/ours");
    expect(withoutEntry(set, "pygrub", "/ours")).toBe(conf);
  }
});
