import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { memoryKey, openVerdictMemory, type RememberedCheck } from "../../src/trust/verdict-memory.ts";

const SIGNED: RememberedCheck = {
  text: "Origin: Made up\n",
  verdict: { kind: "signed", signers: [{ keyId: "0123456789abcdef", name: null, isExpired: false, expires: null }] },
};
const KEY = memoryKey(["a", "b"]);
const TOMORROW = Date.now() + 86_400_000;

let folder: string;
beforeEach(() => {
  folder = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-test-")), "verified");
});
afterEach(() => fs.rmSync(path.dirname(folder), { recursive: true }));

describe("the memory of verdicts", () => {
  it("finds what was put there, under its own key alone", () => {
    const memory = openVerdictMemory(folder);
    expect(memory.find(KEY)).toBeNull();
    memory.put(KEY, SIGNED, TOMORROW);
    expect(memory.find(KEY)).toEqual(SIGNED);
    expect(openVerdictMemory(folder).find(memoryKey(["ab", ""]))).toBeNull();
    expect(fs.readdirSync(folder)).toEqual([`${KEY}.json`]);
  });

  it("forgets when the key expires", () => {
    const memory = openVerdictMemory(folder);
    memory.put(KEY, SIGNED, Date.now() - 1);
    expect(memory.find(KEY)).toBeNull();
  });

  it.each([
    ["torn", (text: string) => text.slice(0, -5)],
    ["empty", () => ""],
    ["edited", (text: string) => text.replace("Made up", "Made on")],
    ["of other rules", (text: string) => text.replace('"rules":1', '"rules":0')],
    ["of the future", (text: string) => text.replace(/"now":\d+/, `"now":${TOMORROW}`)],
    ["something else", () => "[]"],
  ])("takes no word of a file that is %s", (_what, change) => {
    const memory = openVerdictMemory(folder);
    memory.put(KEY, SIGNED, TOMORROW);
    const file = path.join(folder, `${KEY}.json`);
    fs.writeFileSync(file, change(fs.readFileSync(file, "utf8")));
    expect(memory.find(KEY)).toBeNull();
  });

  it("takes no file of another key", () => {
    const memory = openVerdictMemory(folder);
    memory.put(KEY, SIGNED, TOMORROW);
    const other = memoryKey(["c"]);
    fs.copyFileSync(path.join(folder, `${KEY}.json`), path.join(folder, `${other}.json`));
    expect(memory.find(other)).toBeNull();
  });

  it("does without a folder that cannot be written", () => {
    fs.writeFileSync(folder, "a file in the folder's place");
    const memory = openVerdictMemory(folder);
    memory.put(KEY, SIGNED, TOMORROW);
    expect(memory.find(KEY)).toBeNull();
  });

  it("loses what is old, and does not grow without end", () => {
    const memory = openVerdictMemory(folder);
    for (let each = 0; each < 300; each++) memory.put(memoryKey([String(each)]), SIGNED, TOMORROW);
    expect(fs.readdirSync(folder).length).toBeLessThanOrEqual(202);
    const old = new Date(Date.now() - 3 * 86_400_000);
    for (const name of fs.readdirSync(folder)) fs.utimesSync(path.join(folder, name), old, old);
    memory.put(KEY, SIGNED, TOMORROW);
    expect(fs.readdirSync(folder)).toEqual([`${KEY}.json`]);
  });
});

describe("a memory's key", () => {
  it("tells parts from each other, and bytes that are no text", () => {
    expect(memoryKey(["ab", "c"])).not.toBe(memoryKey(["a", "bc"]));
    expect(memoryKey([Uint8Array.of(0x80)])).not.toBe(memoryKey([Uint8Array.of(0x81)]));
  });
});
