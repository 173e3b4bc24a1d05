import { describe, expect, it } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import { escapePath, parseLocation } from "../../src/repository/location.ts";

function failureOf(text: string): GuestbootError {
  try {
    parseLocation(text);
  } catch (error) {
    if (error instanceof GuestbootError) return error;
    throw error;
  }
  throw new Error(`${text} was taken`);
}

describe("an install-repository value", () => {
  it("names an http or https repository, whose address ends in a slash", () => {
    expect(parseLocation("http://deb.example.org/debian")).toEqual({
      transport: "http",
      address: "http://deb.example.org/debian/",
      credentials: null,
    });
    expect(parseLocation("https://mirror.example.org:8443/os/")).toMatchObject({
      transport: "https",
      address: "https://mirror.example.org:8443/os/",
    });
    expect(parseLocation("HTTP://Example.ORG")).toMatchObject({ transport: "http", address: "http://example.org/" });
    expect(parseLocation("http://[2001:db8::1]:8080/x")).toMatchObject({ address: "http://[2001:db8::1]:8080/x/" });
  });

  it("keeps user and password apart from the address and undoes their escapes", () => {
    expect(parseLocation("http://admin:p%40ss%2Fword%25@h.example/debian")).toEqual({
      transport: "http",
      address: "http://h.example/debian/",
      credentials: { user: "admin", password: "p@ss/word%" },
    });
    expect(parseLocation("http://admin@h.example/")).toMatchObject({ credentials: { user: "admin", password: "" } });
  });

  it("names an NFS export in each of the three spellings", () => {
    const expected = {
      transport: "nfs",
      address: "nfs://server/export/os/",
      server: "server",
      path: "/export/os",
      options: [],
    };
    for (const text of ["nfs:server:/export/os", "nfs://server/export/os", "nfs://server:/export/os"]) {
      expect(parseLocation(text), text).toEqual(expected);
    }
    expect(parseLocation("nfs:[2001:db8::1]:/os")).toMatchObject({ server: "[2001:db8::1]", path: "/os" });
  });

  it("names an NFS export with mount options, of which those that would harm are left out", () => {
    expect(parseLocation("nfs:nolock,vers=3,rw,hard:server:/os")).toMatchObject({
      server: "server",
      path: "/os",
      options: ["nolock", "vers=3"],
    });
    expect(parseLocation("nfs::server:/os")).toMatchObject({ options: [] });
    expect(parseLocation("nfs://server:20490/os")).toMatchObject({ server: "server", options: ["port=20490"] });
    expect(parseLocation("nfs:port=20490:[::1]:/os")).toMatchObject({ server: "[::1]", options: ["port=20490"] });
  });

  it("has escapes in an nfs:// address, and none in mount's spelling", () => {
    expect(parseLocation("nfs://server/my%20tree")).toMatchObject({
      path: "/my tree",
      address: "nfs://server/my%20tree/",
    });
    expect(parseLocation("nfs:server:/a%20b")).toMatchObject({ path: "/a%20b", address: "nfs://server/a%2520b/" });
  });

  it("names several mirrors with blanks between them", () => {
    expect(parseLocation("http://a.example/debian https://me:pw@b.example/debian/ ftp://c.example/")).toEqual({
      transport: "mirrors",
      address: "http://a.example/debian/",
      mirrors: [
        { transport: "http", address: "http://a.example/debian/", credentials: null },
        {
          transport: "https",
          address: "https://b.example/debian/",
          credentials: { user: "me", password: "pw" },
        },
        { transport: "ftp", address: "ftp://c.example/", credentials: null },
      ],
    });
  });

  it("names the CD drive, an FTP server or a local folder", () => {
    expect(parseLocation("cdrom")).toEqual({ transport: "cdrom", address: "cdrom" });
    expect(parseLocation("ftp://ftp.example.org/pub")).toMatchObject({
      transport: "ftp",
      address: "ftp://ftp.example.org/pub/",
    });
    expect(parseLocation("file:///srv/my%20tree")).toEqual({
      transport: "file",
      address: "file:///srv/my%20tree/",
      path: "/srv/my tree",
    });
    expect(parseLocation("/srv/tree")).toEqual({ transport: "file", address: "file:///srv/tree/", path: "/srv/tree" });
  });

  it.each([
    ["", /empty/],
    ["http://", /no host/],
    ["http:///debian", /no host/],
    ["http://user:pw@/debian", /no host/],
    ["http://:80/debian", /no host/],
    ["http:host/debian", /no \/\//],
    ["http://host:99999/", /host or port/],
    ["http://ho st/", /space/],
    ["http://host/a b", /space/],
    [" http://host/", /space/],
    ["http://host/  http://other/", /space/],
    ["http://host/ nfs:server:/os", /mirrors on http, https or ftp only/],
    ["http://host/ cdrom", /space/],
    [Array.from({ length: 17 }, () => "http://host/").join(" "), /more than 16 mirrors/],
    ["nfs:suid:server:/os", /"suid" is no NFS mount option/],
    ["nfs:vers=3,exec:server:/os", /"exec"/],
    ["nfs:vers=3 -o suid:server:/os", /space/],
    ["nfs:-o:server:/os", /"-o"/],
    ["nfs:-server:/os", /nfs:SERVER:\/PATH/],
    ["nfs://-server/os", /nfs:SERVER:\/PATH/],
    ["nfs://server/%0aos", /control character/],
    ["http://host/\n", /control character/],
    ["http://host/\x00", /control character/],
    ["http://host/\x7f", /control character/],
    ["http://host\\path", /backslash/],
    ["http://host/?dir=x", /"\?"/],
    ["http://host/#x", /"#"/],
    ["http://us%3Aer:pw@host/", /colon/],
    ["http://user:%0a@host/", /control character/],
    ["http://user:100%@host/", /%/],
    ["method=http://host/", /method=/],
    ["inst.repo=http://host/", /inst\.repo=/],
    ["nfs:server/path", /nfs:SERVER:\/PATH/],
    ["nfs:server:path", /nfs:SERVER:\/PATH/],
    ["file://elsewhere/srv", /file:\/\/\/PATH/],
    ["file:///srv/%00", /control character/],
    ["deb.example.org/debian", /no transport/],
    ["http://host/\ud800", /control character/],
  ])("%j is no address", (text, why) => {
    const failure = failureOf(text);
    expect(failure.code).toBe("INVALID_SOURCE");
    expect(failure.message).toMatch(why);
    expect(failure.hint).toContain("http://HOST/PATH");
  });

  it("that is endless is no address, and is not shown as a whole", () => {
    const failure = failureOf(`http://host/${"x".repeat(5000)}`);
    expect(failure.message).toMatch(/longer than 4096/);
    expect(failure.message.length).toBeLessThan(400);
  });

  it("with a transport that nobody knows is not supported", () => {
    expect(failureOf("gopher://host/").code).toBe("UNSUPPORTED_INSTALL_METHOD");
    expect(failureOf("hd:sda1:/iso").code).toBe("UNSUPPORTED_INSTALL_METHOD");
  });

  it.each(["http://user:se cret@host/", "http://user:secret@", "http://u:a/secret@host:x/", "gopher://u:secret@host/"])(
    "that is wrong never shows its password: %j",
    (text) => {
      expect(failureOf(text).message).not.toMatch(/secret|cret@/);
    },
  );

  it("that is wrong is shown without control characters", () => {
    expect(failureOf("http://host/\x1b[2J\x9b").message).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
  });
});

describe("a path below a repository", () => {
  it("is escaped where a character would mean something else in a URL (RFC 3986)", () => {
    expect(escapePath("dists/bookworm/main")).toBe("dists/bookworm/main");
    expect(escapePath("/a//./b")).toBe("a/b");
    expect(escapePath("folder/")).toBe("folder/");
    expect(escapePath("")).toBe("");
    expect(escapePath("what?#100%")).toBe("what%3F%23100%25");
    expect(escapePath("a b\n")).toBe("a%20b%0A");
    expect(escapePath("libstdc++_1:2.0~rc1@x,y;z=$(1)&'!*")).toBe("libstdc++_1:2.0~rc1@x,y;z=$(1)&'!*");
    expect(escapePath("Größe")).toBe("Gr%C3%B6%C3%9Fe");
  });

  it("must stay below it", () => {
    expect(() => escapePath("../secret")).toThrow(/does not stay below/);
    expect(() => escapePath("a/../../b")).toThrow(/does not stay below/);
    expect(() => escapePath("\ud800")).toThrow(GuestbootError);
  });
});
