import { describe, expect, it } from "vitest";
import { readInstallRequest } from "../../src/distro/install-request.ts";
import { vmRepositoryOptions } from "../../src/pipeline/vm-repository.ts";
import type { VmRecord } from "../../src/toolstack/vm-record.ts";

const host = { repositories: [{ name: "m", caFile: null, proxy: "none" }], environment: { http_proxy: "http://p/" } };

function optionsOf(config: Record<string, string>) {
  const record: VmRecord = {
    uuid: "11111111-2222-3333-4444-555555555555",
    name_label: "guest",
    PV_bootloader: "eliloader",
    PV_bootloader_args: "",
    PV_args: "",
    PV_kernel: "",
    PV_ramdisk: "",
    other_config: { "install-repository": "https://m/", ...config },
    VBDs: [],
  };
  return vmRepositoryOptions(record, readInstallRequest(record.other_config, record.uuid), host);
}

describe("how a VM's repository is read", () => {
  it("comes from its record, its host's settings and the environment", () => {
    const settled = { settings: host.repositories, environment: host.environment };
    expect(optionsOf({})).toEqual({ ...settled, proxy: undefined, caFile: undefined });
    expect(optionsOf({ "install-ca-file": "/etc/guestboot/m.pem", "install-proxy": "http://q/" })).toEqual({
      ...settled,
      proxy: "http://q/",
      caFile: "/etc/guestboot/m.pem",
    });
    expect(optionsOf({ "install-ca-file": "" })).toMatchObject({ caFile: undefined });
  });

  it.each(["m.pem", "../m.pem", "/a\nb", "-----BEGIN CERTIFICATE-----"])("refuses the CA file %j", (file) => {
    expect(() => optionsOf({ "install-ca-file": file })).toThrow(/install-ca-file ".*" is no absolute path/);
  });
});
