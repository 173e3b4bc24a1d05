/**
 * What an installer's kernel is told on its command line: where its repository is, and that it shall be graphical. The
 * spelling is the installer's own and stands in the catalog; this file fills it in.
 */
import { GuestbootError } from "../base/errors.ts";
import type { Installer } from "./catalog.ts";

/** What an installation asks of its installer. */
export interface InstallerWishes {
  /** The repository as the installer is to read it, without user and password, ending in `/`; or `cdrom`. */
  readonly repository: string;
  /** null: in text mode. */
  readonly graphical: { readonly password: string | null } | null;
}

/** Where in the repository the installer's own tree and kernel lie. */
export interface Place {
  readonly release: string;
  readonly arch: string;
  /** Folder below the repository, "" or ending in `/`. */
  readonly root: string;
  /** Path of the kernel below the repository. */
  readonly kernel: string;
}

export interface InstallerArguments {
  readonly text: string;
  readonly warnings: readonly string[];
}

/**
 * An `install-repository` value as it may stand on a command line: without user and password, ending in `/`; `cdrom`
 * stays. The spelling (`nfs:server:/path`) stays too, since it is the installer's.
 *
 * @param answering the address of the mirror that answers, where the value names several; the first where it is none
 */
export function repositoryForInstaller(value: string, answering: string | null = null): string {
  const mirrors = value.trim().split(/\s+/).map(forInstaller);
  // Compared as addresses: the value may write a host in capitals, or its port.
  const href = (address: string) => URL.parse(address)?.href ?? address;
  const answered = answering === null ? undefined : mirrors.find((each) => href(each) === href(answering));
  return answered ?? mirrors[0] ?? "";
}

/** The same wishes, for the mirror that answers: which it is shows only when the first file has come. */
export function wishesOfMirror(
  wishes: InstallerWishes | null,
  value: string,
  repository: { readonly address: string },
): InstallerWishes | null {
  if (wishes === null) return null;
  return {
    graphical: wishes.graphical,
    get repository() {
      return repositoryForInstaller(value, repository.address);
    },
  };
}

function forInstaller(repository: string): string {
  if (repository === "cdrom" || repository === "") return repository;
  // Up to the last @ of the authority: what looks like a part of a password must not stay.
  const shown = repository.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, "$1");
  return shown.endsWith("/") ? shown : `${shown}/`;
}

/**
 * @param what names family and release in errors
 * @throws UNSUPPORTED_INSTALL_METHOD where the installer cannot do what is asked
 */
export function installerArguments(
  installer: Installer,
  wishes: InstallerWishes,
  place: Place,
  what: string,
): InstallerArguments {
  const fromCd = wishes.repository === "cdrom";
  const template = fromCd ? installer.cdrom : installer.network;
  if (template === null) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `the installer of ${what} cannot install from ${fromCd ? "cdrom" : "a network repository"}`,
      {
        hint: fromCd
          ? "set other-config:install-repository to an address of the same repository"
          : "set other-config:install-repository to cdrom and put its ISO into the guest's drive",
        args: [fromCd ? "cdrom" : wishes.repository],
      },
    );
  }
  const warnings: string[] = [];
  const words = template.split(" ").filter((word) => word !== "");
  const filled = words.flatMap((word) => {
    const value = fill(word, wishes.repository, place);
    if (value !== null) return [value];
    warnings.push(`the installer of ${what} needs ${word}: add it to the VM's PV_args`);
    return [];
  });
  return { text: [...filled, ...graphicalWords(installer, wishes, what)].join(" "), warnings };
}

function graphicalWords(installer: Installer, { graphical }: InstallerWishes, what: string): string[] {
  if (graphical === null) return [];
  if (installer.graphical === null) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `install-vnc is set, but the installer of ${what} has no graphical mode over the network`,
      { hint: "remove other-config:install-vnc", args: ["install-vnc"] },
    );
  }
  const { password } = graphical;
  if (password === null) return [installer.graphical];
  if (installer.password === null) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      `install-vncpasswd is set, but the installer of ${what} takes no password on its command line`,
      { hint: "remove other-config:install-vncpasswd", args: ["install-vncpasswd"] },
    );
  }
  // It is never shown, not even in this error.
  if (!/^[!#-&(-[\]-~]{1,64}$/.test(password)) {
    throw new GuestbootError(
      "UNSUPPORTED_INSTALL_METHOD",
      "install-vncpasswd cannot stand on a kernel command line: it must be 1 to 64 printable ASCII characters without blanks, quotes and backslashes",
      { hint: "set other-config:install-vncpasswd to another one", args: ["install-vncpasswd"] },
    );
  }
  return [installer.graphical, installer.password.replaceAll("{password}", () => password)];
}

/** One word of a template; null where it holds something that this repository's address does not have. */
function fill(word: string, repository: string, place: Place): string | null {
  const base = repository + place.root;
  const url = URL.parse(repository);
  const values: Readonly<Record<string, string | null>> = {
    repository: base,
    release: place.release,
    arch: place.arch,
    folder: repository + place.kernel.slice(0, place.kernel.lastIndexOf("/") + 1),
    scheme: url?.protocol.slice(0, -1) ?? null,
    host: url === null || url.host === "" ? null : url.host,
    directory: url === null ? null : url.pathname.replace(/(?<=.)\/$/, ""),
    iso: /\.iso\/?$/i.test(repository) ? repository.replace(/\/$/, "") : null,
  };
  const missing: string[] = [];
  const filled = word.replace(/\{([a-z]+)\}/g, (whole, name: string) => {
    if (!Object.hasOwn(values, name)) return whole;
    const value = values[name] ?? null;
    if (value === null) missing.push(name);
    return value ?? "";
  });
  return missing.length > 0 ? null : filled;
}
