/**
 * For the build: walks the way of an installation's start whose files are all in the cache, so that the
 * executable has their code compiled. Nothing here runs in a start.
 */
import * as fs from "node:fs";
import { deniedCalls } from "../base/denied-calls.ts";
import { restrictPaths } from "../base/landlock.ts";
import { silent } from "../base/progress.ts";
import { readSettings } from "../base/settings.ts";
import { seccompDenials } from "../base/seccomp.ts";
import type { SystemCalls } from "../base/system-call.ts";
import { findFamily, type Catalog } from "../distro/catalog.ts";
import { readInstallRequest } from "../distro/install-request.ts";
import { wishesOfMirror } from "../distro/installer-arguments.ts";
import { withAdminFiles } from "../distro/read-catalog.ts";
import { needsOf } from "../pipeline/installation-needs.ts";
import { reachOf, type InstallationNeeds } from "../pipeline/installation-reach.ts";
import { obtainInstaller } from "../pipeline/obtain-installer.ts";
import { planRound } from "../pipeline/plan.ts";
import { vmTrust } from "../pipeline/trust-wanted.ts";
import { vmRepositoryOptions } from "../pipeline/vm-repository.ts";
import { withoutWebPages } from "../pipeline/web-pages.ts";
import { parseLocation } from "../repository/location.ts";
import { openRepository } from "../repository/open.ts";
import type { Repository } from "../repository/repository.ts";
import { markBootFiles, sweepBootFiles } from "../store/boot-marks.ts";
import { handOut } from "../store/hand-out.ts";
import { sweepStore } from "../store/prune.ts";
import { openStore, type Store } from "../store/store.ts";
import { applyChanges, outstandingChanges } from "../toolstack/apply-changes.ts";
import { openFileStore } from "../toolstack/file-store.ts";
import { readEliloaderOptions } from "./eliloader-options.ts";
import { freshnessOf } from "./freshness.ts";

const VM = "00000000-0000-4000-8000-000000000000";
const MIRROR = "http://mirror.example/debian/";
const RECORD = {
  uuid: VM,
  name_label: "warm-up",
  PV_bootloader: "eliloader",
  PV_args: "console=hvc0",
  VBDs: [{ userdevice: "0", type: "Disk", bootable: true }],
  other_config: {
    "install-distro": "debianlike",
    "install-repository": MIRROR,
    "debian-release": "bookworm",
    "install-arch": "amd64",
    "install-round": "1",
  },
};

/** One that has all. */
const LANDLOCK_VERSION = 7;

/** @param folder an empty one. @param catalogFile the catalog as the build has read it */
export async function warmUpInstallation(folder: string, catalogFile: string): Promise<void> {
  const cacheFolder = `${folder}/cache`;
  readEliloaderOptions(["-q", "--vm", VM, "--args", "console=hvc0", "/dev/null"]);
  const settings = await readSettings({ GUESTBOOT_STATE_DIR: `${folder}/state`, GUESTBOOT_CACHE_DIR: cacheFolder });
  fs.mkdirSync(`${folder}/state/vms`, { recursive: true });
  fs.writeFileSync(`${folder}/state/vms/${VM}.json`, JSON.stringify(RECORD));

  const record = await openFileStore(settings.stateFolder).read(VM);
  const catalog = withAdminFiles(JSON.parse(fs.readFileSync(catalogFile, "utf8")) as Catalog, `${folder}/distros.d`);
  const request = readInstallRequest(record.other_config, record.uuid);
  const plan = planRound(record, request, findFamily(catalog, request.family));
  if (plan.kind !== "installer") throw new Error("the record asks for an installation");
  const location = parseLocation(request.repository);
  const host = { repositories: settings.repositories, environment: {} };
  const opened = await openRepository(location, vmRepositoryOptions(record, request, host));
  planWalls(
    needsOf({ ...host, trust: settings.trust, disk: "/dev/null", guestInstallerFolder: folder }, record, request),
    cacheFolder,
  );
  const store = openStore(cacheFolder);
  const repository = withoutWebPages(withoutIndexes(opened, store));
  sweepBootFiles(cacheFolder);
  sweepStore(cacheFolder);
  for (const name of ["vmlinuz", "initrd.gz"]) {
    const url = repository.addressOf(`dists/bookworm/main/installer-amd64/current/images/netboot/xen/${name}`);
    await store.write(url, { url, size: name.length, etag: null, lastModified: null }, oneChunk(name));
  }
  const { found } = await obtainInstaller({
    catalog,
    request: { ...plan.request, installer: wishesOfMirror(plan.request.installer, MIRROR, repository) },
    repository,
    store,
    trust: vmTrust(record, settings.trust, location),
    freshness: { ...freshnessOf(settings, { offline: false }), freshFor: 3600 },
    cacheSize: null,
    progress: silent,
    lookOnHost: () => Promise.resolve(null),
  });
  const mark = markBootFiles(cacheFolder, [`${folder}/boot_kernel.000000`]);
  handOut(found.kernel.path, `${folder}/boot_kernel.000000`, cacheFolder);
  applyChanges(record, plan.changes);
  outstandingChanges(record, plan.changes);
  mark.told();
  mark[Symbol.dispose]();
  await opened[Symbol.asyncDispose]();
}

/** All of the walls but the kernel's part. */
function planWalls(needs: InstallationNeeds, cacheFolder: string): void {
  const reach = reachOf(needs, { writable: [cacheFolder], sockets: false, ports: [] }, []);
  const calls: SystemCalls = { call: () => LANDLOCK_VERSION, addressOf: () => 0n };
  restrictPaths(reach, calls);
  seccompDenials(deniedCalls(process.pid, reach));
}

/** As the cache remembers a mirror that has no index. */
function withoutIndexes(repository: Repository, store: Store): Repository {
  return {
    address: repository.address,
    addressOf(path) {
      const key = repository.addressOf(path);
      if (store.find(key) === null) store.noteAbsence(key, new Date());
      return key;
    },
    look: () => Promise.reject(new Error("everything is in the cache")),
    fetch: () => Promise.reject(new Error("everything is in the cache")),
    [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose](),
  };
}

async function* oneChunk(text: string): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from(text));
}
