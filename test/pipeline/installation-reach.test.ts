import { describe, expect, it } from "vitest";
import { NO_NFS, reachOf, type HostReach, type InstallationNeeds } from "../../src/pipeline/installation-reach.ts";
import { parseLocation } from "../../src/repository/location.ts";
import type { NfsReach } from "../../src/repository/nfs-prepared.ts";

const HOST: HostReach = { writable: ["/cache", "/state", "/boot"], sockets: false, ports: [] };

function reachFor(
  addresses: readonly string[],
  more: Partial<InstallationNeeds> = {},
  host: HostReach = HOST,
  nfs: NfsReach = NO_NFS,
) {
  return reachOf(
    { locations: addresses.map(parseLocation), proxies: [], redirectPorts: [], readable: [], ...more },
    host,
    ["/program"],
    nfs,
  );
}

describe("the ports of an installation", () => {
  it.each([
    ["http://mirror.example/debian", [53, 80, 443]],
    ["http://mirror.example:8080/debian", [53, 80, 443, 8080]],
    ["https://mirror.example:8443/debian", [53, 80, 443, 8443]],
    ["http://one.example:81/ http://two.example:82/", [53, 80, 81, 82, 443]],
  ])("of %s are its own, those that web servers send on to, and the name servers'", (address, ports) => {
    expect(reachFor([address]).ports?.toSorted((a, b) => a - b)).toEqual(ports);
  });

  it("are any over FTP and NFS, whose servers choose them", () => {
    expect(reachFor(["ftp://mirror.example/debian"]).ports).toBeNull();
    expect(reachFor(["nfs:server:/export"]).ports).toBeNull();
    expect(reachFor(["http://mirror.example/", "ftp://mirror.example/"]).ports).toBeNull();
  });

  it("hold those of proxies, however they are written, and of the toolstack", () => {
    const proxies = ["http://proxy.example:3128", "proxy.example:8118", "https://proxy.example", ""];
    const reach = reachFor(["http://mirror.example/"], { proxies }, { ...HOST, ports: [8444] });
    expect(reach.ports).toEqual(expect.arrayContaining([3128, 8118, 8444]));
  });

  it("hold those that its servers may send on to", () => {
    expect(reachFor(["http://mirror.example/"], { redirectPorts: [8080] }).ports).toContain(8080);
    expect(reachFor(["/srv/tree"], { redirectPorts: [8080] }).ports).toEqual([]);
  });

  it("are none without a network", () => {
    expect(reachFor(["/srv/tree"])).toMatchObject({ ports: [], network: false });
    expect(reachFor(["cdrom"], { proxies: ["http://proxy.example:3128"] })).toMatchObject({
      ports: [],
      network: false,
    });
    expect(reachFor(["/srv/tree"], {}, { ...HOST, ports: [443] })).toMatchObject({ ports: [443], network: true });
  });
});

describe("the files of an installation", () => {
  it("that it reads are the system's libraries and what it was told to read", () => {
    const { readable } = reachFor(["/srv/tree"], { readable: ["/root/ks.cfg", ""] });
    expect(readable).toEqual(expect.arrayContaining(["/usr", "/program", "/srv/tree", "/root/ks.cfg"]));
    expect(readable).not.toContain("");
    for (const secret of ["/", "/etc", "/root", "/home", "/var", "/dev", "/etc/shadow"]) {
      expect(readable).not.toContain(secret);
    }
  });

  it("that it reads to look up names are for a network alone", () => {
    expect(reachFor(["http://mirror.example/"]).readable).toContain("/etc/resolv.conf");
    expect(reachFor(["cdrom"]).readable).not.toContain("/etc/resolv.conf");
  });

  it("that it writes are below the host's folders for it", () => {
    expect(reachFor(["http://mirror.example/"]).writable).toEqual(["/cache", "/state", "/boot", "/dev/null"]);
  });
});

describe("the programs of an installation", () => {
  it.each([["http://mirror.example/"], ["ftp://mirror.example/"], ["/srv/tree"], ["cdrom"]])(
    "from %s are none",
    (from) => {
      expect(reachFor([from])).toMatchObject({ programs: [] });
    },
  );

  it("over NFS are those that read it, and what they begin with", () => {
    const nfs = { programs: ["/usr/bin/nfs-cat"], folders: ["/tmp/mounts"] };
    const reach = reachFor(["nfs:server:/export"], {}, HOST, nfs);
    expect(reach.programs).toEqual(["/usr/bin/nfs-cat", "/lib64/ld-linux-x86-64.so.2"]);
    expect(reach.readable).toContain("/tmp/mounts");
    expect(reach.writable).not.toContain("/tmp/mounts");
  });

  it("over NFS are none where this host has none: what is mounted is read as files", () => {
    expect(reachFor(["nfs:server:/export"], {}, HOST, { programs: [], folders: ["/tmp/mounts"] }).programs).toEqual([]);
  });
});
