/**
 * A datagram socket of Python's in the system log's place.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as path from "node:path";
import { setTimeout as wait } from "node:timers/promises";

export interface LogReceiver extends Disposable {
  /** What has come, a message a line, once something matches `last`. */
  messages(last: RegExp): Promise<string[]>;
  text(): string;
  clear(): void;
}

/** Priority, time, program, subject, step, milliseconds, words. */
export const SYSLOG =
  /^<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (\w+)\[\d+\]: (?:VM )?([\w()-]+): ([a-z ]+) \(([\d.]+) ms\)(.*)$/;

/** One message a line, as it came; "ready" first. */
const RECEIVER = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
out = open(sys.argv[2], "ab", 0)
print("ready", flush=True)
while True: out.write(s.recv(65536) + b"\\n")`;

export function logSocket(folder: string): string {
  return path.join(folder, "log");
}

export async function startLogReceiver(folder: string): Promise<LogReceiver> {
  const file = path.join(folder, "messages");
  const receiver = spawn("python3", ["-c", RECEIVER, logSocket(folder), file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(receiver.stdout, "data");
  const text = () => fs.readFileSync(file, "utf8");
  return {
    text,
    clear: () => fs.truncateSync(file),
    async messages(last) {
      for (let tries = 0; tries < 500; tries += 1) {
        const lines = text().split("\n").slice(0, -1);
        if (lines.some((line) => last.test(line))) return lines;
        await wait(10);
      }
      throw new Error(`no message like ${String(last)}: ${text()}`);
    },
    [Symbol.dispose]: () => void receiver.kill(),
  };
}
