import { describe, expect, it } from "vitest";
import type { MenuPassword } from "../../../src/bootconfig/boot-config.ts";
import { textWidth } from "../../../src/cli/menu/text-width.ts";
import { config, entry, session } from "./session.ts";

const TWO = config([entry("first"), entry("second")]);
const NESTED = config(
  [
    entry("plain"),
    entry("old kernel", { submenu: ["Advanced"] }),
    entry("rescue", { submenu: ["Advanced", "Rescue"] }),
    entry("memory test"),
  ],
  { default: 1 },
);
const PLAIN: MenuPassword = { user: null, form: "plain", value: "secret" };

describe("the list", () => {
  it("shows the title, the entries in order, the keys and the countdown", () => {
    const menu = session(config([entry("first"), entry("second")], { menuTitle: "Guest of Ours" }), { countdown: 5 });
    const rows = menu.rows();
    expect(rows[0]).toBe(" Guest of Ours");
    expect(rows.slice(2, 4)).toEqual([" > first", "   second"]);
    expect(rows[23]).toBe(" Boots in 5 s; any key stops it.");
    expect(menu.text()).toContain("Enter boots");
  });

  it("begins at the default", () => {
    expect(session({ ...TWO, default: 1 }).selected()).toBe("> second");
  });

  it.each([
    [["down"], "> c"],
    [["d"], "> c"],
    [["ctrl-n"], "> c"],
    [["up"], "> a"],
    [["u"], "> a"],
    [["ctrl-p"], "> a"],
    [["end"], "> d"],
    [["home"], "> a"],
    [["page down"], "> d"],
    [["page up"], "> a"],
    [["up", "up", "up"], "> a"],
    [["end", "down"], "> d"],
  ])("moves by %j to %j", (keys, selected) => {
    const menu = session(
      config(
        ["a", "b", "c", "d"].map((title) => entry(title)),
        { default: 1 },
      ),
    );
    menu.press(...keys);
    expect(menu.selected()).toBe(selected);
  });

  it("pages through more entries than there are rows", () => {
    const many = config(Array.from({ length: 50 }, (_, index) => entry(`entry ${index}`)));
    const menu = session(many, { size: { columns: 80, rows: 12 } });
    expect(menu.rows()[0]).toMatch(/page 1 of 9/);
    menu.press("page down");
    expect(menu.selected()).toBe("> entry 6");
    expect(menu.text()).not.toContain("entry 5");
    menu.press("end");
    expect(menu.selected()).toBe("> entry 49");
    expect(menu.rows()[0]).toMatch(/page 9 of 9/);
  });

  it("boots the selected entry on Enter", () => {
    const menu = session(TWO);
    menu.press("down", "enter");
    expect(menu.state.outcome).toEqual({ kind: "boot", entry: TWO.entries[1] });
  });

  it("boots an entry by its hotkey, which comes before our own letters but for e and c", () => {
    const hot = config([entry("first"), entry("debug", { hotkey: "d" }), entry("edit", { hotkey: "e" })]);
    const menu = session(hot);
    menu.press("d");
    expect(menu.state.outcome).toEqual({ kind: "boot", entry: hot.entries[1] });
    const other = session(hot);
    other.press("e");
    expect(other.state.screen.kind).toBe("editor");
  });

  it("opens a submenu and leaves it again", () => {
    const menu = session(NESTED);
    expect(menu.selected()).toBe("> Advanced ->");
    menu.press("enter");
    expect(menu.rows()[0]).toBe(" Boot menu > Advanced");
    expect(menu.rows().slice(2, 4)).toEqual([" > old kernel", "   Rescue ->"]);
    menu.press("down", "right");
    expect(menu.rows()[0]).toBe(" Boot menu > Advanced > Rescue");
    menu.press("escape");
    expect(menu.selected()).toBe("> Rescue ->");
    menu.press("left");
    expect(menu.selected()).toBe("> Advanced ->");
    menu.press("escape");
    expect(menu.rows()[0]).toBe(" Boot menu");
  });

  it("says what is wrong with an entry whose kernel is missing, and stays", () => {
    const menu = session(config([entry("broken", { kernel: { device: null, path: "/boot/gone" } })]));
    menu.press("enter");
    expect(menu.text()).toContain("/boot/gone does not exist in the guest");
    expect(menu.state.outcome).toBeNull();
    menu.press("x");
    expect(menu.selected()).toBe("> broken");
  });

  it("is ended by Ctrl-C", () => {
    const menu = session(TWO);
    menu.press("ctrl-c");
    expect(menu.state.outcome).toEqual({ kind: "cancel" });
  });

  it("boots the default when nobody can type any more", () => {
    const menu = session(TWO);
    menu.press("down");
    menu.happen({ kind: "end of input" });
    expect(menu.state.outcome).toEqual({ kind: "default" });
  });
});

