/**
 * Passwords as other programs make them: OpenSSL's md5-crypt, GRUB's own PBKDF2.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { describe, expect, it } from "vitest";
import type { MenuPassword } from "../../../src/bootconfig/boot-config.ts";
import { md5Crypt } from "../../../src/cli/menu/md5-crypt.ts";
import { isPassword } from "../../../src/cli/menu/password.ts";

function output(program: string, debianPackage: string, args: readonly string[], input: string): string {
  if (!fs.existsSync(program)) throw new Error(`${program} is missing: apt-get install ${debianPackage}`);
  const done = spawnSync(program, args, { input, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${program}: ${done.stderr}`);
  return done.stdout;
}

const of = (form: MenuPassword["form"], value: string, user: string | null = null): MenuPassword[] => [
  { user, form, value },
];

describe("md5-crypt", () => {
  it.each([
    ["a", "x"],
    ["secret", "12345678"],
    ["fifteen letters", "ab"],
    ["exactly sixteen!", "saltsalt"],
    ["more than sixteen bytes of password", "./AZaz09"],
    ["Pässwörter 漢字", "abc"],
    ["x".repeat(200), "abcdefgh"],
  ])("of %j with the salt %j is what OpenSSL makes", (password, salt) => {
    const made = output(
      "/usr/bin/openssl",
      "openssl",
      ["passwd", "-1", "-salt", salt, "-stdin"],
      `${password}\n`,
    ).trim();
    expect(md5Crypt(Buffer.from(password), made)).toBe(made);
    expect(isPassword(of("md5-crypt", made), "", password)).toBe(true);
    expect(isPassword(of("md5-crypt", made), "", `${password}x`)).toBe(false);
  });

  it("of a longer salt uses its first eight letters, and of another form is nothing", () => {
    const made = output("/usr/bin/openssl", "openssl", ["passwd", "-1", "-salt", "abcdefgh", "-stdin"], "pw\n").trim();
    expect(md5Crypt(Buffer.from("pw"), "$1$abcdefghij$")).toBe(made);
    expect(md5Crypt(Buffer.from("pw"), "$6$abcdefgh$")).toBeNull();
  });
});

describe("PBKDF2", () => {
  it("is checked as grub-mkpasswd-pbkdf2 makes it", () => {
    const made = output(
      "/usr/bin/grub-mkpasswd-pbkdf2",
      "grub-common",
      ["-c", "20000", "-l", "48", "-s", "20"],
      "Geheim ü\nGeheim ü\n",
    );
    const value = /grub\.pbkdf2\.\S+/.exec(made)?.[0] ?? "";
    expect(value).toContain(".20000.");
    expect(isPassword(of("pbkdf2", value, "root"), "root", "Geheim ü")).toBe(true);
    expect(isPassword(of("pbkdf2", value, "root"), "root", "geheim ü")).toBe(false);
    expect(isPassword(of("pbkdf2", value, "root"), "guest", "Geheim ü")).toBe(false);
  });

  it.each([
    "grub.pbkdf2.sha512.999999999.00.00",
    "grub.pbkdf2.sha512.0.00.00",
    "grub.pbkdf2.sha512.10.00.",
    "grub.pbkdf2.sha512.10.zz.00",
    `grub.pbkdf2.sha512.10.00.${"00".repeat(100_000)}`,
    "grub.pbkdf2.sha1.10.00.00",
    "",
  ])("that nobody could have made is nobody's password: %s", (value) => {
    expect(isPassword(of("pbkdf2", value.slice(0, 210_000)), "", "")).toBe(false);
  });
});

describe("other forms", () => {
  it("compares plain passwords", () => {
    expect(isPassword(of("plain", "pw"), "", "pw")).toBe(true);
    expect(isPassword(of("plain", "pw"), "", "")).toBe(false);
  });

  it("checks syslinux's SHA-1, whose salt stands before the password", () => {
    const digest = createHash("sha1").update("saltpw").digest("base64");
    expect(isPassword(of("sha1-base64", `$4$salt$${digest}$`), "", "pw")).toBe(true);
    expect(isPassword(of("sha1-base64", `$4$salt$${digest}$`), "", "PW")).toBe(false);
    expect(isPassword(of("sha1-base64", "$4$salt$$"), "", "")).toBe(false);
  });

  it("takes nothing for a form that it cannot check", () => {
    expect(isPassword(of("sha512-crypt", "pw"), "", "pw")).toBe(false);
  });
});
