import { describe, expect, it } from "vitest";
import { landlockVersion, restrictPaths, rightsOf, type LandlockRules } from "../../src/base/landlock.ts";
import type { SystemCalls } from "../../src/base/system-call.ts";

/** linux/landlock.h and asm/unistd_64.h */
const CREATE_RULESET = 444;
const ADD_RULE = 445;
const RESTRICT_SELF = 446;
const RULE_NET_PORT = 2;
const RESTRICT_SELF_TSYNC = 8;
const OPEN = 2;
const RULESET = 100;

interface Called {
  readonly number: number;
  readonly words: readonly (number | bigint)[];
}

/** A kernel of that version of Landlock: what was asked of it, and the memory that it was shown. */
function kernelOf(version: number, files: readonly string[] = []) {
  const called: Called[] = [];
  const memory: Uint8Array[] = [];
  const bytesAt = (address: number | bigint | undefined) => memory[Number(address)] ?? new Uint8Array();
  const calls: SystemCalls = {
    addressOf(bytes) {
      return BigInt(memory.push(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)) - 1);
    },
    call(number, ...words) {
      called.push({ number, words });
      if (number === CREATE_RULESET) return words[2] === 1 ? version : RULESET;
      if (number !== OPEN) return 0;
      const path = Buffer.from(bytesAt(words[0])).toString().replace("\0", "");
      const index = files.indexOf(path);
      return index < 0 ? -1 : index + 200;
    },
  };
  const of = (number: number) => called.filter((each) => each.number === number);
  return { calls, of, bytesAt };
}

const RULES: LandlockRules = { readable: ["/usr"], writable: ["/cache"], executable: ["/bin/cat"], ports: [80] };

const words = (bytes: Uint8Array) => [...new BigUint64Array(bytes.slice(0, bytes.length - (bytes.length % 8)).buffer)];

describe("the rights that are handled", () => {
  it.each([
    // All up to LANDLOCK_ACCESS_FS_REFER; ..._TRUNCATE; ..._IOCTL_DEV.
    [2, 0x3fff],
    [3, 0x7fff],
    [4, 0x7fff],
    [5, 0xffff],
    [8, 0xffff],
  ])("are those that version %i knows", (version, rights) => {
    expect(rightsOf(version)).toBe(rights);
  });
});

describe("the rules", () => {
  it.each([
    ["has no Landlock", -1],
    ["cannot let files be linked from folder to folder", 1],
  ])("are left alone where the kernel %s", (_what, version) => {
    const { calls, of } = kernelOf(version);
    expect(landlockVersion(calls)).toBe(0);
    restrictPaths(RULES, calls);
    expect(of(RESTRICT_SELF)).toEqual([]);
  });

  it.each([
    [2, [0x3fffn]],
    [4, [0x7fffn, 3n]],
    [6, [0xffffn, 3n, 3n]],
  ])("of version %i say as much as that version knows", (version, attributes) => {
    const { calls, of, bytesAt } = kernelOf(version);
    restrictPaths(RULES, calls);
    const [, create] = of(CREATE_RULESET);
    expect(words(bytesAt(create?.words[0]))).toEqual(attributes);
    expect(create?.words[1]).toBe(attributes.length * 8);
    expect(of(RESTRICT_SELF).map((each) => each.words)).toEqual([[RULESET, 0]]);
  });

  it("are laid on every thread where the kernel can do that", () => {
    const { calls, of } = kernelOf(8);
    restrictPaths(RULES, calls);
    expect(of(RESTRICT_SELF).map((each) => each.words)).toEqual([[RULESET, RESTRICT_SELF_TSYNC]]);
  });

  it("let read what is readable, change what is writable, and leave out what is not there", () => {
    const { calls, of, bytesAt } = kernelOf(7, ["/usr", "/cache"]);
    restrictPaths({ ...RULES, readable: ["/usr", "/missing"], ports: null }, calls);
    const rules = of(ADD_RULE).map((each) => bytesAt(each.words[2]));
    // READ_FILE, READ_DIR; and WRITE_FILE, REMOVE_*, MAKE_DIR, MAKE_REG, MAKE_SYM, REFER, TRUNCATE beside them.
    expect(rules.map((rule) => words(rule)[0])).toEqual([0x0cn, 0x71ben]);
    expect(rules.map((rule) => new DataView(rule.buffer).getInt32(8, true))).toEqual([200, 201]);
  });

  it("let be executed and read what is executable", () => {
    const { calls, of, bytesAt } = kernelOf(7, ["/bin/cat"]);
    restrictPaths({ ...RULES, ports: null }, calls);
    // EXECUTE, READ_FILE
    expect(of(ADD_RULE).map((each) => words(bytesAt(each.words[2]))[0])).toEqual([0x05n]);
  });

  it("name the ports to connect to, and handle none where any will do", () => {
    const bound = kernelOf(7);
    restrictPaths({ ...RULES, ports: [80, 8080] }, bound.calls);
    const ports = bound.of(ADD_RULE).filter((each) => each.words[1] === RULE_NET_PORT);
    expect(ports.map((each) => words(bound.bytesAt(each.words[2])))).toEqual([
      [2n, 80n],
      [2n, 8080n],
    ]);
    const free = kernelOf(7);
    restrictPaths({ ...RULES, ports: null }, free.calls);
    expect(words(free.bytesAt(free.of(CREATE_RULESET)[1]?.words[0]))[1]).toBe(0n);
  });

  it("end the start where the kernel takes them not", () => {
    const { calls } = kernelOf(7);
    const refusing: SystemCalls = { ...calls, call: (n, ...w) => (n === RESTRICT_SELF ? -1 : calls.call(n, ...w)) };
    expect(() => restrictPaths(RULES, refusing)).toThrow(expect.objectContaining({ code: "CONFINEMENT_FAILED" }));
  });
});
