import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { readSettings } from "../../src/base/settings.ts";
import { KEYRING_FOLDERS, stricter, trustFor } from "../../src/base/trust-settings.ts";

async function read(text: string) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "guestboot-test-"));
  try {
    fs.writeFileSync(path.join(folder, "conf"), text);
    return await readSettings({}, path.join(folder, "conf"));
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

const CONFIG = `
[trust]
policy = require-listed
[trust "archive.debian.org"]
policy = require-signed
keyrings = /etc/guestboot/old.gpg, /srv/keys
accept-expired-keys = yes
[trust "*.example"]
policy = prefer
[trust "http://mirror.example/unchecked/"]
policy = none
`;

describe("what the host's settings say of trust", () => {
  it("is for all, for a host, for a domain, for an address; the special before the general", async () => {
    const { trust, warnings } = await read(CONFIG);
    expect(warnings).toEqual([]);
    const of = (address: string) => trustFor(trust, [address]);
    expect(of("http://deb.debian.org/debian/")).toEqual({
      policy: "require-listed",
      keyrings: KEYRING_FOLDERS,
      acceptExpiredKeys: false,
    });
    expect(of("http://archive.debian.org/debian/")).toEqual({
      policy: "require-signed",
      keyrings: ["/etc/guestboot/old.gpg", "/srv/keys"],
      acceptExpiredKeys: true,
    });
    expect(of("http://mirror.example/debian/").policy).toBe("prefer");
    expect(of("http://mirror.example/unchecked/").policy).toBe("none");
    expect(of("/srv/mirror/").policy).toBe("require-listed");
  });

  it("is nothing where nothing is set", async () => {
    expect(trustFor((await read("")).trust, ["http://m.example/"])).toEqual({
      policy: null,
      keyrings: ["/usr/share/keyrings", "/etc/guestboot/keyrings"],
      acceptExpiredKeys: false,
    });
  });

  it("holds several mirrors to the strictest of them, since any may answer", async () => {
    const { trust } = await read(CONFIG);
    const both = trustFor(trust, ["http://mirror.example/unchecked/", "http://archive.debian.org/debian/"]);
    expect(both.policy).toBe("require-signed");
    expect(both.acceptExpiredKeys).toBe(false);
  });

  it.each([
    [
      "[trust]\npolicy = sometimes",
      /\[trust\] policy = sometimes: must be require-signed, require-listed, prefer, none/,
    ],
    ["[trust]\nkeyrings = here", /\[trust\] keyrings = here: must be absolute paths/],
    [
      '[trust "a.example"]\naccept-expired-keys = maybe',
      /\[trust "a\.example"\] accept-expired-keys = maybe: must be yes/,
    ],
    ["[trust a.example]\npolicy = none", /the section names no repository/],
  ])("that means nothing is refused: %j", async (text, words) => {
    await expect(read(text)).rejects.toThrow(words);
    await expect(read(text)).rejects.toMatchObject({ code: "SETTINGS_INVALID" });
  });

  it("warns of keys that nobody reads", async () => {
    expect((await read("[trust]\nlevel = signed\n")).warnings).toEqual([
      expect.stringMatching(/\[trust\] has no key "level"; it is ignored$/),
    ]);
  });
});

describe("the stricter of two policies", () => {
  it("is the one that asks for more", () => {
    expect(stricter("none", "require-listed")).toBe("require-listed");
    expect(stricter("require-signed", "prefer")).toBe("require-signed");
  });
});
