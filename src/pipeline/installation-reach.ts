/**
 * What an installation can still reach behind its walls, from what it is asked to do. Pure: nothing is looked up.
 *
 * Files that are read: the system's own (programs, libraries, what names are looked up by), and those that the VM's
 * record, the command line or the host's settings name. So /etc/shadow, keys and homes are not among them.
 */
import type { NfsLocation, RepositoryLocation, UrlLocation } from "../repository/location.ts";
import type { NfsReach } from "../repository/nfs-prepared.ts";

/** What is the host's, whatever is installed. */
export interface HostReach {
  /** Folders that files are made in: the cache, the records, the boot files. */
  readonly writable: readonly string[];
  /** The toolstack is asked over a socket of the file system. */
  readonly sockets: boolean;
  /** TCP ports of the toolstack's. */
  readonly ports: readonly number[];
}

/** What one installation needs beside. */
export interface InstallationNeeds {
  /** Of the repository, and of whatever else comes from an address. */
  readonly locations: readonly RepositoryLocation[];
  /** Addresses of HTTP proxies, as they are written in settings and variables. */
  readonly proxies: readonly string[];
  /** TCP ports that the host's settings let these servers send us on to. */
  readonly redirectPorts: readonly number[];
  /** Files and folders of this host. */
  readonly readable: readonly string[];
}

export interface Reach {
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** TCP ports to connect to; null: any. */
  readonly ports: readonly number[] | null;
  readonly network: boolean;
  readonly sockets: boolean;
  /** Programs that may be started, which have the same walls. */
  readonly programs: readonly string[];
}

export const NO_NFS: NfsReach = { programs: [], folders: [] };

/** The C library's, with which each program begins (System V ABI, AMD64, 5.2.1): it is executed, too. */
const DYNAMIC_LINKER = "/lib64/ld-linux-x86-64.so.2";

/** What the runtime asks the kernel, libraries, and where the time zone is. */
const SYSTEM = ["/usr", "/lib", "/lib64", "/proc", "/sys", "/dev/urandom", "/dev/random", "/etc/localtime"];
const inEtc = (name: string) => `/etc/${name}`;
/** What the C library looks up names by, and the runtime certificates of authorities. */
const NETWORK = [
  ...["hosts", "host.conf", "resolv.conf", "nsswitch.conf", "gai.conf", "services", "ld.so.cache"].map(inEtc),
  ...["ssl", "pki", "crypto-policies"].map(inEtc),
  "/var/lib/ca-certificates",
  // Where /etc/resolv.conf leads to, and is made anew while we run.
  ...["/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"],
];
/** Of every start: what is to be nowhere goes there. */
const NOWHERE = "/dev/null";

/** Web servers send us from one to the other of these; name servers are asked over TCP where an answer is long. */
const USUAL_PORTS = [80, 443];
const NAME_SERVICE = 53;

/** @param ownFolders where the program itself lies */
export function reachOf(
  needs: InstallationNeeds,
  host: HostReach,
  ownFolders: readonly string[],
  nfs: NfsReach = NO_NFS,
): Reach {
  const { locations, proxies, redirectPorts, readable } = needs;
  const remote = locations.flatMap(remoteOf);
  const network = remote.length > 0 || host.ports.length > 0;
  const files = locations.flatMap((location) => (location.transport === "file" ? [location.path] : []));
  return {
    readable: [...SYSTEM, ...(network ? NETWORK : []), ...ownFolders, ...nfs.folders, ...files, ...readable].filter(
      (file) => file !== "",
    ),
    writable: [...host.writable, NOWHERE],
    ports: portsOf(remote, proxies, host.ports, redirectPorts),
    network,
    sockets: host.sockets,
    programs: nfs.programs.length === 0 ? [] : [...nfs.programs, DYNAMIC_LINKER],
  };
}

export function nfsLocations(locations: readonly RepositoryLocation[]): NfsLocation[] {
  return locations.filter((location) => location.transport === "nfs");
}

type Remote = UrlLocation | NfsLocation;

/** What is asked over a network, each mirror by itself. */
function remoteOf(location: RepositoryLocation): readonly Remote[] {
  if (location.transport === "file" || location.transport === "cdrom") return [];
  return location.transport === "mirrors" ? location.mirrors : [location];
}

/** FTP's data and NFS have ports that a server chooses. */
function portsOf(
  remote: readonly Remote[],
  proxies: readonly string[],
  ofHost: readonly number[],
  ofRedirects: readonly number[],
): readonly number[] | null {
  if (remote.length === 0) return ofHost;
  if (remote.some(({ transport }) => transport !== "http" && transport !== "https")) return null;
  const named = [...remote.map(({ address }) => address), ...proxies].map(portOf).filter((port) => port !== null);
  return [...new Set([...ofHost, NAME_SERVICE, ...USUAL_PORTS, ...named, ...ofRedirects])];
}

/** A proxy may be written without its scheme. */
function portOf(address: string): number | null {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`);
  if (url === null) return null;
  if (url.port !== "") return Number(url.port);
  return url.protocol === "https:" ? 443 : 80;
}
