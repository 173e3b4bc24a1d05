import { describe, expect, it } from "vitest";
import type { TrustPolicy, TrustSettings } from "../../src/base/trust-settings.ts";
import { givenTrust, vmTrust } from "../../src/pipeline/trust-wanted.ts";
import { parseLocation } from "../../src/repository/location.ts";
import type { VmRecord } from "../../src/toolstack/vm-record.ts";

const HEX = "0a".repeat(32);

function record(otherConfig: Readonly<Record<string, string>>): VmRecord {
  return {
    uuid: "vm-1",
    name_label: "vm",
    PV_bootloader: "eliloader",
    PV_bootloader_args: "",
    PV_args: "",
    PV_kernel: "",
    PV_ramdisk: "",
    other_config: otherConfig,
    VBDs: [],
  };
}

function host(policy: TrustPolicy | null): TrustSettings[] {
  return [{ name: null, policy, keyrings: ["/k"], acceptExpiredKeys: null }];
}

const location = parseLocation("http://mirror.example/debian");

describe("the proof that a VM's installation needs", () => {
  it.each([
    [null, {}, "prefer"],
    [null, { "install-trust": "none" }, "none"],
    [null, { "install-trust": "require-signed" }, "require-signed"],
    ["require-listed", {}, "require-listed"],
    ["require-listed", { "install-trust": "none" }, "require-listed"],
    ["require-listed", { "install-trust": "require-signed" }, "require-signed"],
    ["prefer", { "install-trust": "none" }, "prefer"],
    ["none", { "install-trust": "prefer" }, "prefer"],
  ] as const)("with the host's policy %s and the record's %j is %s", (policy, otherConfig, expected) => {
    const wanted = vmTrust(record(otherConfig), host(policy), location);
    expect(wanted.policy).toBe(expected);
    expect(wanted.keyrings).toEqual(["/k"]);
  });

  it("may be pinned in the record", () => {
    const pins = { "install-kernel-sha256": HEX, "install-ramdisk-sha256": `${HEX} sha256:${HEX}` };
    expect(vmTrust(record(pins), [], location).pinned).toEqual({
      kernel: `sha256:${HEX}`,
      ramdisks: [`sha256:${HEX}`, `sha256:${HEX}`],
    });
    expect(vmTrust(record({}), [], location).pinned).toEqual({ kernel: null, ramdisks: [] });
  });

  it.each([
    { "install-trust": "signed" },
    { "install-trust": "require_signed" },
    { "install-kernel-sha256": HEX.slice(1) },
    { "install-kernel-sha256": `${HEX} ${HEX}` },
    { "install-ramdisk-sha256": "md5:1234" },
  ])("is refused where it is misspelt: %j", (otherConfig) => {
    expect(() => vmTrust(record(otherConfig), [], location)).toThrow(
      expect.objectContaining({ code: "INVALID_SOURCE" }),
    );
    expect(() => vmTrust(record(otherConfig), [], location)).toThrow(Object.keys(otherConfig)[0]);
  });
});

describe("the proof that the command line asks for", () => {
  const nothing = { policy: null, keyrings: [], acceptExpiredKeys: false, pinned: { kernel: null, ramdisks: [] } };

  it("beats the settings, also downwards", () => {
    expect(givenTrust({ ...nothing, policy: "none" }, host("require-signed"), location).policy).toBe("none");
    expect(givenTrust(nothing, host("require-signed"), location).policy).toBe("require-signed");
    expect(givenTrust(nothing, [], location).policy).toBe("prefer");
    expect(givenTrust({ ...nothing, keyrings: ["/mine.gpg"] }, host(null), location).keyrings).toEqual(["/mine.gpg"]);
  });
});