describe("the countdown", () => {
  it("counts the seconds and boots the default at its end", () => {
    const menu = session(TWO, { countdown: 2 });
    menu.happen({ kind: "second" });
    expect(menu.rows()[23]).toBe(" Boots in 1 s; any key stops it.");
    expect(menu.state.outcome).toBeNull();
    menu.happen({ kind: "second" });
    expect(menu.state.outcome).toEqual({ kind: "default" });
  });

  it.each(["down", "z", "escape", "tab"])("is stopped by the key %j", (key) => {
    const menu = session(TWO, { countdown: 2 });
    menu.press(key);
    for (let second = 0; second < 5; second++) menu.happen({ kind: "second" });
    expect(menu.state.outcome).toBeNull();
    expect(menu.text()).not.toContain("Boots in");
  });

  it("is stopped by a key that means nothing, but not by a new size", () => {
    const stopped = session(TWO, { countdown: 1 });
    stopped.happen({ kind: "key", key: null });
    stopped.happen({ kind: "second" });
    expect(stopped.state.outcome).toBeNull();
    const resized = session(TWO, { countdown: 1 });
    resized.happen({ kind: "resize", size: { columns: 40, rows: 10 } });
    resized.happen({ kind: "second" });
    expect(resized.state.outcome).toEqual({ kind: "default" });
  });
});

describe("a menu that its config hides", () => {
  const hidden = { ...TWO, timeoutStyle: "hidden" as const };
  const counting = { ...TWO, timeoutStyle: "countdown" as const };

  it("shows nothing, or one line with the seconds, and boots the default at the end", () => {
    const silent = session(hidden, { countdown: 2 });
    expect(silent.text().trim()).toBe("");
    const menu = session(counting, { countdown: 2 });
    expect(menu.rows()).toEqual([' Boots "first" in 2 s; any key shows the menu.']);
    for (const each of [silent, menu]) {
      each.happen({ kind: "second" });
      expect(each.state.outcome).toBeNull();
      each.happen({ kind: "second" });
      expect(each.state.outcome).toEqual({ kind: "default" });
    }
  });

  it.each(["escape", "enter", "e", "down"])("appears on the key %j, which does nothing else, and waits then", (key) => {
    for (const shown of [hidden, counting]) {
      const menu = session(shown, { countdown: 1 });
      menu.press(key);
      menu.happen({ kind: "second" });
      expect(menu.state.outcome).toBeNull();
      expect(menu.selected()).toBe("> first");
    }
  });

  it("boots an entry by its hotkey, as GRUB does, and is ended by Ctrl-C", () => {
    const hot = config([entry("first"), entry("debug", { hotkey: "g" })], { timeoutStyle: "hidden" });
    const menu = session(hot, { countdown: 5 });
    menu.press("g");
    expect(menu.state.outcome).toEqual({ kind: "boot", entry: hot.entries[1] });
    const ended = session(hot, { countdown: 5 });
    ended.press("ctrl-c");
    expect(ended.state.outcome).toEqual({ kind: "cancel" });
  });

  it("asks for the password of a locked entry before its hotkey boots it", () => {
    const locked = config([entry("x", { hotkey: "g", isLocked: true })], {
      timeoutStyle: "hidden",
      passwords: [PLAIN],
    });
    const menu = session(locked, { countdown: 5 });
    menu.press("g");
    expect(menu.text()).toContain("Password:");
  });
});

