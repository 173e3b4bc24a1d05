/** Debian's tinyproxy on a loopback port: a real HTTP proxy. */
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { accepts, endServer, freePort } from "../../fixtures/loopback-server.ts";

export interface Tinyproxy extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** The requests so far, as `GET http://… HTTP/1.1` and `CONNECT host:port HTTP/1.1`. */
  requests(): string[];
}

const PROGRAM = "/usr/bin/tinyproxy";

/** @param lines for the configuration; tinyproxy.conf(5) */
export async function startTinyproxy(lines: readonly string[] = []): Promise<Tinyproxy> {
  if (!fs.existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: apt-get install tinyproxy-bin`);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-tinyproxy-"));
  const port = await freePort();
  const log = path.join(folder, "log");
  fs.writeFileSync(log, "");
  const config = path.join(folder, "tinyproxy.conf");
  const own = [
    `Port ${port}`,
    "Listen 127.0.0.1",
    "Timeout 30",
    `LogFile "${log}"`,
    "LogLevel Connect",
    "MaxClients 20",
  ];
  fs.writeFileSync(config, [...own, ...lines, ""].join("\n"));
  // A test that is killed cannot end its server, so the kernel does (prctl(2), PR_SET_PDEATHSIG).
  const server = spawn("setpriv", ["--pdeathsig", "TERM", PROGRAM, "-d", "-c", config], { stdio: "ignore" });
  if (!(await waitUntilReady(server, port))) {
    server.kill("SIGTERM");
    const complaints = fs.readFileSync(log, "utf8");
    fs.rmSync(folder, { recursive: true, force: true });
    throw new Error(`tinyproxy did not start: ${complaints}`);
  }
  return {
    host: `127.0.0.1:${port}`,
    requests: () =>
      [...fs.readFileSync(log, "utf8").matchAll(/Request \(file descriptor \d+\): (.*)/g)].map(
        (match) => match[1] ?? "",
      ),
    async [Symbol.asyncDispose]() {
      await endServer(server);
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function waitUntilReady(server: ChildProcess, port: number): Promise<boolean> {
  for (let tries = 0; tries < 500 && server.exitCode === null; tries += 1) {
    if (await accepts(port)) return true;
    await wait(10);
  }
  return false;
}
