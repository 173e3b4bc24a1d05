import * as fs from "node:fs";
import { expect, it } from "vitest";
import { asGuestbootError, GuestbootError } from "../../src/base/errors.ts";

it.each([
  ["http://me:geheim@host/x is one too many", "http://…@host/x is one too many"],
  ['"https://me:ge:h@eim@host:8080/x"', '"https://…@host:8080/x"'],
  ["debian=ftp://geheim@host and HTTP://a:geheim@b/", "debian=ftp://…@host and HTTP://…@b/"],
  ["http://host/a@b and me@host", "http://host/a@b and me@host"],
])("an error shows no URL's user and password, wherever it stands: %s", (given, shown) => {
  const error = new GuestbootError("USAGE", given, { hint: given, args: [given] });
  expect(error).toMatchObject({ message: shown, hint: shown, args: [shown] });
  expect(new GuestbootError("USAGE", given).args).toEqual([shown]);
  expect(String(error.stack)).not.toContain("geheim");
});

it("what the host fails to do is told as such, with file and words; what only we can have done is a defect", () => {
  const io = Object.assign(new Error("EIO: i/o error, scandir '/cache/tmp'"), {
    ...{ code: "EIO", errno: -5, syscall: "scandir", path: "/cache/tmp" },
  });
  expect(asGuestbootError(io)).toMatchObject({
    code: "SYSTEM_FAILED",
    message: "/cache/tmp: scandir failed: i/o error",
    cause: io,
  });
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
  expect(asGuestbootError(full)).toMatchObject({ code: "NO_SPACE", message: "write failed: no space left on device" });
  expect(asGuestbootError(new TypeError("x is not a function"))).toMatchObject({ code: "INTERNAL" });
  const badDescriptor = (): unknown => {
    try {
      return fs.fstatSync(2 ** 30);
    } catch (error) {
      return error;
    }
  };
  expect(asGuestbootError(badDescriptor())).toMatchObject({ code: "INTERNAL" });
});
