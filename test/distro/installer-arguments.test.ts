import { describe, expect, it } from "vitest";
import { installerArguments, repositoryForInstaller, wishesOfMirror } from "../../src/distro/installer-arguments.ts";

const place = { release: "7", arch: "x86_64", root: "", kernel: "a/b/vmlinuz" };
const vnc = {
  network: "inst.repo={repository}",
  cdrom: "",
  graphical: "inst.vnc",
  password: "inst.vncpassword={password}",
};

describe("a repository on a kernel command line", () => {
  it.each([
    ["http://mirror/centos", "http://mirror/centos/"],
    ["http://user:secret@mirror/centos/", "http://mirror/centos/"],
    ["ftp://u:p@ss@mirror:2121/x", "ftp://mirror:2121/x/"],
    ["http://mirror/~a@b/x", "http://mirror/~a@b/x/"],
    ["nfs:server:/export", "nfs:server:/export/"],
    ["cdrom", "cdrom"],
    ["nfs:vers=3,tcp:server:/export", "nfs:vers=3,tcp:server:/export/"],
    ["http://a/x http://u:p@b/x", "http://a/x/"],
  ])("%j becomes %j", (value, expected) => {
    expect(repositoryForInstaller(value)).toBe(expected);
  });

  it("is the mirror that answers, once one has", () => {
    const value = "http://a/x http://u:p@B:80/x ftp://c/x/";
    expect(repositoryForInstaller(value, "http://b/x/")).toBe("http://B:80/x/");
    expect(repositoryForInstaller(value, "ftp://c/x/")).toBe("ftp://c/x/");
    expect(repositoryForInstaller(value, "http://elsewhere/")).toBe("http://a/x/");
    // NFS is written as the installer reads it, whatever we call it ourselves.
    expect(repositoryForInstaller("nfs:server:/export", "nfs://server/export/")).toBe("nfs:server:/export/");
    const repository = { address: "http://a/x/" };
    const wishes = wishesOfMirror({ repository: "http://a/x/", graphical: null }, value, repository);
    expect(wishes?.repository).toBe("http://a/x/");
    repository.address = "http://b/x/";
    expect(wishes?.repository).toBe("http://B:80/x/");
  });
});

describe("graphical installation", () => {
  const words = (password: string | null) =>
    installerArguments(vnc, { repository: "http://m/", graphical: { password } }, place, "rhlike 7").text;

  it("takes the installer's own spelling", () => {
    expect(words(null)).toBe("inst.repo=http://m/ inst.vnc");
    expect(words("abcdef")).toBe("inst.repo=http://m/ inst.vnc inst.vncpassword=abcdef");
    expect(words("$&$1")).toContain("inst.vncpassword=$&$1");
  });

  it.each(["a b", 'a"b', "a'b", "a\nb", "ä", "x".repeat(65), "\\"])(
    "refuses the password %j without saying it",
    (bad) => {
      let message = "";
      try {
        words(bad);
      } catch (error) {
        message = String(error);
      }
      expect(message).toContain("install-vncpasswd cannot stand on a kernel command line");
      expect(message).not.toContain(bad.length > 2 ? bad : "secret");
    },
  );

  it("is refused where the installer has none", () => {
    const none = { ...vnc, graphical: null };
    expect(() =>
      installerArguments(none, { repository: "cdrom", graphical: { password: null } }, place, "alpine v3.20"),
    ).toThrow("install-vnc is set, but the installer of alpine v3.20 has no graphical mode over the network");
  });
});

describe("a template", () => {
  it("is refused where the installer cannot read that kind of repository", () => {
    expect(() =>
      installerArguments({ ...vnc, cdrom: null }, { repository: "cdrom", graphical: null }, place, "x"),
    ).toThrow("cannot install from cdrom");
  });

  it("leaves out a word that the address cannot fill, and says so", () => {
    const casper = { ...vnc, network: "ip=dhcp url={iso}" };
    const from = (repository: string) =>
      installerArguments(casper, { repository, graphical: null }, place, "ubuntuiso");
    expect(from("http://m/x.iso/").text).toBe("ip=dhcp url=http://m/x.iso");
    expect(from("http://m/x/").text).toBe("ip=dhcp");
    expect(from("http://m/x/").warnings).toEqual([
      "the installer of ubuntuiso needs url={iso}: add it to the VM's PV_args",
    ]);
  });
});
