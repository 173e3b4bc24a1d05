import * as fs from "node:fs";
import * as path from "node:path";
import { expect, it } from "vitest";
import { readSettings } from "../../src/base/settings.ts";
import {
  checkBootFolder,
  checkCache,
  checkClock,
  checkKeyrings,
  checkLoaders,
  checkLogger,
  checkNfs,
  checkPrograms,
  checkToolstack,
} from "../../src/pipeline/host-doctor.ts";
import { temporaryFolder } from "../program.ts";
import { startSimulatedXapi } from "../xapi/simulated-xapi.ts";

it("finds programs by their right to be executed", () => {
  using folder = temporaryFolder();
  fs.writeFileSync(path.join(folder.path, "sh"), "", { mode: 0o755 });
  fs.writeFileSync(path.join(folder.path, "rm"), "", { mode: 0o644 });
  expect(checkPrograms(folder.path, ["sh"]).level).toBe("ok");
  const finding = checkPrograms(folder.path, ["sh", "rm"]);
  expect(finding).toMatchObject({ level: "failed", command: "command -v rm" });
  expect(checkNfs(folder.path).level).toBe("warning");
  expect(checkLogger(folder.path).level).toBe("warning");
});

it("a boot folder need not exist, but must be a folder", () => {
  using folder = temporaryFolder();
  expect(checkBootFolder(path.join(folder.path, "a/b")).level).toBe("ok");
  fs.writeFileSync(path.join(folder.path, "file"), "");
  expect(checkBootFolder(path.join(folder.path, "file")).level).toBe("failed");
});

it("the cache is written to and left as it was", () => {
  using folder = temporaryFolder();
  expect(checkCache(folder.path).level).not.toBe("failed");
  expect(fs.readdirSync(folder.path)).toEqual([]);
  expect(checkCache("/proc/none").level).toBe("failed");
});

it("a clock of the past fails, and a host without keys is warned of", () => {
  expect(checkClock(new Date("1970-01-01")).level).toBe("failed");
  expect(checkClock(new Date("2027-01-01")).level).toBe("ok");
  using folder = temporaryFolder();
  expect(checkKeyrings([folder.path]).level).toBe("warning");
});

it("xapi that answers is well; one that is not there, or refuses the login, is a failure in words", async () => {
  using folder = temporaryFolder();
  const socket = path.join(folder.path, "xapi");
  const ask = async (where: string) => {
    const { toolstack, stateFolder } = await readSettings({ GUESTBOOT_XAPI_SOCKET: where }, "/nowhere/guestboot.conf");
    return checkToolstack({ toolstack, stateFolder });
  };
  await using xapi = await startSimulatedXapi({ socket });
  expect(await ask(socket)).toEqual({
    check: "toolstack",
    level: "ok",
    found: `xapi answers at ${socket}`,
    command: null,
  });
  expect(xapi.database.sessions.size).toBe(0);
  const gone = await ask(path.join(folder.path, "gone"));
  expect(gone).toMatchObject({ level: "failed", command: "systemctl status xapi" });
  expect(gone.found).toContain(path.join(folder.path, "gone"));
  xapi.database.master = "10.0.0.1";
  const slave = await ask(socket);
  expect(slave.level).toBe("failed");
  expect(slave.found).toContain("10.0.0.1");
});

it("without xapi, records are in files; run by Node, no loader can be looked for", async () => {
  const { toolstack } = await readSettings({ GUESTBOOT_STORE: "file" }, "/nowhere/guestboot.conf");
  const finding = await checkToolstack({ toolstack, stateFolder: "/var/lib/guestboot" });
  expect(finding).toMatchObject({ level: "ok", found: "VM records are files in /var/lib/guestboot" });
  expect(checkLoaders(null)).toMatchObject({ level: "warning", command: "npm run build" });
});

it("says which loader another program is, and how to change that", () => {
  using root = temporaryFolder();
  fs.mkdirSync(path.join(root.path, "usr/bin"), { recursive: true });
  expect(checkLoaders("/usr/bin/guestboot", root.path).level).toBe("ok");
  fs.writeFileSync(path.join(root.path, "usr/bin/pygrub"), "theirs");
  const finding = checkLoaders("/usr/bin/guestboot", root.path);
  expect(finding).toMatchObject({ level: "warning", command: "guestboot host install" });
  expect(finding.found).toContain("/usr/bin/pygrub");
});
