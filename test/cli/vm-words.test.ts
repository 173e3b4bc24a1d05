import { describe, expect, it } from "vitest";
import { shownJson, shownWords } from "../../src/cli/vm-words.ts";
import { vmRecord } from "../pipeline/vm-record.ts";

describe("a VM's record as it is shown", () => {
  it("holds no password, neither in words nor as JSON", () => {
    const secret = "s3cr3t";
    const record = vmRecord(
      {
        "install-distro": "rhlike",
        "install-repository": `http://me:${secret}@x@h.example/el`,
        "install-proxy": `http://me:${secret}@proxy.example:3128`,
        "install-vncpasswd": secret,
        "some-other-password": secret,
        "guestboot-journal": JSON.stringify({
          version: 1,
          PV_args: [`vncpassword=${secret}`, `inst.repo=ftp://u:${secret}@h/`],
          "other_config:install-vncpasswd": [secret, null],
        }),
      },
      { PV_args: `inst.repo=http://me:${secret}@h.example/ vncpassword=${secret}` },
    );
    expect(shownWords(record)).not.toContain(secret);
    expect(JSON.stringify(shownJson(record))).not.toContain(secret);
    expect(shownWords(record)).toMatch(/install-vncpasswd +\(set\)\n/);
    expect(shownJson(record)).toMatchObject({ other_config: { "install-repository": "http://h.example/el" } });
  });

  it("tells what guestboot has changed as it was before, and not what somebody else has set since", () => {
    const journal = {
      version: 1,
      PV_bootloader: ["eliloader", "pygrub"],
      "other_config:install-distro": ["sleslike", null],
      PV_bootloader_args: ["", "--kernel /boot/vmlinuz-xen"],
    };
    const config = { "guestboot-journal": JSON.stringify(journal) };
    const record = vmRecord(config, { PV_bootloader: "pygrub", PV_bootloader_args: "--entry=1" });
    expect(shownWords(record)).toMatch(/^before guestboot +PV_bootloader eliloader, install-distro sleslike$/m);
    expect(shownWords(vmRecord({}))).not.toContain("before guestboot");
  });
});
