/**
 * `guestboot host` as an admin types it, on a host's files below a folder.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { withLock } from "../../src/base/lock.ts";
import { DIST, programPath, run, runNode, start, temporaryFolder } from "../program.ts";

const PYGRUB = "/usr/libexec/xen/bin/pygrub";
const OURS = "/usr/bin/guestboot";
const LOCK = "/var/run/guestboot-host.lock";

let root: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  root = temporaryFolder();
  put(OURS, "ours");
  put(PYGRUB, "upstream");
  put("/etc/xenopsd.conf", "pygrub=/usr/libexec/xen/bin/pygrub\n");
});
afterEach(() => root[Symbol.dispose]());

const at = (file: string) => path.join(root.path, file);

function put(file: string, text: string): void {
  fs.mkdirSync(path.dirname(at(file)), { recursive: true });
  fs.writeFileSync(at(file), text, { mode: 0o755 });
}

const ARGUMENTS = () => ["--root", root.path, "--program", OURS];
const host = (...args: string[]) => run(programPath("guestboot"), ["host", ...args, ...ARGUMENTS()]);

/** What an installation has to do on this host: pygrub is there, and nothing is for eliloader. */
const CHANGES = [
  { kind: "link", path: PYGRUB, target: OURS, replaces: true },
  { kind: "link", path: "/usr/libexec/guestboot/eliloader", target: OURS, replaces: false },
  { kind: "entry", path: "/etc/xenopsd.conf", key: "eliloader", value: "/usr/libexec/guestboot/eliloader" },
];

