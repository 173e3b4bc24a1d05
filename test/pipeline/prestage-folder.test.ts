import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, it } from "vitest";
import { checkImageName, currentFolder, imageFolder, imageNames } from "../../src/pipeline/prestage-folder.ts";
import { temporaryFolder } from "../program.ts";

describe("the host's folder of images", () => {
  it.each([
    [null, "boot/guest"],
    ["PRODUCT_VERSION='7.6.0'\nPLATFORM_VERSION='2.7.0'\n", "boot/guest"],
    ["PLATFORM_VERSION='3.2.1'\n", "boot/guest"],
    ["PRODUCT_VERSION='8.3.0'\nPLATFORM_VERSION='3.4.0'\n", "var/lib/xcp/guest"],
    ["PLATFORM_VERSION='4.0.0'\n", "var/lib/xcp/guest"],
    ["nonsense", "boot/guest"],
  ])("with the inventory %j is %s", (inventory, expected) => {
    using root = temporaryFolder();
    if (inventory !== null) {
      fs.mkdirSync(path.join(root.path, "etc"));
      fs.writeFileSync(path.join(root.path, "etc/xensource-inventory"), inventory);
    }
    expect(imageFolder(root.path)).toBe(path.join(root.path, expected));
  });

  it("is xapi's where that is there already", () => {
    using root = temporaryFolder();
    fs.mkdirSync(path.join(root.path, "var/lib/xcp/guest"), { recursive: true });
    expect(imageFolder(root.path)).toBe(path.join(root.path, "var/lib/xcp/guest"));
  });

  it("has an image where a link leads to one of its folders, and nowhere else", () => {
    using root = temporaryFolder();
    fs.mkdirSync(path.join(root.path, ".deb.0123456789abcdef"));
    fs.symlinkSync(".deb.0123456789abcdef", path.join(root.path, "deb"));
    fs.symlinkSync("../../etc", path.join(root.path, "out"));
    fs.symlinkSync(".deb.0123456789abcdef", path.join(root.path, "other"));
    fs.mkdirSync(path.join(root.path, "theirs"));
    expect(imageNames(root.path)).toEqual(["deb"]);
    expect(currentFolder(root.path, "out")).toBeNull();
    expect(imageNames(path.join(root.path, "nowhere"))).toEqual([]);
  });

  it.each(["", ".", "..", "a/b", ".hidden", "list", "refresh", "-x", "a\nb", "a".repeat(65)])(
    "takes no image named %j",
    (name) => {
      expect(() => checkImageName(name)).toThrow(/cannot be an image's name/);
    },
  );
});
