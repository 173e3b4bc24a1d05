import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { settingsFor } from "../../src/base/repository-settings.ts";
import { readSettings } from "../../src/base/settings.ts";
import { temporaryFolder } from "../program.ts";

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

async function read(text: string) {
  const file = path.join(folder.path, "guestboot.conf");
  fs.writeFileSync(file, text);
  return readSettings({}, file);
}

const TEXT = `
[repository "mirror.example"]
ca-file = /etc/guestboot/mirror.pem
[repository "mirror.example:8443"]
proxy = http://me:s3cret@proxy.example:3128
[repository "*.example"]
proxy = none
redirect-ports = 8080, 8443 81
[repository "https://mirror.example/debian/"]
ca-file = /etc/guestboot/debian.pem
[eliloader]
guest-installer = /srv/guest-installer
`;

describe("what is set for single repositories", () => {
  it("is read with the dots of their names", async () => {
    const { repositories, guestInstallerFolder, warnings } = await read(TEXT);
    expect(warnings).toEqual([]);
    expect(guestInstallerFolder).toBe("/srv/guest-installer");
    expect([...repositories].sort((one, other) => (one.name < other.name ? -1 : 1))).toEqual([
      { name: "*.example", caFile: null, proxy: "none", redirectPorts: [8080, 8443, 81] },
      { name: "https://mirror.example/debian/", caFile: "/etc/guestboot/debian.pem", proxy: null },
      { name: "mirror.example", caFile: "/etc/guestboot/mirror.pem", proxy: null },
      { name: "mirror.example:8443", caFile: null, proxy: "http://me:s3cret@proxy.example:3128" },
    ]);
  });

  it.each([
    ["https://mirror.example/debian/dists/x", ["https://mirror.example/debian/", "mirror.example", "*.example"]],
    ["https://mirror.example/debian", ["https://mirror.example/debian/", "mirror.example", "*.example"]],
    ["https://MIRROR.example/debian-security/", ["mirror.example", "*.example"]],
    ["https://mirror.example:8443/x", ["mirror.example:8443", "mirror.example", "*.example"]],
    ["ftp://other.example/", ["*.example"]],
    ["http://example/", []],
    ["http://badexample/", []],
    ["http://mirror.example.evil/", []],
    ["nfs:server:/x", []],
  ])("is for %s: %j", async (address, names) => {
    const { repositories } = await read(TEXT);
    expect(settingsFor(repositories, address).map((each) => each.name)).toEqual(names);
  });

  it.each([
    ["[repository]\nproxy = x", /the section names no repository/],
    ["[repository mirror.example]\nproxy = x", /the section names no repository/],
    ['[repository "a b"]\nproxy = x', /the section names no repository/],
    [
      '[repository "m.example"]\nredirect-ports = 80, 65536',
      /"m\.example"\] redirect-ports: must be at most 20 numbers/,
    ],
    ['[repository "m.example"]\nredirect-ports = http', /redirect-ports: must be at most 20 numbers of ports/],
    [`[repository "m.example"]\nredirect-ports = ${"80 ".repeat(21)}`, /redirect-ports: must be at most 20 numbers/],
    ['[repository "m.example"]\nca-file = mirror.pem', /"m\.example"\] ca-file: must be a file's absolute path/],
  ])("is refused in %j", async (text, words) => {
    await expect(read(text)).rejects.toMatchObject({
      code: "SETTINGS_INVALID",
      message: expect.stringMatching(words) as string,
    });
  });

  it("is warned of where a key means nothing, without its value", async () => {
    const { warnings } = await read('[repository "m.example"]\npassword = s3cret');
    expect(warnings.join()).toMatch(/\[repository "m\.example"\] has no key "password"/);
    expect(warnings.join()).not.toContain("s3cret");
  });

  it("is bounded", async () => {
    const many = Array.from({ length: 201 }, (_, at) => `[repository "h${at}"]\nproxy=none`).join("\n");
    await expect(read(many)).rejects.toThrow(/more than 200/);
    const deep = `[repository "${"a.".repeat(5000)}b"]\nproxy=none`;
    expect((await read(deep)).repositories).toEqual([]);
  });
});
