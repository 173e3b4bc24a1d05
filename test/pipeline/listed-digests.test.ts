import { describe, expect, it } from "vitest";
import { digestIn, imagesListFor } from "../../src/pipeline/listed-digests.ts";

const SHA256 = "ab".repeat(32);
const B = "dists/focal/main/installer-amd64/current/";

describe("the list of a Debian installer's images", () => {
  it("lies in the folder of images, Ubuntu's legacy ones too", () => {
    const of = (path: string) => imagesListFor(path)?.list ?? null;
    expect(of(`${B}images/netboot/xen/vmlinuz`)).toBe(`${B}images/SHA256SUMS`);
    expect(of(`${B}legacy-images/netboot/xen/vmlinuz`)).toBe(`${B}legacy-images/SHA256SUMS`);
    expect(of("install.amd/vmlinuz")).toBeNull();
    expect(of("boot/x86_64/images/")).toBeNull();
    // RHEL's images are listed in .treeinfo.
    expect(of("images/pxeboot/vmlinuz")).toBeNull();
  });
});

describe("a line of a list", () => {
  it.each([
    ["as sha256sum writes it", `${SHA256}  netboot/vmlinuz\n`, `sha256:${SHA256}`],
    ["of a binary file", `${SHA256} *netboot/vmlinuz\n`, `sha256:${SHA256}`],
    ["with ./ before the path", `${SHA256}  ./netboot/vmlinuz\r\n`, `sha256:${SHA256}`],
    ["of SHA-512", `${SHA256}${SHA256}  ./netboot/vmlinuz`, `sha512:${SHA256}${SHA256}`],
    ["of MD5", `${SHA256.slice(0, 32)}  ./netboot/vmlinuz`, null],
    ["of another file of that name", `${SHA256}  ./gtk/netboot/vmlinuz`, null],
    ["whose path goes on", `${SHA256}  ./netboot/vmlinuz.old`, null],
    ["with too many digits", `a${SHA256}  ./netboot/vmlinuz`, null],
  ])("%s", (_what, text, digest) => {
    expect(digestIn(text, "images/netboot/vmlinuz", "images/")).toBe(digest);
  });

  it("ends in bounded time, whatever the list is", () => {
    expect(digestIn("a".repeat(4_000_000), "x", "")).toBeNull();
    expect(digestIn(`${SHA256} ${" ".repeat(1_000_000)}`, "x", "")).toBeNull();
  });
});
