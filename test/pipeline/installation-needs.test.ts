import { describe, expect, it } from "vitest";
import type { RepositorySettings } from "../../src/base/repository-settings.ts";
import { redirectPortsOf } from "../../src/pipeline/installation-needs.ts";
import { parseLocation } from "../../src/repository/location.ts";

const SETTINGS: readonly RepositorySettings[] = [
  { name: "*.example", caFile: null, proxy: null, redirectPorts: [8080] },
  { name: "mirror.example", caFile: null, proxy: null, redirectPorts: [8443, 81] },
  { name: "http://mirror.example/debian/", caFile: null, proxy: "none" },
  { name: "other.test", caFile: null, proxy: null, redirectPorts: [9000] },
];

describe("the ports that servers may send a start on to", () => {
  it.each([
    ["http://mirror.example/debian/", [8443, 81]],
    ["http://archive.example/debian/", [8080]],
    ["http://archive.example/ http://other.test/", [8080, 9000]],
    ["http://elsewhere.test/", []],
    ["/srv/tree", []],
    ["cdrom", []],
  ])("from %s are those of the longest name that says any: %j", (address, ports) => {
    expect(redirectPortsOf(SETTINGS, [parseLocation(address)])).toEqual(ports);
  });
});
