import { expect, it } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";

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
