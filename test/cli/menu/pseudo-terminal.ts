/**
 * Programs on a pseudo terminal: `Pty` byte by byte through a small Python program, `Tmux` as a person sees them.
 */
import { spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { environment, ROOT } from "../../program.ts";
import { RUNTIME_FLAGS } from "../../../src/cli/runtime-flags.js";

const PATIENCE_MS = 40_000;

/** `command` without what vitest's own runtime would hand on to it. */
function alone(command: readonly string[]): string[] {
  return ["/usr/bin/env", "-u", "NODE_OPTIONS", ...command];
}

/** The command that shows the menu by itself; see `menu-driver.ts`. */
export function driverCommand(folder: string, ...more: readonly string[]): string[] {
  const files = [folder, path.join(folder, "config.json"), path.join(folder, "result.json")];
  const driver = path.join(import.meta.dirname, "menu-driver.ts");
  return alone([path.join(ROOT, "node_modules/.bin/node"), ...RUNTIME_FLAGS, driver, ...files, ...more]);
}

export interface Mode {
  readonly canonical: boolean;
  readonly echo: boolean;
}

export interface Pty extends Disposable {
  /** Everything that was written so far. */
  readonly output: string;
  /** Waits until `text` is written after what was seen last. */
  see(text: string): Promise<void>;
  send(bytes: string): void;
  resize(rows: number, columns: number): void;
  signal(number: number): void;
  hangUp(): void;
  /** The terminal's mode now. */
  mode(): Promise<Mode>;
  /** The exit status, negative for a signal; and the terminal's mode after the end. */
  ended(): Promise<{ readonly status: number; readonly mode: Mode | null }>;
}

export interface PtyOptions {
  readonly rows?: number;
  readonly columns?: number;
  readonly set?: Readonly<Record<string, string>>;
}

export function startPty(command: readonly string[], options: PtyOptions = {}): Pty {
  const python = "/usr/bin/python3";
  if (!fs.existsSync(python)) throw new Error(`${python} is missing: apt-get install python3`);
  const size = [String(options.rows ?? 24), String(options.columns ?? 80)];
  const args = [path.join(import.meta.dirname, "pty.py"), ...size, ...command];
  const child = spawn(python, args, { env: environment(options.set), stdio: ["pipe", "pipe", "inherit"] });
  let [output, seen, pending] = ["", 0, ""];
  const modes: Mode[] = [];
  let status: number | null = null;
  const decoder = new TextDecoder();
  child.stdin.on("error", () => undefined);
  child.stdout.on("data", (data: Buffer) => {
    const lines = (pending + data.toString()).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) {
      const said = JSON.parse(line) as { data?: string; mode?: Mode; ended?: number };
      if (said.data !== undefined) output += decoder.decode(Buffer.from(said.data, "hex"), { stream: true });
      if (said.mode !== undefined) modes.push(said.mode);
      if (said.ended !== undefined) status = said.ended;
    }
  });
  const order = (words: unknown) => void child.stdin.write(`${JSON.stringify(words)}\n`);
  const until = async <T>(what: string, look: () => T | null): Promise<T> => {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = look();
      if (found !== null) return found;
      if (performance.now() > deadline || (child.exitCode !== null && status === null)) {
        throw new Error(`waited for ${what} in vain; on the terminal: ${JSON.stringify(output.slice(-2000))}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return {
    get output() {
      return output;
    },
    async see(text) {
      const at = await until(JSON.stringify(text), () => {
        const index = output.indexOf(text, seen);
        return index < 0 ? null : index;
      });
      seen = at + text.length;
    },
    send: (bytes) => order({ send: Buffer.from(bytes).toString("hex") }),
    resize: (rows, columns) => order({ size: [rows, columns] }),
    signal: (number) => order({ signal: number }),
    hangUp: () => order({ hangup: true }),
    async mode() {
      order({ mode: true });
      return until("the terminal's mode", () => modes.shift() ?? null);
    },
    async ended() {
      const done = await until("the program's end", () => status);
      return { status: done, mode: modes.at(-1) ?? null };
    },
    [Symbol.dispose]() {
      child.stdin.end();
    },
  };
}

export interface Tmux extends Disposable {
  /** Keys by tmux's names: "Down", "Enter", "C-x"; other words are typed. */
  keys(...keys: readonly string[]): void;
  /** Waits until a row of the screen matches. */
  see(pattern: RegExp): Promise<string>;
  /** What is on the screen now, empty rows at its end left off. */
  screen(): string;
  resize(columns: number, rows: number): void;
}

let sessions = 0;

/** @param term what the program is told of the terminal; default: what tmux says itself */
export function startTmux(
  command: readonly string[],
  options: { columns?: number; rows?: number; term?: string } = {},
): Tmux {
  if (!fs.existsSync("/usr/bin/tmux")) throw new Error("/usr/bin/tmux is missing: apt-get install tmux");
  const server = `guestboot-test-${process.pid}-${++sessions}`;
  const tmux = (...args: readonly string[]): string => {
    const done = spawnSync("/usr/bin/tmux", ["-u", "-f", "/dev/null", "-L", server, ...args], {
      env: environment({ LC_ALL: "C.UTF-8" }),
      encoding: "utf8",
    });
    if (done.status !== 0) throw new Error(`tmux ${args.join(" ")}: ${done.stderr}`);
    return done.stdout;
  };
  const term = options.term === undefined ? [] : ["/usr/bin/env", `TERM=${options.term}`];
  // What the program leaves on the screen stays to be looked at.
  const script = `"$@"; sleep 100`;
  const size = ["-x", String(options.columns ?? 80), "-y", String(options.rows ?? 24)];
  tmux("new-session", "-d", ...size, "/bin/sh", "-c", script, "sh", ...term, ...command);
  const screen = () => tmux("capture-pane", "-p").trimEnd();
  return {
    keys: (...keys) => void tmux("send-keys", ...keys),
    screen,
    async see(pattern) {
      const deadline = performance.now() + PATIENCE_MS;
      for (;;) {
        const shown = screen();
        if (pattern.test(shown)) return shown;
        if (performance.now() > deadline)
          throw new Error(`waited for ${String(pattern)} in vain; on the screen:\n${shown}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    resize: (columns, rows) => void tmux("resize-window", "-x", String(columns), "-y", String(rows)),
    [Symbol.dispose]() {
      spawnSync("/usr/bin/tmux", ["-L", server, "kill-server"], { env: environment() });
    },
  };
}
