import { describe, expect, it } from "vitest";
import { shownJson, shownWords, withoutSecrets } from "../../src/cli/vm-words.ts";
import { vmRecord } from "../pipeline/vm-record.ts";

describe("a VM's record as it is shown", () => {
  it.each([
    ["http://u:pa55@h.example/d", "http://h.example/d"],
    ["http://u:pa@55@h.example/d", "http://h.example/d"],
    ["http://u:pa/55@h.example/d", "http://h.example/d"],
    ["http://u:pa55@one.example/ ftp://u:pa55@two.example/", "http://one.example/ ftp://two.example/"],
    ["HTTPS://u:pa55@h.example", "HTTPS://h.example"],
    ["http:u:pa55@h.example/d", "http:h.example/d"],
    ["http://h.example:8080/with@sign", "http://h.example:8080/with@sign"],
    ["http://[::1]:80/a@b", "http://[::1]:80/a@b"],
    ["nfs:server.example:/path", "nfs:server.example:/path"],
    ["vnc vncpassword=pa55 x=1", "vnc vncpassword=(set) x=1"],
    ['inst.vncpassword="pa55 word" x', "inst.vncpassword=(set) x"],
    ["passwd/root-password=pa55", "passwd/root-password=(set)"],
    ["method=http://u:pa55@h.example/ console=hvc0", "method=http://h.example/ console=hvc0"],
    ["console=hvc0 root=/dev/xvda1", "console=hvc0 root=/dev/xvda1"],
  ])("%s", (given, shown) => {
    expect(withoutSecrets(given)).toBe(shown);
  });

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
});
