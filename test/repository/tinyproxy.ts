/** Debian's tinyproxy on a loopback port: a real HTTP proxy. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { connect, createServer } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as wait } from "node:timers/promises";

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
      const ended = once(server, "exit");
      server.kill("SIGTERM");
      await ended;
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

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}
