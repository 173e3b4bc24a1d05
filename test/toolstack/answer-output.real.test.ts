import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openAnswerOutput } from "../../src/toolstack/answer-output.ts";
import { RUNTIME_FLAGS } from "../../src/cli/runtime-flags.js";

const PYTHON = "/usr/bin/python3";
let folder = "";
let fifo = "";
const children: ChildProcess[] = [];

beforeAll(() => {
  if (!existsSync(PYTHON)) throw new Error(`${PYTHON} is missing: apt-get install python3`);
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "guestboot-fifo-"));
  fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a shell with the FIFO as $1 and a file for what it read as $2. */
function reader(script: string): { done: Promise<void>; result: string } {
  const result = join(folder, "result");
  const child = spawn("/bin/sh", ["-c", script, "sh", fifo, result], { stdio: "ignore" });
  children.push(child);
  return { result, done: new Promise((resolve) => child.once("exit", () => resolve())) };
}

function answerOf(length: number): Buffer {
  return Buffer.from("0123456789abcdef".repeat(length / 16));
}

describe("an answer to a FIFO", () => {
  it("waits for a reader that comes late", async () => {
    const { done, result } = reader('sleep 0.3; cat "$1" > "$2"');
    const output = openAnswerOutput(fifo);
    output.write(Buffer.from("linux (kernel /k)\n"));
    output.close();
    await done;
    expect(readFileSync(result, "utf8")).toBe("linux (kernel /k)\n");
  });

  it("comes whole through a pipe that is smaller, to a reader that is slow", async () => {
    const answer = answerOf(1024 * 1024);
    const { done, result } = reader('exec 3< "$1"; sleep 0.3; cat <&3 > "$2"');
    const output = openAnswerOutput(fifo);
    output.write(answer);
    output.close();
    await done;
    expect(readFileSync(result).equals(answer)).toBe(true);
  });

  it("gives up when nobody opens it", () => {
    const start = performance.now();
    expect(() => openAnswerOutput(fifo, { timeoutSeconds: 0.2 })).toThrow(
      expect.objectContaining({
        code: "OUTPUT_FAILED",
        message: `${fifo}: nobody opened this FIFO for reading in 0.2 s`,
      }),
    );
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it("gives up when the reader reads nothing", () => {
    reader('exec 3< "$1"; sleep 20');
    using output = openAnswerOutput(fifo, { timeoutSeconds: 0.3 });
    expect(() => output.write(answerOf(1024 * 1024))).toThrow(/the reader took \d+ of 1048576 bytes and then nothing/);
  });

  it("says so when the reader went away", async () => {
    const { done } = reader('exec 3< "$1"');
    using output = openAnswerOutput(fifo);
    await done;
    expect(() => output.write(Buffer.from("x"))).toThrow(
      expect.objectContaining({
        code: "OUTPUT_FAILED",
        message: `the answer cannot be written to ${fifo}: the reader went away`,
      }),
    );
  });
});

describe("an answer elsewhere", () => {
  it("is refused at once when the path is a socket", async () => {
    const path = join(folder, "socket");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    try {
      expect(() => openAnswerOutput(path)).toThrow(expect.objectContaining({ code: "OUTPUT_FAILED" }));
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it("comes whole through a standard output that takes a little at a time", () => {
    const module = join(import.meta.dirname, "../../src/toolstack/answer-output.ts");
    // Python makes the pipe non-blocking, as the loader's caller may have done to its own end.
    const script = `
import os, subprocess, sys, time
r, w = os.pipe()
os.set_blocking(w, False)
child = subprocess.Popen(sys.argv[1:], stdout=w)
os.close(w)
time.sleep(0.3)
data = b""
while True:
    part = os.read(r, 65536)
    if not part: break
    data += part
sys.exit(0 if child.wait() == 0 and data == b"0123456789abcdef" * 65536 else 1)
`;
    const code = `const { openAnswerOutput } = await import(${JSON.stringify(module)});
      openAnswerOutput("-").write(Buffer.from("0123456789abcdef".repeat(65536)));`;
    const result = spawnSync(
      "/usr/bin/python3",
      ["-c", script, process.execPath, ...RUNTIME_FLAGS, "--input-type=module", "-e", code],
      {
        encoding: "utf8",
      },
    );
    expect([result.status, result.stderr]).toEqual([0, ""]);
  });
});
