import { expect, test } from "vitest";
import { guessBootConfig } from "../../src/bootconfig/guess.ts";
import { madeUpFilesystem } from "./made-up-guest.ts";

const guess = (...paths: readonly string[]) =>
  guessBootConfig(madeUpFilesystem(Object.fromEntries(paths.map((path) => [path, path]))));

/** `[kernel, ramdisk]` of each entry. */
const pairs = (...paths: readonly string[]) =>
  guess(...paths)?.config.entries.map(({ kernel, ramdisks }) => [kernel.path, ramdisks[0]?.path ?? null]);

test("the newest kernel is first, each with its own initrd", () => {
  expect(
    pairs(
      "/boot/vmlinuz-6.1.0-9-amd64",
      "/boot/initrd.img-6.1.0-9-amd64",
      "/boot/vmlinuz-6.1.0-13-amd64",
      "/boot/initrd.img-6.1.0-13-amd64",
      "/boot/config-6.1.0-13-amd64",
    ),
  ).toEqual([
    ["/boot/vmlinuz-6.1.0-13-amd64", "/boot/initrd.img-6.1.0-13-amd64"],
    ["/boot/vmlinuz-6.1.0-9-amd64", "/boot/initrd.img-6.1.0-9-amd64"],
  ]);
});

// The names are those of the distributions' own kernel packages.
test.for([
  ["Alpine", "/boot/vmlinuz-lts", "/boot/initramfs-lts"],
  ["Red Hat", "/boot/vmlinuz-5.14.0-70.el9.x86_64", "/boot/initramfs-5.14.0-70.el9.x86_64.img"],
  ["RHEL 5", "/boot/vmlinuz-2.6.18-194.el5xen", "/boot/initrd-2.6.18-194.el5xen.img"],
  ["SUSE", "/boot/vmlinuz-2.6.16.60-0.21-xen", "/boot/initrd-2.6.16.60-0.21-xen"],
  ["Arch", "/boot/vmlinuz-linux", "/boot/initramfs-linux.img"],
  ["Gentoo", "/boot/kernel-genkernel-x86_64-6.1.67", "/boot/initramfs-genkernel-x86_64-6.1.67"],
  ["Debian's links", "/vmlinuz", "/initrd.img"],
  ["a /boot of its own", "/vmlinuz-6.1.0-9-amd64", "/initrd.img-6.1.0-9-amd64"],
] as const)("%s", ([, kernel, ramdisk]) => {
  expect(pairs(kernel, ramdisk)).toEqual([[kernel, ramdisk]]);
});

test("what domUloader took on SLES counts before versions", () => {
  expect(
    pairs("/boot/vmlinuz-xen", "/boot/initrd-xen", "/boot/vmlinuz-2.6.16-xen", "/boot/initrd-2.6.16-xen")?.[0],
  ).toEqual(["/boot/vmlinuz-xen", "/boot/initrd-xen"]);
  expect(pairs("/boot/vmlinuz-xenpae", "/boot/initrd-xenpae")).toEqual([
    ["/boot/vmlinuz-xenpae", "/boot/initrd-xenpae"],
  ]);
});

test("a kernel without an initrd of its version has none", () => {
  expect(pairs("/boot/vmlinuz-6.1", "/boot/initrd.img-6.0")).toEqual([["/boot/vmlinuz-6.1", null]]);
});

test("rescue images, backups and checksums are no kernels", () => {
  expect(
    guess("/boot/vmlinuz-0-rescue-abc", "/boot/vmlinuz-6.1.old", "/boot/.vmlinuz-6.1.hmac", "/boot/xen.gz"),
  ).toBeNull();
});

test("a release candidate is older than its release", () => {
  expect(pairs("/boot/vmlinuz-6.2~rc1", "/boot/vmlinuz-6.2")?.[0]?.[0]).toBe("/boot/vmlinuz-6.2");
});

test("it is said that this is a guess, and what it cannot know", () => {
  const notes = guess("/boot/vmlinuz-lts", "/boot/initramfs-lts")?.config.notes.join("\n");
  expect(notes).toMatch(/guessed \/boot\/vmlinuz-lts with \/boot\/initramfs-lts/);
  expect(notes).toMatch(/no kernel arguments/);
});

test("thousands of names are read within bounds", () => {
  const many = Array.from({ length: 5_000 }, (_, n) => `/boot/vmlinuz-${n}`);
  expect(guess(...many)?.config.entries.length).toBe(100);
  expect(guess(...many)?.config.entries[0]?.title).toBe("vmlinuz-4999");
});
