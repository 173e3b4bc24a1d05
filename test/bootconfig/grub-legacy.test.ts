import { describe, expect, test } from "vitest";
import { GuestbootError, type ErrorCode } from "../../src/base/errors.ts";
import type { BootEntry } from "../../src/bootconfig/boot-config.ts";
import { parseGrubLegacy, type NumberedBootConfig } from "../../src/bootconfig/grub-legacy.ts";

/** Entries of one line each, `a` to `c`. */
const ABC = "title a\nkernel /a\ntitle b\nkernel /b\ntitle c\nkernel /c\n";

function only(text: string): BootEntry {
  const { entries } = parseGrubLegacy(text);
  const [entry] = entries;
  if (entries.length !== 1 || entry === undefined) throw new Error(`${entries.length} entries`);
  return entry;
}

function chosen(text: string, savedDefault?: () => string | null): string | undefined {
  const config = parseGrubLegacy(text, savedDefault === undefined ? {} : { savedDefault });
  return config.entries[config.default]?.title;
}

function failure(text: string): GuestbootError {
  try {
    parseGrubLegacy(text);
  } catch (error) {
    if (error instanceof GuestbootError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

const notes = (config: NumberedBootConfig): string => config.notes.join("\n");

// Expected values: the GNU GRUB 0.97 manual, and upstream pygrub beside ours in grub-legacy.real.test.ts.
describe("an entry", () => {
  test("has its title, kernel, ramdisk and arguments", () => {
    expect(only("title My Linux\nkernel /vmlinuz ro  quiet\ninitrd /initrd\n")).toEqual({
      title: "My Linux",
      id: null,
      kernel: { device: null, path: "/vmlinuz" },
      ramdisks: [{ device: null, path: "/initrd" }],
      arguments: "ro  quiet",
    });
  });

  test("root sets the device of the files that follow it", () => {
    const entry = only("title x\nroot (hd0,1)\nkernel /k\ninitrd (hd1)/i\n");
    expect(entry.kernel.device).toEqual({ disk: 0, partition: 2 });
    expect(entry.ramdisks[0]?.device).toEqual({ disk: 1, partition: null });
  });

  test("rootnoverify sets it too, and a root without a device changes nothing", () => {
    const entry = only("title x\nrootnoverify (hd0,0)\nroot\nkernel /k\n");
    expect(entry.kernel.device).toEqual({ disk: 0, partition: 1 });
  });

  test("root does not reach into the next entry", () => {
    const config = parseGrubLegacy("title x\nroot (hd1,0)\nkernel /a\ntitle y\nkernel /b\n");
    expect(config.entries[1]?.kernel.device).toBeNull();
  });

  test("a guest's own kernel may have a name that ends in xen", () => {
    const entry = only("title x\nkernel /vmlinuz-2.6.18-194.el5xen ro\nmodule /m\n");
    expect(entry.kernel.path).toBe("/vmlinuz-2.6.18-194.el5xen");
    expect(entry.ramdisks).toEqual([]);
  });

  test.for(["/boot/xen.gz", "/xen", "/boot/xen-4.1-amd64.gz", "/boot/xen-pae.gz", "/xen.gz-2.6.18-194.el5"])(
    "%s is a hypervisor: its first module is the kernel, its second the ramdisk",
    (xen) => {
      const entry = only(`title x\nroot (hd0,0)\nkernel ${xen} dom0_mem=1\nmodule /k a b\nmodulenounzip /i\n`);
      expect(entry.kernel).toEqual({ device: { disk: 0, partition: 1 }, path: "/k" });
      expect(entry.ramdisks[0]?.path).toBe("/i");
      expect(entry.arguments).toBe("a b");
    },
  );

  test("a hypervisor without modules is booted as it stands", () => {
    expect(only("title x\nkernel /xen.gz a\n").kernel.path).toBe("/xen.gz");
  });

  test("a hypervisor's initrd counts where there is one module only", () => {
    expect(only("title x\nkernel /xen.gz\nmodule /k\ninitrd /i\n").ramdisks[0]?.path).toBe("/i");
  });

  test("lock and password are noted and hold nobody up", () => {
    const config = parseGrubLegacy("password --md5 x\ntitle x\nlock\nkernel /k\n");
    expect(notes(config)).toContain("line 1: the menu is protected by a password");
    expect(notes(config)).toContain('line 3: "x" is protected by a password');
  });

  test("words that nobody knows are noted once each", () => {
    const config = parseGrubLegacy("foo 1\ntitle x\nkernel /k\nbar\nbar\nfoo\nkernel$ /z\n");
    expect(config.notes).toEqual([
      'line 1: "foo" is not known and is passed over',
      'line 4: "bar" is not known and is passed over',
      'line 7: "kernel$" is not known and is passed over',
    ]);
  });

  test("hiddenmenu leaves a line with the countdown, as GRUB 0.97 does", () => {
    expect(parseGrubLegacy(`hiddenmenu\n${ABC}`).timeoutStyle).toBe("countdown");
    expect(parseGrubLegacy(ABC).timeoutStyle ?? "menu").toBe("menu");
  });

  test("the commands of GRUB and of the distributions' GRUBs that do not matter are not noted", () => {
    const menu = "hiddenmenu\nsplashimage=(hd0,0)/x\ngfxmenu (hd0,0)/y\ncolor a/b\nserial --unit=0\nterminal serial\n";
    expect(parseGrubLegacy(`${menu}title x\nkernel /k\nsavedefault\nmakeactive\nboot\nquiet\n`).notes).toEqual([]);
  });
});

describe("the default", () => {
  test("is entry 0 where nothing is said", () => {
    expect(chosen(ABC)).toBe("a");
  });
  test.for(["default 1", "default=1", "default\t\t1", "  default = 1", "default 0x1", "default 1 # x", "default 01"])(
    "%j is entry 1",
    (line) => {
      expect(chosen(`${line}\n${ABC}`)).toBe("b");
    },
  );
  test.for(["default x", "default", "default -1", "default 1x", "default 99999999999999"])("%j is entry 0", (line) => {
    expect(chosen(`${line}\n${ABC}`)).toBe("a");
  });
  test("counts titles that boot no kernel, and is an index into those that do", () => {
    const config = parseGrubLegacy(`default 2\ntitle w\nchainloader +1\n${ABC}`);
    expect(config.default).toBe(1);
    expect(config.numbers).toEqual([1, 2, 3]);
    expect(config.entries[config.default]?.title).toBe("b");
  });
  test("saved is the number in the first line of the file beside the config", () => {
    expect(chosen(`default saved\n${ABC}`, () => "2\n#\n#\n#\n#\n")).toBe("c");
    expect(chosen(`default=saved\n${ABC}`, () => "1\n\n\n\n\n\n\n\n\n\n")).toBe("b");
  });
  test.for([null, "", "\n1\n", "x\n"])("saved as %j is entry 0, with a note", (saved) => {
    const config = parseGrubLegacy(`default saved\n${ABC}`, { savedDefault: () => saved });
    expect(config.default).toBe(0);
    expect(notes(config)).toContain("no number is saved");
  });
  test("falls back where it boots no kernel", () => {
    expect(chosen(`default 0\nfallback 9 2\ntitle w\nchainloader +1\n${ABC}`)).toBe("b");
  });
  test("falls back where there is no such entry", () => {
    const config = parseGrubLegacy(`default 9\nfallback=2\n${ABC}`);
    expect(config.default).toBe(2);
    expect(notes(config)).toContain("the default entry, 9, does not exist: its fallback 2 is taken");
  });
  test("is the first entry where no fallback helps, with a note", () => {
    const config = parseGrubLegacy(`default 9\nfallback 8\n${ABC}`);
    expect(config.default).toBe(0);
    expect(notes(config)).toContain("the first entry that does is taken");
  });
  test("a fallback is not looked at while the default boots", () => {
    expect(chosen(`default 1\nfallback 2\n${ABC}`)).toBe("b");
  });
});

describe("the timeout", () => {
  test.for([
    ["timeout 5", 5],
    ["timeout=0", 0],
    ["timeout = 0x10", 16],
    ["timeout", null],
    ["timeout x", null],
    ["", null],
  ] as const)("%j is %j seconds", ([line, seconds]) => {
    expect(parseGrubLegacy(`${line}\n${ABC}`).timeout).toBe(seconds);
  });
});

describe("a config that boots nothing", () => {
  test.for([
    ["title x\n", '0 "x": it is a heading without commands'],
    ["title x\nchainloader +1\n", "it starts another boot loader (chainloader)"],
    ["title x\nconfigfile /y\n", 'it goes on in another config, "/y"'],
    ["title x\nroot (hd0,0)\nkernel$ /a\n", 'it has no kernel line, only "root", "kernel$"'],
    ["title x\nkernel\n", "line 2 names no file"],
    ["title x\nkernel (hd0,0)\n", "line 2 names no file"],
    ["title x\nkernel (cd)/k\n", 'line 2 reads from "(cd)", which is no disk of the guest'],
    ["title x\nroot (nd)\nkernel /k\n", 'line 3 reads from "(nd)"'],
    ["title x\nkernel (hd0,0,a)/k\n", 'line 2 reads from "(hd0,0,a)"'],
    ["title x\nkernel /k\ninitrd (fd0)/i\n", 'line 3 reads from "(fd0)"'],
    ["title x\nkernel (hd0,0)0+50\n", "line 2 names blocks of a disk"],
    ["", "it has no title at all"],
    ["kernel /k\n", "it has no title at all"],
  ] as const)("%j says why", ([text, words]) => {
    const error = failure(text);
    expect(error.code).toBe("NO_BOOT_ENTRY");
    expect(error.message).toContain(words);
  });

  test("its titles cannot write on the admin's terminal, and not all of a thousand are told", () => {
    const error = failure("title \u001b]0;x\u0007\nchainloader +1\n".repeat(1000));
    expect(error.message).not.toContain("\u001b");
    expect(error.message).toContain("and 992 more titles");
    expect(error.message.length).toBeLessThan(1000);
  });
});

describe("limits", () => {
  test.for([
    ["text over 1 MiB", "#".repeat((1 << 20) + 1), "FILE_TOO_LARGE"],
    ["more than 20,000 lines", "\n".repeat(20_001), "BUDGET_EXCEEDED"],
    ["more than 1,000 titles", "title x\n".repeat(1_001), "BUDGET_EXCEEDED"],
  ] satisfies [string, string, ErrorCode][])("%s is refused", ([, text, code]) => {
    expect(failure(text).code).toBe(code);
  });

  test("a thousand titles and a line of a megabyte are read", () => {
    expect(parseGrubLegacy("title x\nkernel /k\n".repeat(1000)).entries).toHaveLength(1000);
    const long = "x".repeat(1_000_000);
    expect(only(`title x\nkernel /k ${long}\n`).arguments).toBe(long);
  });

  test("notes do not grow with the config", () => {
    const words = Array.from({ length: 5000 }, (_, index) => `word${index} ${"x".repeat(50)}`).join("\n");
    expect(parseGrubLegacy(`title x\nkernel /k\n${words}\n`).notes.length).toBeLessThanOrEqual(51);
  });
});

describe("hostile text", () => {
  /** Ends in a config or one of our errors; a config's default is one of its entries. */
  function survive(text: string): void {
    try {
      const config = parseGrubLegacy(text, { savedDefault: () => text.slice(0, 20) });
      expect(config.entries[config.default]).toBeDefined();
      expect(config.numbers).toHaveLength(config.entries.length);
      for (const { kernel } of config.entries) expect(kernel.path.startsWith("/")).toBe(true);
    } catch (error) {
      if (!(error instanceof GuestbootError)) throw error;
    }
  }

  /** Numbers that look random and are the same in every run (a linear congruential generator). */
  function* random(seed: number): Generator<number, never> {
    for (let state = seed; ;) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      yield state / 2 ** 32;
    }
  }

  test("random bytes end in a config or a typed error", () => {
    const numbers = random(1);
    for (let run = 0; run < 300; run++) {
      const bytes = Buffer.alloc(Math.floor(numbers.next().value * 4000));
      for (let at = 0; at < bytes.length; at++) bytes[at] = Math.floor(numbers.next().value * 256);
      survive(bytes.toString("latin1"));
    }
  });

  test("random lines of real words end in a config or a typed error", () => {
    const words = (
      "title root rootnoverify kernel initrd module modulenounzip default fallback timeout saved chainloader lock " +
      "configfile = == # (hd0,0) (hd0,0)/k (cd)/k (hd /k k +1 0+5 --type=linux --x 0 1 2 99999999999 0x1 xen.gz /xen " +
      "\t \r \u001b \udce9 \u0000 __proto__ constructor"
    ).split(" ");
    const numbers = random(2);
    for (let run = 0; run < 2000; run++) {
      const lines = Array.from({ length: Math.floor(numbers.next().value * 30) }, () =>
        Array.from(
          { length: Math.floor(numbers.next().value * 5) },
          () => words[Math.floor(numbers.next().value * words.length)] ?? "",
        ).join(numbers.next().value < 0.8 ? " " : "="),
      );
      survive(lines.join(numbers.next().value < 0.9 ? "\n" : "\r\n"));
    }
  });

  test.for([
    ["blanks", " ".repeat(1 << 20)],
    ["blanks before a word", `title x\nkernel /k${" ".repeat(1_000_000)}y`],
    ["equals signs", `title ${"=".repeat(1_000_000)}`],
    ["blanks and equals signs", `title x\nkernel ${" =".repeat(500_000)}`],
    ["options", `title x\nkernel ${"--x ".repeat(250_000)}`],
    ["fallbacks", `default 9\nfallback ${"7 ".repeat(500_000)}\ntitle x\nkernel /k`],
    ["slashes", `title x\nkernel ${"/xen".repeat(250_000)}\nmodule /m`],
    ["a name of digits", `title x\nkernel ${"1".repeat(1_000_000)}`],
    ["open parentheses", `title x\nkernel ${"(".repeat(1_000_000)}`],
    ["initrd words", `title x\nkernel /k\n${`initrd ${"/i ".repeat(100)}\n`.repeat(3000)}`],
    ["distinct words", Array.from({ length: 19_000 }, (_, index) => `w${index}`).join("\n")],
  ])("a megabyte of %s takes less than a second", ([, text]) => {
    const start = performance.now();
    survive(text ?? "");
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