describe("a submenu with a password", () => {
  const alice: MenuPassword = { user: "alice", form: "plain", value: "ecila" };
  const root: MenuPassword = { user: "root", form: "plain", value: "toor" };
  const inside = (title: string, isLocked: boolean, position = 1) =>
    entry(title, {
      submenu: ["Advanced"],
      location: [
        { position, title: "Advanced", id: null, isLocked, passwords: isLocked ? [alice] : [] },
        { position: 0, title, id: null },
      ],
    });
  const shut = config([entry("plain"), inside("old", true)], { passwords: [root], isGuarded: true });

  it("asks before it opens", () => {
    const menu = session(shut);
    menu.press("down");
    expect(menu.selected()).toBe("> Advanced -> [locked]");
    menu.press("enter");
    expect(menu.text()).toContain("User:");
    menu.press("alice", "enter", "wrong", "enter");
    expect(menu.text()).toContain("Wrong user or password.");
    menu.press("x", "enter", "escape");
    expect(menu.state.list.way).toEqual([]);
    expect(menu.state.outcome).toBeNull();
  });

  it.each([
    ["alice", "ecila", false],
    ["root", "toor", true],
  ])("opens for %s, who may edit then: %j%j", (user, password, isUnlocked) => {
    const menu = session(shut);
    menu.press("down", "enter", user, "enter", password, "enter");
    expect(menu.selected()).toBe("> old");
    expect(menu.state.isUnlocked).toBe(isUnlocked);
    menu.press("enter");
    expect(menu.state.outcome?.kind).toBe("boot");
  });

  it("is not opened by a free one of the same title", () => {
    const two = { ...shut, entries: [inside("free", false, 0), inside("old", true, 1)] };
    const menu = session(two);
    menu.press("enter");
    expect(menu.text()).toContain("User:");
  });

  it("opens at once where it is free", () => {
    const menu = session({ ...shut, entries: [inside("old", false)] });
    menu.press("enter");
    expect(menu.selected()).toBe("> old");
  });
});

describe("a menu with a password", () => {
  const locked = config([entry("open"), entry("locked", { isLocked: true })], { passwords: [PLAIN] });

  it("boots what is not locked without it", () => {
    const menu = session(locked);
    menu.press("enter");
    expect(menu.state.outcome?.kind).toBe("boot");
  });

  it.each(["e", "a", "c", "p"])("asks for it at %j", (key) => {
    const menu = session(locked);
    menu.press(key);
    expect(menu.text()).toContain("Password:");
  });

  it("boots a locked entry once it was given, and shows nothing of it", () => {
    const menu = session(locked);
    expect(menu.text()).toContain("locked [locked]");
    menu.press("down", "enter", "secret");
    expect(menu.text()).not.toContain("secret");
    expect(menu.text()).not.toContain("******");
    menu.press("enter");
    expect(menu.state.outcome).toEqual({ kind: "boot", entry: locked.entries[1] });
  });

  it("refuses a wrong one and asks again the next time", () => {
    const menu = session(locked);
    menu.press("e", "wrong", "enter");
    expect(menu.text()).toContain("Wrong password.");
    menu.press("enter", "e");
    expect(menu.text()).toContain("Password:");
    menu.press("secret", "enter");
    expect(menu.state.screen.kind).toBe("editor");
    menu.press("escape", "c");
    expect(menu.state.screen.kind).toBe("command");
  });

  it("unlocks with p, and says so where nothing is locked", () => {
    const menu = session(locked);
    menu.press("p", "secret", "enter");
    expect(menu.text()).toContain("e edits an entry");
    expect(menu.text()).not.toContain("[locked]");
    const open = session(TWO);
    open.press("p");
    expect(open.text()).toContain("no password");
  });

  it("boots one entry with its own password, which opens nothing else", () => {
    const own = config([entry("one", { isLocked: true, passwords: [{ user: null, form: "plain", value: "mine" }] })], {
      passwords: [PLAIN],
    });
    const menu = session(own);
    menu.press("e", "mine", "enter");
    expect(menu.text()).toContain("Wrong password.");
    menu.press("enter", "enter", "mine", "enter");
    expect(menu.state).toMatchObject({ outcome: { kind: "boot" }, isUnlocked: false });
  });

  it("asks for an entry's own password where the menu has none, and leaves the rest open", () => {
    const menu = session(config([entry("one", { isLocked: true, passwords: [PLAIN] })]));
    menu.press("enter");
    expect(menu.text()).toContain("Password:");
    menu.press("escape", "c");
    expect(menu.state.screen.kind).toBe("command");
  });

  it("stays closed where there are superusers and none has a password, as GRUB's", () => {
    const menu = session(config([entry("open"), entry("shut", { isLocked: true })], { isGuarded: true }));
    menu.press("c");
    expect(menu.text()).toContain("no password that opens it");
    menu.press("enter", "down", "enter");
    expect(menu.text()).toContain("no password that opens it");
    menu.press("enter", "up", "enter");
    expect(menu.state.outcome?.kind).toBe("boot");
  });

  it("asks for the user where the config names users, and takes each user's own password only", () => {
    const users = config([entry("one")], {
      passwords: [
        { user: "root", form: "plain", value: "toor" },
        { user: "guest", form: "plain", value: "tseug" },
      ],
    });
    const menu = session(users);
    menu.press("c", "root", "enter", "tseug", "enter");
    expect(menu.text()).toContain("Wrong user or password.");
    menu.press("enter", "c", "root", "enter", "toor", "enter");
    expect(menu.state.screen.kind).toBe("command");
  });

  it("stays locked where the password is of a kind that cannot be checked", () => {
    const menu = session({ ...locked, passwords: [{ user: null, form: "sha512-crypt", value: "$6$a$b" }] });
    menu.press("c");
    expect(menu.text()).toContain("cannot be checked");
    expect(menu.state.isUnlocked).toBe(false);
  });

  it("leaves the question with Esc", () => {
    const menu = session(locked);
    menu.press("p", "sec", "escape");
    expect(menu.state.screen.kind).toBe("list");
  });
});