describe("guestboot host", () => {
  it("tells of a fragment that has xenopsd run something else, makes it lead to us, and puts that back", () => {
    put("/etc/xenopsd.conf.d/mine.conf", "pygrub=/srv/mine/pygrub\neliloader=/srv/gone/eliloader\n");
    put("/srv/mine/pygrub", "mine");
    const before = host("status");
    expect(before.status).toBe(1);
    expect(before.stdout).toMatch(/^pygrub +another program +\/srv\/mine\/pygrub$/m);
    expect(before.stdout).toMatch(/^missing +\/srv\/gone\/eliloader becomes a link to /m);
    expect(host("install")).toMatchObject({ status: 0, stderr: "" });
    expect(host("status")).toMatchObject({ status: 0, stderr: "" });
    for (const each of ["/srv/mine/pygrub", "/srv/gone/eliloader"]) expect(fs.readlinkSync(at(each))).toBe(OURS);
    expect(host("uninstall")).toMatchObject({ status: 0, stderr: "" });
    expect(fs.readFileSync(at("/srv/mine/pygrub"), "utf8")).toBe("mine");
    expect(fs.existsSync(at("/srv/gone"))).toBe(false);
  });

  it("tells in words what it would change, changes it, and puts it back", () => {
    const dry = host("install", "--dry-run");
    expect(dry).toMatchObject({ status: 0, stderr: "" });
    expect(dry.stdout).toBe(
      `${PYGRUB} becomes a link to ${OURS}; the program that is there now is kept as ${PYGRUB}.before-guestboot
/usr/libexec/guestboot/eliloader becomes a link to ${OURS}
/etc/xenopsd.conf: eliloader = /usr/libexec/guestboot/eliloader
`,
    );
    expect(fs.readFileSync(at(PYGRUB), "utf8")).toBe("upstream");
    const installed = host("install");
    expect(installed).toMatchObject({ status: 0, stdout: dry.stdout });
    expect(installed.stderr).toContain("systemctl restart xenopsd-xc");
    expect(fs.readlinkSync(at(PYGRUB))).toBe(OURS);
    expect(host("install")).toMatchObject({ status: 0, stdout: "nothing to change\n", stderr: "" });
    expect(host("uninstall", "--dry-run").stdout).toContain(`${PYGRUB} would be as it was\n`);
    expect(fs.readlinkSync(at(PYGRUB))).toBe(OURS);
    expect(host("uninstall")).toMatchObject({ status: 0, stderr: "" });
    expect(fs.readFileSync(at(PYGRUB), "utf8")).toBe("upstream");
    expect(host("uninstall")).toMatchObject({ status: 0, stdout: "nothing was installed\n" });
  });

  it("tells the same as JSON", () => {
    expect(JSON.parse(host("install", "--dry-run", "--json").stdout)).toEqual({ dryRun: true, changes: CHANGES });
    expect(fs.readFileSync(at(PYGRUB), "utf8")).toBe("upstream");
    expect(JSON.parse(host("install", "--json").stdout)).toEqual({ dryRun: false, changes: CHANGES });
    expect(JSON.parse(host("install", "--json").stdout)).toEqual({ dryRun: false, changes: [] });
    expect(JSON.parse(host("uninstall", "--dry-run", "--json").stdout)).toEqual({ dryRun: true, changes: CHANGES });
    expect(JSON.parse(host("uninstall", "--json").stdout)).toEqual({ dryRun: false, changes: CHANGES });
    expect(JSON.parse(host("uninstall", "--json").stdout)).toEqual({ dryRun: false, changes: [] });
  });

  it("status: 1 before, 0 after, and 1 when an update has put the host's own program back", () => {
    const before = host("status");
    expect(before.status).toBe(1);
    expect(before.stdout).toMatch(/^pygrub +another program +\/usr\/libexec\/xen\/bin\/pygrub$/m);
    expect(before.stdout).toContain("guestboot host install makes this host use guestboot");
    host("install");
    const after = host("status");
    expect(after.status).toBe(0);
    expect(after.stdout).toMatch(/^pygrub +guestboot +\/usr\/libexec\/xen\/bin\/pygrub$/m);
    put("/new", "new");
    fs.renameSync(at("/new"), at(PYGRUB));
    const updated = host("status");
    expect(updated.status).toBe(1);
    expect(updated.stdout).toMatch(/^pygrub +put back by an update of the host +\/usr\/libexec\/xen\/bin\/pygrub$/m);
    const json: unknown = JSON.parse(host("status", "--json").stdout);
    expect(json).toMatchObject({ installed: false, program: OURS, missing: [CHANGES[0]] });
    expect(json).toMatchObject({ places: [{ loader: "pygrub", path: PYGRUB, state: "put back" }, {}] });
  });

  it("links to nothing that is not there to be executed", () => {
    fs.rmSync(at(OURS));
    const gone = host("install");
    expect(gone).toMatchObject({ status: 1, stdout: "" });
    expect(gone.stderr).toContain(`${OURS} is no executable file below ${root.path}: no guest would start`);
    // A link of an image leads to a file of the image, as the .rpm has it.
    put("/opt/guestboot/guestboot", "ours");
    fs.symlinkSync("/opt/guestboot/guestboot", at(OURS));
    expect(host("install")).toMatchObject({ status: 0 });
    expect(run(programPath("guestboot"), ["host", "install", "--root", root.path])).toMatchObject({ status: 1 });
  });

  it("makes an image of a host ready for a user who is not root", () => {
    for (const each of fs.readdirSync(root.path, { recursive: true, encoding: "utf8" }))
      fs.chownSync(at(each), 65534, 65534);
    fs.chownSync(root.path, 65534, 65534);
    // The checkout may lie where only root gets.
    fs.copyFileSync(programPath("guestboot"), at("program"));
    const command = ["--reuid=65534", "--regid=65534", "--clear-groups", at("program"), "host", "install"];
    const ended = run("setpriv", [...command, ...ARGUMENTS()], { TMPDIR: root.path });
    expect(ended.status, ended.stderr).toBe(0);
    expect(fs.readlinkSync(at(PYGRUB))).toBe(OURS);
  });

  it("run by Node, it asks for the executable", () => {
    programPath("guestboot");
    const launch = path.join(DIST, "launch.js");
    for (const verb of ["install", "status"]) {
      const refused = runNode([launch, "host", verb, "--root", root.path]);
      expect(refused).toMatchObject({ status: 2, stdout: "" });
      expect(refused.stderr).toContain("name the executable with --program FILE");
    }
    expect(fs.readFileSync(at(PYGRUB), "utf8")).toBe("upstream");
    expect(runNode([launch, "host", "install", ...ARGUMENTS()])).toMatchObject({ status: 0 });
    expect(fs.readlinkSync(at(PYGRUB))).toBe(OURS);
    // Nothing has to be known of a program to be undone.
    expect(runNode([launch, "host", "uninstall", "--root", root.path])).toMatchObject({ status: 0 });
    expect(fs.readFileSync(at(PYGRUB), "utf8")).toBe("upstream");
  });

  it.each([
    [["frobnicate"], "host cannot frobnicate: install, uninstall and status are known"],
    [[], "what to do with this host"],
    [["install", "--program", "guestboot"], "--program must be an absolute path"],
  ])("wrong usage ends with 2: %j", (args, words) => {
    const ended = run(programPath("guestboot"), ["host", ...args, "--root", root.path]);
    expect(ended).toMatchObject({ status: 2, stdout: "" });
    expect(ended.stderr).toContain(words);
  });

  it("waits while another installation is under way, and of several at once each ends well and one does the work", async () => {
    const install = () => start(programPath("guestboot"), ["host", "install", "--json", ...ARGUMENTS()]);
    const begun = await withLock(LOCK, async () => {
      const all = [install(), install(), install()];
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect(fs.readFileSync(at(PYGRUB), "utf8")).toBe("upstream");
      return all;
    });
    const ended = await Promise.all(begun);
    expect(ended.map(({ status }) => status)).toEqual([0, 0, 0]);
    const changes = ended.map(({ stdout }) => (JSON.parse(stdout) as { changes: unknown[] }).changes);
    expect(changes.filter(({ length }) => length > 0)).toEqual([CHANGES]);
    expect(host("uninstall").status).toBe(0);
    expect(fs.readFileSync(at(PYGRUB), "utf8")).toBe("upstream");
  });
});
