import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";
import { temporaryFolder } from "../program.ts";
import { failureOf } from "./reading.ts";

describe("opening a repository", () => {
  it.each([
    ["http://user:pw@nosuch.invalid/debian", "http://nosuch.invalid/debian/"],
    ["ftp://user:pw@nosuch.invalid/debian", "ftp://nosuch.invalid/debian/"],
    ["http://nosuch.invalid/a ftp://nosuch.invalid/b", "http://nosuch.invalid/a/"],
  ])("at %s asks nothing of a server yet", async (text, address) => {
    await using repository = await openRepository(parseLocation(text));
    expect(repository.address).toBe(address);
    expect(repository.addressOf("dists/x y")).toBe(`${address}dists/x%20y`);
  });

  it("on cdrom needs a device", async () => {
    const failure = await failureOf(openRepository(parseLocation("cdrom")));
    expect(failure).toMatchObject({ code: "INVALID_SOURCE", args: ["cdrom"] });
    expect(failure.message).toMatch(/no CD drive/);
  });

  it("on a device that is not there says so", async () => {
    const failure = await failureOf(openRepository(parseLocation("cdrom"), { cdromDevice: "/nosuchdevice" }));
    expect(failure.code).toBe("REPOSITORY_UNREACHABLE");
  });

  it("in a file that is no repository says what one is", async () => {
    using folder = temporaryFolder();
    const file = path.join(folder.path, "vmlinuz");
    fs.writeFileSync(file, "MZ");
    const failure = await failureOf(openRepository(parseLocation(file)));
    expect(failure).toMatchObject({ code: "INVALID_SOURCE" });
    expect(failure.hint).toMatch(/folder, a zip of one, or an ISO image/);
  });

  it("in a file named .zip or .iso that is none says which it is not", async () => {
    using folder = temporaryFolder();
    for (const [name, why] of [
      ["a.zip", /the zip cannot be used/],
      ["a.iso", /ISO/],
    ] as const) {
      const file = path.join(folder.path, name);
      fs.writeFileSync(file, "MZ".repeat(100_000));
      const failure = await failureOf(openRepository(parseLocation(file)));
      expect(failure.code).toBe("INVALID_SOURCE");
      expect(failure.message).toMatch(why);
    }
  });
});
