import { describe, expect, it } from "vitest";
import { parseLocation } from "../../src/repository/location.ts";
import { openRepository } from "../../src/repository/open.ts";

describe("opening a repository", () => {
  it.each([
    ["ftp://host/pub", "FTP"],
    ["nfs:host:/export", "NFS"],
    ["file:///srv/tree", "local folder"],
    ["cdrom", "CD-ROM"],
  ])("at %s says which transport is not supported and which are", async (text, word) => {
    await expect(openRepository(parseLocation(text))).rejects.toMatchObject({
      code: "UNSUPPORTED_INSTALL_METHOD",
      // eslint-disable-next-line @typescript-eslint/no-unsafe-assignment -- vitest's matcher is untyped
      message: expect.stringMatching(new RegExp(`${word}.*http:// and https://`)),
    });
  });

  it("over http asks nothing of the server yet", async () => {
    await using repository = await openRepository(parseLocation("http://user:pw@nosuch.invalid/debian"));
    expect(repository.address).toBe("http://nosuch.invalid/debian/");
    expect(repository.addressOf("dists/x y")).toBe("http://nosuch.invalid/debian/dists/x%20y");
  });
});
