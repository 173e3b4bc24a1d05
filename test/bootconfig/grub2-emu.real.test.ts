/**
 * What scripts come to: GRUB itself runs the same ones, as `grub-emu`. Both print a line for each call of `p`: GRUB by
 * `echo`, and ours by an entry of that title.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openFolder } from "../../src/filesystem/folder.ts";
import { parseGrub2 } from "../../src/bootconfig/grub2/grub2.ts";
import { emulate } from "./grub-emu.ts";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-emu-"));
afterAll(() => fs.rmSync(folder, { recursive: true }));
for (const [name, text] of [
  ["file", "x"],
  ["empty", ""],
  ["a1.cfg", "p from a1 $here\nset there=1\n"],
  [
    "menu.lst",
    "default 1\ntimeout 7\nfallback 0 2\ntitle one\nkernel /1\ntitle two\nkernel /2\ntitle three\nkernel /3\n",
  ],
  ["syslinux.cfg", "DEFAULT a\nTIMEOUT 50\nLABEL a\nLINUX 1\n"],
  ["env", `# GRUB Environment Block\nsaved=a\\\\b c\nother=x\n`.padEnd(1024, "#")],
] as const) {
  fs.writeFileSync(path.join(folder, name), text);
}
fs.mkdirSync(path.join(folder, "sub"));

const MARK = "@@";

function grubSays(script: string): string[] {
  const print = `function p {\necho "${MARK}<$1><$2><$3><$4> $#"\n}\n`;
  fs.writeFileSync(path.join(folder, "grub.cfg"), `${print}${script}\nexit\n`);
  return emulate(folder)
    .split("\n")
    .filter((line) => line.startsWith(MARK))
    .map((line) => line.slice(MARK.length));
}

function weSay(script: string): string[] {
  const print = `function p {\nmenuentry "<$1><$2><$3><$4> $#" { linux /k }\n}\n`;
  const filesystem = openFolder("/");
  const own = { name: "folder", number: null, partitionUuid: null, filesystem: () => filesystem };
  const place = { path: `${folder}/grub.cfg`, own, volumes: [own] };
  const { entries } = parseGrub2(`${print}${script}\n`, place);
  // Other configs may have entries of their own.
  return entries.filter(({ kernel }) => kernel.path === "/k").map(({ title }) => title);
}

const SCRIPTS: Readonly<Record<string, string>> = {
  "words and quoting": `set e=""
set a="1 2"
set s="a  b"
set l=" lead "
p $e b
p "$e" b
p x\${e}y
p x$s"y"z
p "x$s"
p 'a"b' "a'b" a\\ b
p "a\\nb\\$x\\"q\\\\z"
p \\$x \\{ \\;
p "$?" \${?}
p a#b #c
p x=y
p con\\
tinued
p "con\\
tinued"
p $"hi $a"
p $a$a
p "$a"$a
p ""$a
p " $a"
p x\${l}y
p \${l}
p 'it'"'"'s' "a"b'c'
p $nope.$a`,
  assignments: `a=b
p $a
a="d e"
p "$a"
set b=$a
p "$b"
set "c=$a"
p "$c"
x=1 y=2
p "$x" "$y"
set a=5 b=6
p $a "$b"
unset a
p "$a"
set cmd="p one"
$cmd two
"p" q
eval "x=5; set y=6"
p $x $y`,
  "lines that are no script": `if true; then
p a | p b
p c
fi
p d
p e && p f
p g; p h | p i
p j {x}
p [[ k
{ p l; }
p m`,
  tests: `function t { if [ $1 $2 $3 $4 $5 $6 $7 $8 $9 ]; then p yes $1 $2 $3; else p no $1 $2 $3; fi; }
t a = a
t a = b
t a == a
t a != b
t a \\< b
t b \\> a
t 1 -lt 2 -a 3 -gt 2
t a = b -o c = c
t ! a = b
t a = a -o b = b -a c = d
t 10 -pgt 9
t a10 -pgt a9
t a10 -plt a9
t 0x10 -eq 16
t 010 -eq 8
t -1 -lt 1
t 5 -le 5 -a 5 -ge 5 -a 5 -ne 4
t
t a
t !
t a b
t -n
t a -a
t ( a = b -o a = a ) -a c = c
if [ "" ]; then p yes; else p no; fi
if [ -n "" ]; then p yes; else p no; fi
if [ -z "" ]; then p yes; else p no; fi
if [ "" -o "" ]; then p yes; else p no; fi
if [ a = a; then p yes; else p no; fi
t -e FOLDER/file
t -f FOLDER/file
t -d FOLDER/file
t -d FOLDER/sub
t -f FOLDER/sub
t -s FOLDER/file
t -s FOLDER/empty
t -e FOLDER/gone
t -e FOLDER/gone -o -d FOLDER/sub`,
  "statuses and flow": `false
p "$?"
set x=1
p "$?"
! false
p "$?"
! ! false
p "$?"
nosuchcommand
p "$?"
if nosuchcommand; then p yes; else p no; fi
function h { false; }
h
p "$?"
if h; then p yes; else p no; fi
function r { return 7; p never; }
r
p "$?"
function lp { for i in 1 2 3; do if [ $i = 2 ]; then return 5; fi; done; }
lp
p "$?" $i
for i in 1 2; do for j in a b; do if [ $j = b ]; then continue 2; fi; p $i$j; done; done
for i in 1 2; do for j in a b; do break 2; done; done
p $i$j
set n=""
while [ x$n != xaaa ]; do set n="\${n}a"; if [ $n = aa ]; then break; fi; done
p $n
until [ x$n = xaaaaa ]; do n=a$n; done
p $n
if false; then true; fi
p "$?"
break
continue
return
p still`,
  functions: `function g { shift; p "$1" $#; setparams q r; p "$1" "$2" $#; p $@; p "$@" x; p "$*" x; }
g a b "c d"
function k { eval 'function k { p new; }'; p old; }
k
k
function outer { function_name=inner; p $1; inner x; p $1; }
function inner { p $1 $function_name; }
outer y`,
  "files and regular expressions": `set here=1
source FOLDER/a1.cfg
p "$there"
load_env -f FOLDER/env
p "$saved" "$other"
set other=
load_env -f FOLDER/env saved
p "$other"
regexp --set=1:x "(h.)" "ahbhc"
p "$?" $x
regexp --set=1:x --set=2:y "^(a|ab)(c|bcd)(d*)" "abcd"
p $x $y
regexp --set=x "b+" abbb
p "$?" "$x"
regexp z abc
p "$?"
for f in FOLDER/a?.c*; do p $f; done
p "FOLDER/a*"
search --file FOLDER/nothing --set=q
p "$q"`,
  "settings of other loaders' configs": `extract_legacy_entries_source FOLDER/menu.lst
p "$default" "$timeout" "$fallback" "$?"
legacy_source FOLDER/menu.lst
p "$default" "$timeout" "$fallback" "$?"
extract_syslinux_entries_source FOLDER/syslinux.cfg
p "$timeout"
syslinux_source FOLDER/syslinux.cfg
p "$timeout" "$?"
legacy_configfile FOLDER/gone
p here
if legacy_source FOLDER/gone; then p yes; else p no; fi`,
};

describe("a script's outcome", () => {
  it.each(Object.entries(SCRIPTS))("is GRUB's: %s", (_, script) => {
    const text = script.replaceAll("FOLDER", folder);
    const expected = grubSays(text);
    expect(expected.length).toBeGreaterThan(3);
    expect(weSay(text)).toEqual(expected);
  });
});
