import { emitKeypressEvents } from "node:readline";
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { keyOf, type Key, type PlatformKey } from "../../../src/cli/menu/key.ts";

/** The keys that bytes of a terminal come to, each piece of the list having come by itself. */
async function keysOf(...pieces: readonly string[]): Promise<(Key | null)[]> {
  const stream = new PassThrough();
  const keys: (Key | null)[] = [];
  emitKeypressEvents(stream);
  stream.on("keypress", (character: string | undefined, key: PlatformKey) => keys.push(keyOf(character, key)));
  for (const piece of pieces) {
    stream.write(Buffer.from(piece, "latin1"));
    await new Promise((resolve) => setImmediate(resolve));
  }
  // A lone Esc is known as such only after a while.
  if (pieces.at(-1)?.endsWith("\x1b") === true) await new Promise((resolve) => setTimeout(resolve, 1000));
  return keys;
}

const named = (name: string) => ({ kind: "named", name });

describe("keys", () => {
  it.each([
    ["\x1b[A", "up"],
    ["\x1bOA", "up"],
    ["\x1b[B", "down"],
    ["\x1b[D", "left"],
    ["\x1bOC", "right"],
    ["\x1b[H", "home"],
    ["\x1b[1~", "home"],
    ["\x1b[7~", "home"],
    ["\x1bOH", "home"],
    ["\x1b[F", "end"],
    ["\x1b[4~", "end"],
    ["\x1b[8~", "end"],
    ["\x1b[5~", "page up"],
    ["\x1b[6~", "page down"],
    ["\x1b[3~", "delete"],
    ["\x1b[21~", "f10"],
    ["\r", "enter"],
    ["\n", "enter"],
    ["\t", "tab"],
    ["\x7f", "backspace"],
    ["\b", "backspace"],
    ["\x1b", "escape"],
  ])("%j is %s", async (bytes, name) => {
    expect(await keysOf(bytes)).toEqual([named(name)]);
  });

  it("puts a sequence together that comes in pieces", async () => {
    expect(await keysOf("\x1b", "[", "5", "~", "x")).toEqual([named("page up"), { kind: "text", text: "x" }]);
  });

  it("puts a character together whose bytes come in pieces", async () => {
    expect(await keysOf("\xe6", "\xbc", "\xa2")).toEqual([{ kind: "text", text: "漢" }]);
  });

  it("knows letters with Ctrl", async () => {
    expect(await keysOf("\x18\x03")).toEqual([
      { kind: "control", letter: "x" },
      { kind: "control", letter: "c" },
    ]);
  });

  it("has no use for unknown sequences and letters with Alt", async () => {
    expect(await keysOf("\x1b[9y", "\x1bx", "\x00")).toEqual([null, null, null]);
  });
});
