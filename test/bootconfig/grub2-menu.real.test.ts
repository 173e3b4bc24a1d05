/** What a menu does by itself when an entry fails, and whom it asks for a password: GRUB, as `grub-emu`, is asked too. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { BootEntry } from "../../src/bootconfig/boot-config.ts";
import { parseGrub2, type NumberedBootConfig } from "../../src/bootconfig/grub2/grub2.ts";
import { openFolder } from "../../src/filesystem/folder.ts";
import { emulateUntil } from "./grub-emu.ts";

const MARK = "@@";
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-menu-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));

/** @param isEnough ends it; @returns the names that entries have said, and all that was printed */
async function askGrub(text: string, isEnough: RegExp, input?: string): Promise<{ said: string[]; printed: string }> {
  const own = fs.mkdtempSync(path.join(folder, "case-"));
  fs.writeFileSync(path.join(own, "grub.cfg"), `set timeout=0\n${text}`);
  const printed = await emulateUntil(own, isEnough, input);
  return { said: [...printed.matchAll(/@@([\w/]+)/g)].map(([, name = ""]) => name), printed };
}

function read(text: string): NumberedBootConfig {
  const filesystem = openFolder(folder);
  const own = { name: "folder", number: null, partitionUuid: null, filesystem: () => filesystem };
  return parseGrub2(text, { path: "/grub.cfg", own, volumes: [own] });
}

/** The name that an entry says to GRUB is its kernel to us. */
const nameOf = (entry: BootEntry | undefined): string | undefined => entry?.kernel.path.slice(1);

describe("fallback", () => {
  /** In GRUB an entry that ends well ends it all, and one that does not has the next one tried. */
  const menu = (fails: readonly string[], say: (name: string, isGood: boolean) => string): string => {
    const body = (name: string) => `{ ${say(name, !fails.includes(name))} }`;
    return `menuentry one ${body("one")}
menuentry two ${body("two")}
menuentry three --id i3 ${body("three")}
submenu four {
  menuentry five ${body("five")}
  menuentry six ${body("six")}
}
`;
  };
  const CASES: readonly (readonly [settings: string, fails: readonly string[]])[] = [
    ["fallback=2", ["one"]],
    ["fallback=' 2'", ["one"]],
    ["fallback='1 2'", ["one", "two"]],
    ["fallback='1,2'", ["one"]],
    ["fallback=0x2", ["one"]],
    ["fallback=2x", ["one"]],
    ["fallback=3", ["one"]],
    ["default=1\nset fallback=2", ["two"]],
    ["default=nope\nset fallback=1", ["one"]],
    ["default=3\nset fallback=1", ["five"]],
  ];

  it.concurrent.each(CASES)("is tried as GRUB does for %j where %j fail", async (settings, fails) => {
    const forGrub = menu(fails, (name, isGood) => `echo "${MARK}${name}"; ${isGood ? "exit" : "false"}`);
    const good = ["one", "two", "three", "five", "six"].filter((name) => !fails.includes(name));
    const { said } = await askGrub(`set ${settings}\n${forGrub}`, new RegExp(`${MARK}(?:${good.join("|")})\\b`));
    expect(said.length).toBe(fails.length + 1);
    const config = read(`set ${settings}\n${menu([], (name) => `linux /${name}`)}`);
    const tried = [config.default, ...(config.fallback ?? [])].map((index) => nameOf(config.entries[index]));
    expect(tried.slice(0, said.length)).toEqual(said);
  });

  it("by its id is tried by us: GNU GRUB 2.06 takes numbers alone and boots nothing", async () => {
    const forGrub = menu(["one"], (name, isGood) => `echo "${MARK}${name}"; ${isGood ? "exit" : "false"}`);
    const { said, printed } = await askGrub(
      `set fallback=i3\n${forGrub}`,
      /Failed to boot both default and fallback entries/,
    );
    expect(said).toEqual(["one"]);
    expect(printed).toContain("Failed to boot both default and fallback entries");
    const config = read(`set fallback=i3\n${menu([], (name) => `linux /${name}`)}`);
    expect(config.fallback?.map((index) => nameOf(config.entries[index]))).toEqual(["three"]);
  });
});

describe("a menu with passwords", () => {
  const menu = (say: (name: string) => string): string => `
menuentry one { ${say("one")} }
menuentry two --unrestricted { ${say("two")} }
menuentry three --users alice { ${say("three")} }
menuentry four --users "" { ${say("four")} }
submenu five { menuentry x --unrestricted { ${say("five")} } }
submenu six --unrestricted { menuentry y { ${say("six")} } }
`;
  const NAMES = ["one", "two", "three", "four", "five", "six"];
  // The whole name: a pipe may hand over its first letters alone.
  const SAID = `${MARK}(?:${NAMES.join("|")})\\b`;
  const PASSWORDS = "password root r\npassword alice a\n";
  const SETTINGS: Readonly<Record<string, string>> = {
    "without superusers": PASSWORDS,
    "with one": `set superusers="root"\n${PASSWORDS}`,
    "with one, told to submenus too": `set superusers="root"\nexport superusers\n${PASSWORDS}`,
    "with two": `set superusers="root,alice"\n${PASSWORDS}`,
    "with none in the list": `set superusers=""\n${PASSWORDS}`,
  };
  const rows = Object.entries(SETTINGS).flatMap(([what, settings]) =>
    NAMES.map((name, number) => ({ what, settings, name, number })),
  );
  const entryOf = (settings: string, name: string) => {
    const config = read(settings + menu((each) => `linux /${each}`));
    const entry = config.entries.find((each) => nameOf(each) === name);
    return { config, entry };
  };

  it.concurrent.each(rows)("asks for one where GRUB does: $what, entry $name", async (row) => {
    const { settings, name, number } = row;
    const text = `set default=${number}\n${settings}${menu((each) => `echo "${MARK}${each}"; exit`)}`;
    const { said, printed } = await askGrub(text, new RegExp(`${SAID}|username`));
    const asks = printed.includes("username");
    expect(said).toEqual(asks ? [] : [name]);
    const { entry } = entryOf(settings, name);
    const isLocked = entry?.isLocked === true || entry?.location?.some((step) => step.isLocked === true);
    expect(isLocked).toBe(asks);
  });

  const LOGINS = [
    ["with one", "one", "root", "r"],
    ["with one", "one", "alice", "a"],
    ["with one", "three", "alice", "a"],
    ["with one", "three", "root", "r"],
    ["with one", "three", "alice", "r"],
    ["with one", "four", "alice", "a"],
    ["with two", "one", "alice", "a"],
    ["with two", "four", "alice", "a"],
    ["with none in the list", "one", "root", "r"],
  ] as const;

  it.concurrent.each(LOGINS)(
    "%s, lets entry %s be booted by %s with %j where GRUB does",
    async (what, name, user, word) => {
      const settings = SETTINGS[what] ?? "";
      const text = `set default=${NAMES.indexOf(name)}\n${settings}${menu((each) => `echo "${MARK}${each}"; exit`)}`;
      const { said, printed } = await askGrub(text, new RegExp(`${SAID}|denied`), `${user}\n${word}\n`);
      expect(printed).toContain("username");
      const { config, entry } = entryOf(settings, name);
      const passwords = [...(config.passwords ?? []), ...(entry?.passwords ?? [])];
      expect(passwords.some((each) => each.user === user && each.value === word)).toBe(said.includes(name));
    },
  );
});
