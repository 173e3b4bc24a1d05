import * as fs from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { domainOf, nameOfDomain } from "../../src/toolstack/domain-name.ts";
import { temporaryFolder } from "../program.ts";

describe("the guest that libxl starts", () => {
  it.each([
    ["/var/run/xen/bootloader.17.out", 17],
    ["bootloader.3.out", 3],
    ["/var/run/xen/bootloader.17.out.old", null],
    ["/var/run/xen/mybootloader.17.out", null],
    ["-", null],
    [null, null],
  ])("is the domain in %s: %s", (output, domain) => {
    expect(domainOf(output)).toBe(domain);
  });

  it("has the name that xenstore says", () => {
    using folder = temporaryFolder();
    const program = join(folder.path, "xenstore-read");
    const write = (script: string) => fs.writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    write('[ "$*" = /local/domain/17/name ] && echo "web front"');
    expect(nameOfDomain(17, program)).toBe("web front");
    expect(nameOfDomain(18, program)).toBeNull();
    write("exec yes name");
    expect(nameOfDomain(17, program)).toBeNull();
    write("printf 'a\\033[2Jb\\n'");
    expect(nameOfDomain(17, program)).toBeNull();
  });

  it("has none where there is no xenstore", () => {
    expect(nameOfDomain(17, "/nonexistent/xenstore-read")).toBeNull();
    // Debian's own program, on a machine without Xen.
    expect(nameOfDomain(4242)).toBeNull();
  });
});
