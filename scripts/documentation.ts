/**
 * Man pages and shell completions, made from the words that the program itself has for `--help`.
 */
import { COMMAND_HELP } from "../src/cli/help.ts";

const commands = Object.entries(COMMAND_HELP);

/** Text in a man page: no line may be taken for a request, and no dash for a hyphen. */
function roff(text: string): string {
  const letter = (each: string) => `\\[u${each.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`;
  const escaped = text.replaceAll("\\", "\\e").replaceAll("-", "\\-");
  return escaped.replace(/^([.'])/gm, "\\&$1").replace(/[^\0-\x7f]/g, letter);
}

function page(name: string, section: number, summary: string, body: string): string {
  return `.TH ${name.toUpperCase()} ${section} "" guestboot guestboot\n.SH NAME\n${name} \\- ${roff(summary)}\n${body}`;
}

const block = (text: string) => `.nf\n${roff(text)}\n.fi\n`;

/** Man pages by their file names. @param conf the commented default of guestboot.conf */
export function manPages(conf: string): Readonly<Record<string, string>> {
  const sections = commands.map(([name, { text }]) => `.SS ${name}\n${block(text)}`).join("");
  const seeAlso = (names: string) => `.SH SEE ALSO\n${names}\n`;
  const exit = `.SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage.\n`;
  const guestboot = `.SH SYNOPSIS\nguestboot COMMAND [options]\n.SH COMMANDS\n${sections}${exit}.SH FILES\n/etc/guestboot.conf\n`;
  const eliloader = `.SH SYNOPSIS\neliloader [\\-q] \\-\\-vm=UUID [options] DISK\n.SH DESCRIPTION
Called by xapi's xenopsd at the start of a guest whose PV_bootloader is eliloader: starts a round of its installation.
.SH EXIT STATUS\n0 done, 1 a failure, 2 wrong usage, 3 the guest does not boot from its disk after its installation.\n`;
  const pygrub = `.SH SYNOPSIS\npygrub [options] DISK\n.SH DESCRIPTION
Called by a toolstack at the start of a guest: takes kernel and ramdisk from the guest's own disk. pygrub \\-\\-help lists
the options.\n`;
  return {
    "guestboot.1": page(
      "guestboot",
      1,
      "boots Xen guests",
      guestboot + seeAlso("eliloader(8), pygrub(8), guestboot.conf(5)"),
    ),
    "eliloader.8": page(
      "eliloader",
      8,
      "starts installations of Xen guests",
      eliloader + seeAlso("guestboot(1), pygrub(8)"),
    ),
    "pygrub.8": page("pygrub", 8, "boots Xen guests from their disks", pygrub + seeAlso("guestboot(1), eliloader(8)")),
    "guestboot.conf.5": page(
      "guestboot.conf",
      5,
      "settings of guestboot",
      `.SH DESCRIPTION\nThe file as it is delivered:\n.PP\n${block(conf.replace(/\n+$/, "").replace(/\n\n/g, "\n#\n"))}${seeAlso("guestboot(1)")}`,
    ),
  };
}

/** The options and the words of second rank (`cache list`) that a command's help names. */
export function wordsOf(name: string): readonly string[] {
  const text = COMMAND_HELP[name]?.text ?? "";
  const options = [...text.matchAll(/(?<![\w-])--[a-z][a-z0-9-]*/g)].map(([option]) => option);
  const verbs = [...text.matchAll(new RegExp(`^guestboot ${name} ([a-z][a-z|-]*)(?![\\w/:])`, "gm"))];
  return [...new Set([...verbs.flatMap(([, found = ""]) => found.split("|")), ...options, "--help"])];
}

export function bashCompletion(): string {
  const cases = commands.map(([name]) => `    ${name}) words="${wordsOf(name).join(" ")}" ;;`).join("\n");
  return `# bash completion for guestboot
_guestboot() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${commands.map(([name]) => name).join(" ")} help --version"
  else
    case "\${COMP_WORDS[1]}" in
${cases}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _guestboot guestboot
`;
}

export function zshCompletion(): string {
  const quoted = (text: string) => `'${text.replaceAll("'", "'\\''").replaceAll(":", "\\:")}'`;
  const names = commands.map(([name, { summary }]) => `    '${name}:'${quoted(summary)}`).join("\n");
  const cases = commands.map(([name]) => `    ${name}) compadd -- ${wordsOf(name).join(" ")}; _files ;;`).join("\n");
  return `#compdef guestboot
local -a commands
if (( CURRENT == 2 )); then
  commands=(
${names}
  )
  _describe command commands
else
  case "$words[2]" in
${cases}
  esac
fi
`;
}
