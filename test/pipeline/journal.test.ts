import { describe, expect, it } from "vitest";
import { formerValue, JOURNAL_KEY, readJournal, withJournal } from "../../src/pipeline/journal.ts";
import { changesAfterRound } from "../../src/pipeline/plan.ts";
import { planReinstall } from "../../src/pipeline/reinstall.ts";
import { applyChanges } from "../../src/toolstack/apply-changes.ts";
import type { RecordChange, VmRecord } from "../../src/toolstack/vm-record.ts";
import { vmRecord } from "./vm-record.ts";

const FROM_MEDIUM: VmRecord["VBDs"] = [
  { userdevice: "0", type: "Disk", bootable: false },
  { userdevice: "3", type: "CD", bootable: true },
];
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
    expect(applyChanges(installed, planReinstall(installed, null))).toEqual(template);
  });

  it("leaves it too once somebody else has put everything back", () => {
    const template = vmRecord(sles);
    const installed = changed(template, changesAfterRound(template, 1, 1));
    const back = { ...template, other_config: { ...sles, [JOURNAL_KEY]: installed.other_config[JOURNAL_KEY] ?? "" } };
    expect(changed(back, [])).toEqual(template);
  });

  it("is as long after many installations as after one", () => {
    let record = vmRecord({ ...sles, "install-repository": "cdrom" }, { VBDs: FROM_MEDIUM });
    const journals = new Set<string | undefined>();
    for (let times = 0; times < 5; times += 1) {
      // As `guestboot vm reinstall` does it, and as an admin does it by hand.
      for (const isByHand of [false, true]) {
        const first = changed(record, changesAfterRound(record, 1, 2, true));
        const second = changed(first, changesAfterRound(first, 2, 2, true));
        journals.add(second.other_config[JOURNAL_KEY]);
        const byHand = { ...second.other_config, "install-distro": "sleslike" };
        record = isByHand
          ? { ...second, PV_bootloader: "eliloader", other_config: byHand, VBDs: FROM_MEDIUM }
          : applyChanges(second, planReinstall(second, null));
      }
    }
    expect(journals.size).toBe(1);
  });

  it("is not kept where it would be too long to be read", () => {
    const template = vmRecord(sles);
    const long: RecordChange = { kind: "field", field: "PV_args", from: "console=hvc0", to: "a".repeat(40_000) };
    expect(changed(template, [long]).other_config).toEqual(sles);
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
