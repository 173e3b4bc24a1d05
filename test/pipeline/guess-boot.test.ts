import { describe, expect, it } from "vitest";
import { GuestbootError } from "../../src/base/errors.ts";
import type { BootPlace, BootSearch } from "../../src/pipeline/find-boot.ts";
import { findOrGuess, placesFrom } from "../../src/pipeline/guess-boot.ts";
import { brokenVolume, madeUpVolume } from "../bootconfig/made-up-guest.ts";

const ALPINE = { "/boot/vmlinuz-lts": "kernel", "/boot/initramfs-lts": "initrd" };
const search = (...places: readonly BootPlace[]): BootSearch => ({ disk: "/dev/sda", vm: null, places, notes: [] });

function failure(work: () => unknown): GuestbootError {
  try {
    work();
  } catch (error) {
    if (error instanceof GuestbootError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

describe("a disk without a boot config", () => {
  const disk = search(brokenVolume(1), madeUpVolume(2, {}), madeUpVolume(3, ALPINE));

  it("boots a kernel by its name where that is allowed, with a warning", () => {
    const found = findOrGuess(disk, null, true);
    expect(found.place.name).toBe("partition 3");
    expect(Buffer.from(found.kernel.read(0, 6)).toString()).toBe("kernel");
    expect(found.ramdisks.length).toBe(1);
    expect(found.warnings.join("\n")).toMatch(/no boot config.*guessed \/boot\/vmlinuz-lts/s);
  });

  it("fails where it is not, and says what a guess would boot", () => {
    const error = failure(() => findOrGuess(disk, null, false));
    expect(error.code).toBe("NO_BOOT_CONFIG");
    expect(error.hint).toContain("--guess would boot /boot/vmlinuz-lts of partition 3");
  });

  it("fails as ever where there is no kernel to guess", () => {
    const error = failure(() => findOrGuess(search(madeUpVolume(1, {})), null, true));
    expect(error.code).toBe("NO_BOOT_CONFIG");
    expect(error.hint).not.toContain("--guess");
  });
});

describe("a disk with a boot config", () => {
  it("is never guessed about", () => {
    const menu = "title x\nkernel /boot/chosen\n";
    const files = { ...ALPINE, "/boot/grub/menu.lst": menu, "/boot/chosen": "chosen" };
    const found = findOrGuess(search(madeUpVolume(1, files)), null, true);
    expect(Buffer.from(found.kernel.read(0, 6)).toString()).toBe("chosen");
  });

  it("whose kernel is missing fails: the guest says what it wants", () => {
    const files = { ...ALPINE, "/boot/grub/menu.lst": "title x\nkernel /boot/chosen\n" };
    expect(failure(() => findOrGuess(search(madeUpVolume(1, files)), null, true)).code).toBe("FILE_MISSING");
  });

  it("that is empty counts as none (SLES on Xen leaves such)", () => {
    const files = { "/boot/grub/menu.lst": "# nothing\n", "/boot/vmlinuz-xen": "kernel", "/boot/initrd-xen": "initrd" };
    expect(findOrGuess(search(madeUpVolume(1, files)), null, true).entry.kernel.path).toBe("/boot/vmlinuz-xen");
  });
});

describe("domUloader's device", () => {
  const places = [madeUpVolume(2, {}), madeUpVolume(1, {}), madeUpVolume(3, {})];

  it.each([
    ["xvda1", [1, 2, 3]],
    ["/dev/hda3", [3, 2, 1]],
    ["xvda", [2, 1, 3]],
    ["xvda9", [2, 1, 3]],
    [null, [2, 1, 3]],
  ])("%s: its partition is looked at first", (device, numbers) => {
    expect(placesFrom(places, device).map((place) => place.number)).toEqual(numbers);
  });
});
