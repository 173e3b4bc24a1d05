/**
 * The bodies of most entries are not run, but looked through. What comes out must be what running them gives: so the
 * same body is read once more behind a statement that must be run, and that changes nothing.
 */
import { describe, expect, it } from "vitest";
import type { BootConfig } from "../../src/bootconfig/boot-config.ts";
import { parseGrub2 } from "../../src/bootconfig/grub2/grub2.ts";
import { seeded } from "../base/seeded.ts";
import { volume } from "./grub2-menu.ts";

const UUID = "0f1e2d3c-aaaa-bbbb-cccc-0123456789ab";
const OTHER = "11111111-aaaa-bbbb-cccc-0123456789ab";

const HEADER = `
set a=x
set blank="p q"
set wild='*'
export a
function idle { if [ x$a = xx ]; then insmod video; fi; }
function loads { linux /loaded $a; }
function twice { idle; loads; }
function again { again; }
function leaves { return 1; }
`;

const PIECES = [
  "insmod ext2",
  "echo 'Loading Linux ...'",
  "idle",
  "loads one two",
  "twice",
  "again",
  "leaves",
  "set root='hd0,gpt2'",
  "set root=",
  "set root",
  "set b=y",
  "root=hd0,gpt3",
  `search --no-floppy --fs-uuid --set=root ${UUID}`,
  `search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt2 ${OTHER}`,
  "search --label --set=root gone",
  "search --set=root --file /k",
  "search --fs-uuid --set=other gone",
  "search --fs-uuid",
  "linux /k root=/dev/xvda1 ro",
  "linux /k 'a b' c\\\"d",
  "linux (hd0,gpt2)/k $a",
  "linux16 k",
  "linux",
  "initrd /i",
  "initrd /i /j newc:etc/x:/x",
  "initrd newc:x",
  "initrd",
  "initrd --flag",
  "multiboot /xen.gz",
  "chainloader +1",
  "unknown word",
  "true",
  "false",
  "exit",
  "return",
  "export b",
  "loopback loop /k",
  "setparams z",
  "menuentry inner { linux /inner; }",
];
const CONDITIONS = [
  "[ x$a = xx ]",
  "[ x$a = xy ]",
  "[ $a = x ]",
  "[ $blank = x ]",
  "[ $none = x ]",
  '[ "$none" = x ]',
  "[ x$wild = x ]",
  "[ x$root = xhd0,gpt2 ]",
  "[ x$chosen = x ]",
  "[ x$default = x ]",
  "[ x$1 = xt ]",
  "[ x$? = x0 ]",
  "[ -f = x ]",
  "[ x$a != xx ]",
  "[ ! x$a = xx ]",
  "[ xx = x$a -a x = y ]",
  "test x$a = xx",
  "false",
];

/** A body of a few statements, some of them inside of others. */
function bodyOf(next: () => number, depth = 0): string {
  const oneOf = (texts: readonly string[]): string => texts[next() % texts.length] ?? "";
  const statement = (): string => {
    if (depth > 2 || next() % 4 > 0) return oneOf(PIECES);
    const otherwise = next() % 2 === 0 ? "" : `else\n${bodyOf(next, depth + 1)}\n`;
    return `if ${oneOf(CONDITIONS)}; then\n${bodyOf(next, depth + 1)}\n${otherwise}fi`;
  };
  return Array.from({ length: 1 + (next() % 5) }, statement).join("\n");
}

const own = volume(2, { "/k": "" }, { uuid: UUID, table: "gpt" });
const other = volume(3, { "/k": "" }, { uuid: OTHER, table: "gpt" });

function read(text: string): Pick<BootConfig, "entries" | "notes"> {
  const place = { own, volumes: [own, other], path: "/boot/grub/grub.cfg" };
  const { entries, notes } = parseGrub2(`${HEADER}menuentry last { linux /last }\n${text}\nset default=0\n`, place);
  return { entries, notes };
}

const entryOf = (statements: string) => `set default=1\nmenuentry t --id i {\n${statements}\n}\n`;

describe("the body of an entry", () => {
  it("boots the same whether it is looked through or run", () => {
    const next = seeded(7);
    for (let round = 0; round < 3000; round++) {
      const statements = bodyOf(next);
      expect(read(entryOf(statements)), statements).toEqual(read(entryOf(`set unused=1\n${statements}`)));
    }
  });

  it("says the same where it is the one that boots", () => {
    const first = (text: string) =>
      parseGrub2(`${HEADER}${text}`, { own, volumes: [own, other], path: "/grub.cfg" }).notes;
    const statements = "search --label --set=root gone\nlinux /k";
    expect(first(`menuentry t {\n${statements}\n}`)).toEqual(first(`menuentry t {\nset unused=1\n${statements}\n}`));
    expect(first(`menuentry t {\n${statements}\n}`).join()).toContain('no volume has the label "gone"');
  });

  it("that calls a thousand functions over and over ends as it does when it is run", () => {
    const functions = [1, 2, 3].map((n) => `function f${n} { ${`f${n - 1}; `.repeat(300)}}\n`).join("");
    const tower = (beginning: string) => `function f0 { linux /k; }\n${functions}menuentry a {\n${beginning}f3\n}\n`;
    const place = { own, volumes: [own], path: "/grub.cfg" };
    for (const beginning of ["", "set unused=1\n"]) {
      expect(() => parseGrub2(tower(beginning), place)).toThrow("more than 200000 steps");
    }
  });
});
