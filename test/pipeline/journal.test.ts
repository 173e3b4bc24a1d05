import { describe, expect, it } from "vitest";
import { formerValue, JOURNAL_KEY, readJournal, withJournal } from "../../src/pipeline/journal.ts";
import { changesAfterRound } from "../../src/pipeline/plan.ts";
import { planReinstall } from "../../src/pipeline/reinstall.ts";
import { applyChanges } from "../../src/toolstack/apply-changes.ts";
import type { RecordChange, VmRecord } from "../../src/toolstack/vm-record.ts";
import { vmRecord } from "./vm-record.ts";

const sles = { "install-distro": "sleslike", "install-repository": "http://m.example/sles" };

function changed(record: VmRecord, changes: readonly RecordChange[]): VmRecord {
  return applyChanges(record, withJournal(record, changes));
}

describe("the journal in a VM's record", () => {
  it("has what each place held before, also after several rounds", () => {
    const template = vmRecord(sles);
    const first = changed(template, changesAfterRound(template, 1, 2));
    const second = changed(first, changesAfterRound(first, 2, 2));
    expect(second.other_config["install-distro"]).toBeUndefined();
    const journal = readJournal(second);
    expect(formerValue(second, journal, "PV_bootloader")).toBe("eliloader");
    expect(formerValue(second, journal, "other_config:install-distro")).toBe("sleslike");
    // Set by the first round, gone with the second: as it was.
    expect(journal.has("other_config:install-round")).toBe(false);
  });

  it("leaves the record once everything is as it was", () => {
    const template = vmRecord(sles);
    const installed = changed(template, changesAfterRound(template, 1, 1));
    expect(installed.other_config).toHaveProperty(JOURNAL_KEY);
    expect(changed(installed, planReinstall(installed, null))).toEqual(template);
  });

  it("calls nothing ours that somebody else has set since", () => {
    const template = vmRecord(sles);
    const installed = { ...changed(template, changesAfterRound(template, 1, 1)), PV_bootloader: "their-own" };
    expect(formerValue(installed, readJournal(installed), "PV_bootloader")).toBeUndefined();
    const back = changed(installed, [{ kind: "field", field: "PV_bootloader", from: "their-own", to: "pygrub" }]);
    expect(formerValue(back, readJournal(back), "PV_bootloader")).toBe("their-own");
  });

  it.each([
    "",
    "{",
    "null",
    "[]",
    '{"version":2,"PV_args":["a","b"]}',
    '{"version":1,"PV_args":["a"]}',
    '{"version":1,"PV_args":[{},1]}',
    `{"version":1,"PV_args":["${"a".repeat(300_000)}",""]}`,
  ])("counts as empty where it cannot be read (%#)", (text) => {
    expect(readJournal(vmRecord({ [JOURNAL_KEY]: text })).size).toBe(0);
  });

  it("is not misled by keys that every object has", () => {
    const record = vmRecord({ [JOURNAL_KEY]: '{"version":1,"__proto__":["a","b"],"other_config:toString":["a","b"]}' });
    const journal = readJournal(record);
    expect(formerValue(record, journal, "__proto__")).toBeUndefined();
    expect(formerValue(record, journal, "other_config:toString")).toBeUndefined();
  });
});
