import { describe, expect, it } from "vitest";
import { withoutSecrets } from "../../src/base/secrets.ts";

describe("words without the passwords in them", () => {
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
});
