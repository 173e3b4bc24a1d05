/**
 * The menu on a real terminal: keys in, screens out, a clock; and the terminal as it was before, however it ends.
 *
 * Works through Xen's console: no size is known there (80 × 24 is taken), no question to the terminal is answered.
 */
import type { ReadStream, WriteStream } from "node:tty";
import { GuestbootError } from "../../base/errors.ts";
import { quote } from "../../base/printable.ts";
import type { BootConfig, BootEntry } from "../../bootconfig/boot-config.ts";
import type { ChoiceTools, ChooseInteractively } from "../../pipeline/interactive-choice.ts";
import { keyOf, type PlatformKey } from "./key.ts";
import { sizeOf } from "./layout.ts";
import type { MenuEvent, MenuState, MenuWorld, Outcome } from "./menu-state.ts";
import { firstState, nextState } from "./next-state.ts";
import { appearanceOf, paint, paintEnd } from "./paint.ts";
import { render, type Frame } from "./render.ts";

/** A terminal that a person sits at. */
export interface MenuTerminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface MenuOptions {
  /** The person asked for the menu (`-i`): it is shown also where the config does not wait, and waits then. */
  readonly isWanted: boolean;
}

/**
 * The terminal of this process, or null when there is none to show a menu on: both ways must be terminals; a menu
 * that was asked for by name may be drawn on standard error, when standard output goes elsewhere.
 *
 * To be called before rights are given up: the streams are opened here.
 */
export function ownTerminal({ isWanted }: MenuOptions): MenuTerminal | null {
  const input = process.stdin;
  if (!input.isTTY) return null;
  const output = process.stdout.isTTY ? process.stdout : isWanted && process.stderr.isTTY ? process.stderr : null;
  // Loaded now, while the runtime may still look for things.
  process.getBuiltinModule("node:readline");
  process.getBuiltinModule("node:crypto");
  return output === null ? null : { input, output, environment: process.env };
}

/** The menu on `terminal`, for a start from disk to call. */
export function menuOn(terminal: MenuTerminal, options: MenuOptions): ChooseInteractively {
  return async (config, tools) => {
    const countdown = countdownOf(config, options);
    // The config does not wait: all goes as without a menu.
    if (countdown === 0) return null;
    // Who asked for the menu sees it at once.
    const shown = options.isWanted ? { ...config, timeoutStyle: "menu" as const } : config;
    return chosenEntry(await runMenu(terminal, worldOf(shown, tools), countdown), terminal);
  };
}

/**
 * Seconds that the menu waits for its first key; null for ever, 0 for no menu. GRUB itself waits for ever where its
 * config has no timeout or a negative one; upstream pygrub boots at once then, and so do we unless the menu was asked
 * for: a guest that starts with its host has nobody to press a key.
 */
function countdownOf({ timeout }: BootConfig, { isWanted }: MenuOptions): number | null {
  if (timeout === null || timeout <= 0) return isWanted ? null : 0;
  return Math.min(Math.ceil(timeout), LONGEST_COUNTDOWN);
}

/** A day, in seconds. */
const LONGEST_COUNTDOWN = 24 * 60 * 60;

function worldOf(config: BootConfig, tools: ChoiceTools): MenuWorld {
  const { surroundings } = tools;
  return { config, tools, files: { root: surroundings.own, surroundings, syntax: config.syntax } };
}

function chosenEntry(outcome: Outcome, { output, environment }: MenuTerminal): BootEntry | null {
  if (outcome.kind === "cancel") {
    throw new GuestbootError("START_CANCELLED", "the start was ended by Ctrl-C at the boot menu");
  }
  if (outcome.kind === "default") return null;
  output.write(paintEnd(`Booting ${quote(outcome.entry.title)}`, appearanceOf(environment)));
  return outcome.entry;
}

/** Shows the menu until it is decided. The terminal is as before then, also after an error or a signal. */
export async function runMenu(terminal: MenuTerminal, world: MenuWorld, countdown: number | null): Promise<Outcome> {
  const { output } = terminal;
  const appearance = appearanceOf(terminal.environment);
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  let state: MenuState = firstState(world, sizeOf(output.columns, output.rows), countdown);
  let shown: Frame | null = null;

  const screen = { isTouched: false };

  const draw = () => {
    // GRUB's hidden timeout leaves the screen as it was.
    if (state.shows === "hidden") return;
    screen.isTouched = true;
    const frame = render(state, world);
    const bytes = paint(shown, frame, appearance);
    shown = frame;
    if (bytes !== "") output.write(bytes);
  };
  const happen = (event: MenuEvent) => {
    if (state.outcome !== null) return;
    try {
      state = nextState(state, event, world);
      if (state.outcome === null) draw();
      else resolve(state.outcome);
    } catch (error) {
      reject(error instanceof Error ? error : new Error(String(error)));
    }
  };

  using taken = takeOver(terminal, { happen, fail: reject, forget: () => (shown = null) });
  draw();
  taken.listen();
  const outcome = await promise;
  if (outcome.kind !== "boot" && screen.isTouched) output.write(paintEnd("", appearance));
  return outcome;
}

interface Listener {
  happen(event: MenuEvent): void;
  fail(failure: Error): void;
  /** What is on the terminal is no longer known. */
  forget(): void;
}

/**
 * Takes the terminal over and gives it back when disposed of. A terminal that was hung up ends the start like any
 * other signal; the end of its input, which comes with it, waits until that had its say.
 */
function takeOver({ input, output }: MenuTerminal, listener: Listener): Disposable & { listen(): void } {
  const onKey = (character: string | undefined, key: PlatformKey) =>
    listener.happen({ kind: "key", key: keyOf(character, key) });
  const onEnd = () => void setTimeout(() => listener.happen({ kind: "end of input" }), SIGNAL_GRACE_MS);
  const onResize = () => {
    // What a terminal does with its content when its size changes, each does in its own way.
    listener.forget();
    listener.happen({ kind: "resize", size: sizeOf(output.columns, output.rows) });
  };
  const onSignal = (name: NodeJS.Signals) => {
    listener.fail(new GuestbootError("START_CANCELLED", `the start was ended by ${name} at the boot menu`));
  };
  const clock = setInterval(() => listener.happen({ kind: "second" }), 1000);
  for (const name of SIGNALS) process.on(name, onSignal);
  // Errors are listened to for good: one that comes late must not end the process.
  input.on("error", onEnd);
  output.on("error", onEnd);
  return {
    listen() {
      process.getBuiltinModule("node:readline").emitKeypressEvents(input);
      input.setRawMode(true);
      input.on("keypress", onKey).on("end", onEnd);
      output.on("resize", onResize);
      input.resume();
    },
    [Symbol.dispose]() {
      clearInterval(clock);
      for (const name of SIGNALS) process.off(name, onSignal);
      input.off("keypress", onKey).off("end", onEnd);
      output.off("resize", onResize);
      input.pause();
      restoreMode(input);
    },
  };
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const SIGNAL_GRACE_MS = 100;

/** A terminal that has been hung up can no longer be set, and nobody is left to mind. */
function restoreMode(input: ReadStream): void {
  try {
    input.setRawMode(false);
  } catch {
    // See above.
  }
}
