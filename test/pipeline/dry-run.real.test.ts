import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { shellQuoted, xeCommands, xeStart, type SettingChange } from "../../src/pipeline/dry-run.ts";
import { UUID } from "./vm-record.ts";

/** What bash makes of a line, where `xe` is a function that prints its words, each ended by a NUL. */
function wordsOf(line: string): string[] {
  const script = `xe() { if [ "$1" = vbd-list ]; then printf DEVICE; printf '%s\\n' "$*" >&2; else printf '%s\\0' "$@"; fi; }\n${line}\n`;
  const output = execFileSync("bash", ["--noprofile", "--norc", "-c", script], {
    encoding: "latin1",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return Buffer.from(output, "latin1").toString("utf8").split("\0").slice(0, -1);
}

const VALUES = [
  "",
  "eliloader",
  "root=/dev/xvda1 ro",
  "it's; rm -rf / #",
  '"double" $HOME `id` $(id) \\ \\n !! * ? ~ & | < > {a,b}',
  "'",
  "''\\''",
  "two\nlines\r\tand \x1b[31m a terminal",
  "back\\slash and ' and \x07",
  "für 日本 \u202e \u{1f600}",
  '{"version":1,"PV_args":["a b","c\'d"]}',
  "-x",
  "=",
];

describe("changes as commands of xe", () => {
  it.each(VALUES)("quotes %j so that bash reads the very same", (value) => {
    expect(wordsOf(`xe ${shellQuoted(value)} end`)).toEqual([value, "end"]);
  });

  it.each(VALUES)("sets a field and a key to %j", (to) => {
    const changes: SettingChange[] = [
      { kind: "field", field: "PV_args", from: "x", to },
      { kind: "other_config", key: "install-repository", from: null, to },
    ];
    const [field = "", key = ""] = xeCommands(UUID, changes);
    expect(wordsOf(field)).toEqual(["vm-param-set", `uuid=${UUID}`, `PV-args=${to}`]);
    expect(wordsOf(key)).toEqual(["vm-param-set", `uuid=${UUID}`, `other-config:install-repository=${to}`]);
  });

  it("removes a key, makes a disk bootable, starts a VM", () => {
    const [remove = "", bootable = ""] = xeCommands(UUID, [
      { kind: "other_config", key: "install-round", from: "2", to: null },
      { kind: "bootable", userdevice: "3", from: false, to: true },
    ]);
    expect(wordsOf(remove)).toEqual([
      "vm-param-remove",
      `uuid=${UUID}`,
      "param-name=other-config",
      "param-key=install-round",
    ]);
    expect(wordsOf(bootable)).toEqual(["vbd-param-set", "uuid=DEVICE", "bootable=true"]);
    expect(bootable).toContain(`xe vbd-list vm-uuid=${UUID} userdevice=3 --minimal`);
    expect(wordsOf(xeStart(UUID))).toEqual(["vm-start", `uuid=${UUID}`]);
  });

  it("prints one line a command, with nothing in it that a terminal would obey", () => {
    for (const to of VALUES) {
      const [line = ""] = xeCommands(UUID, [{ kind: "field", field: "PV_args", from: "x", to }]);
      expect(line).not.toMatch(/[\0-\x1f\x7f\u202e]/);
    }
  });
});