describe("any size of the terminal", () => {
  const screens: readonly (readonly string[])[] = [
    [],
    ["e"],
    ["e", "e"],
    ["a"],
    ["c", "help", "enter"],
    ["down", "enter"],
  ];
  const wide = config([
    entry("漢字の長いタイトルはどこかで切られる", { arguments: "x".repeat(300) }),
    entry("broken", { kernel: { device: null, path: `/${"long".repeat(50)}` } }),
  ]);

  it.each([
    [1, 1],
    [2, 1],
    [3, 2],
    [5, 5],
    [10, 3],
    [20, 6],
    [40, 12],
    [80, 24],
    [132, 50],
    [500, 200],
  ])("%d × %d: every screen fits, and the cursor is on it", (columns, rows) => {
    for (const keys of screens) {
      const menu = session(wide, { size: { columns, rows }, countdown: 3 });
      menu.press(...keys);
      const frame = menu.frame();
      expect(frame.rows).toHaveLength(rows);
      for (const row of frame.rows) expect(textWidth(row.text)).toBeLessThanOrEqual(Math.max(1, columns - 1));
      expect(frame.cursor.row).toBeGreaterThanOrEqual(0);
      expect(frame.cursor.row).toBeLessThan(rows);
      expect(frame.cursor.column).toBeLessThan(columns);
    }
  });

  it("says in fewer words what the keys do where the long ones would be cut", () => {
    const menu = session(TWO, { size: { columns: 40, rows: 12 } });
    expect(menu.text()).toContain("e edit, a arguments, c commands");
    for (const key of ["e", "enter", "escape", "escape", "a"]) {
      menu.press(key);
      if (menu.state.screen.kind === "list") continue;
      expect(menu.rows().find((row) => row.includes("Esc"))).not.toMatch(/^$|>$/);
    }
  });

  it("keeps the selected entry in sight on the smallest", () => {
    const menu = session(config([entry("first"), entry("second")]), { size: { columns: 20, rows: 2 }, countdown: 5 });
    menu.press("down");
    expect(menu.rows()).toEqual([" > second"]);
  });
});

describe("hostile titles", () => {
  it("shows control characters, direction marks and bytes that are not UTF-8 by their codes", () => {
    const menu = session(config([entry("a\x1b[2Jb\u202ec\udcffd\ne")], { menuTitle: "\x07bell" }));
    expect(menu.rows()[0]).toBe(" \\x07bell");
    expect(menu.rows()[2]).toBe(" > a\\x1b[2Jb\\u{202e}c\\xffd\\x0ae");
  });
});
