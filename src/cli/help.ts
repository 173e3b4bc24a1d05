/**
 * The words of `--help`, a text a command.
 */
import { withoutPasswords } from "../base/errors.ts";

const COMMANDS: Readonly<Record<string, { readonly summary: string; readonly text: string }>> = {
  boot: {
    summary: "start a VM: what its record asks for, or its disk",
    text: `guestboot boot [--vm ID] [options] DISK

What a VM's record asks for: a round of its installation, or a boot from its own disk. Without --vm: the disk.
The loader for xl guests (bootloader="guestboot"); libxl's arguments are accepted, with or without the word boot.

  --vm=ID                the VM: its uuid or name
  --args=TEXT            added at the end of the kernel command line
  --entry=N|TITLE        boot this entry of the disk's boot config
  --kernel=P --ramdisk=P boot these files of the guest; its boot config is not read
  --offset=BYTES         where the disk's filesystem starts
  --preseed=FILE|URL     an installation's answer file, put where its installer looks, in place of the one that the
                         record names (install-preseed, …); also --kickstart, --autoyast
  --overlay=PATH         files for the installation's ramdisk: a folder, cpio archive or zip; repeat it for more
  --repack               unpack that ramdisk and pack it anew, in place of appending to it
  --decompress-kernel    hand out the ELF image of an installation's kernel, which any host's Xen can load
  --output=PATH          where the answer goes (- is standard output, the default)
  --output-format=F      sxp, simple (the default) or simple0
  --output-directory=DIR where kernel and ramdisk go
  --log FORM             how the start tells its steps: syslog, json (lines on standard error), none
  --offline              an installation starts from the cache alone; nothing is asked of the network
  --runas=UID            become this user before the guest's bytes are read
  -n, --not-really       only say what would boot
  -l, --list-entries     only list the entries of the disk
  -q, --quiet            say nothing but a failure`,
  },
  resolve: {
    summary: "which kernel, initrds and arguments an installation needs",
    text: `guestboot resolve REPOSITORY [--distro F] [--release R] [--arch A] [--flavour xen|generic] [--json]

Looks into a distribution's repository and prints which kernel, initrds and arguments its installation takes.
REPOSITORY is an address (http, https, ftp, nfs), a folder, a zip file, or an ISO image.
What is not given is recognised from the tree.

  --distro F     the family: debianlike, rhlike, sleslike, …; debian, rhel, sles mean the same
  --release R    the release: a suite or codename (bookworm), or a number (9)
  --arch A       the architecture (amd64 where neither you nor the tree say)
  --proxy URL    an HTTP proxy; --ca-file FILE: authorities (PEM) to trust beside the runtime's
  --flavour F    xen: the tree's own Xen kernel; generic: a kernel that boots as a Xen guest by itself
  --trust P      how much proof the files need: require-signed, require-listed, prefer (the default: the best that
                 there is, never a mismatch), none (nothing is compared)
  --keyring FILE keys that may sign (repeat it for more), in place of /usr/share/keyrings and /etc/guestboot/keyrings
  --accept-expired-keys   signatures of keys that have expired since count: for archives
  --sha256 kernel=DIGEST, --sha256 ramdisk=DIGEST   pinned digests, which beat every index
  --log FORM     how the steps are told: syslog, json (lines on standard error), none
  --json         machine-readable`,
  },
  fetch: {
    summary: "download an installation's kernel and initrds into a folder",
    text: `guestboot fetch REPOSITORY [--distro F] [--release R] [--arch A] [--flavour F] --output DIR [--json]

Resolves as \`guestboot resolve\` does, downloads through the cache, and puts the files into DIR.

  --output DIR   an existing folder
  --trust P, --keyring FILE, --accept-expired-keys, --sha256 kernel=DIGEST, --sha256 ramdisk=DIGEST
                 how much proof the files need, as for \`guestboot resolve\`; each file is compared before it is put there
  --offline      everything from the cache; nothing is asked of the network
  --preseed FILE|URL   an answer file, put into the initrd where that installer looks; also --kickstart, --autoyast. The
                 words that the installer's kernel is to be told are printed
  --overlay PATH put these files into the initrd: a folder, cpio archive or zip; repeat it for more
  --fixups FOLDER  and what the maps (*.map) in that folder have for this initrd
  --repack       unpack the initrd and pack it anew, in place of appending to it
  --decompress-kernel  write the ELF image of the kernel, for a host whose Xen cannot unpack its payload
  --log FORM     how the steps are told: syslog, json (lines on standard error), none
  --quiet        no progress`,
  },
  entries: {
    summary: "the boot entries of a disk, and the one that would boot",
    text: `guestboot entries DISK|FOLDER [--json] [--explain]

Lists the entries of a guest's boot config. A folder stands for the root of a guest's filesystem.

  --explain      how the default entry was chosen
  --json         machine-readable`,
  },
  ls: {
    summary: "the files in a folder of a guest's disk",
    text: `guestboot ls DISK|FOLDER [PATH] [--volume V] [--json]

Lists a folder of a guest (/ where none is named), as far as its filesystem's reader tells. Nothing is changed. A folder
in place of a disk stands for the root of a guest's filesystem.

  --volume V     a partition's number, a UUID, a label, or a volume's name (vg/root); else the first that has the path
  --offset N     bytes from the disk's start to its only filesystem
  --json         machine-readable`,
  },
  cat: {
    summary: "print a file of a guest's disk",
    text: `guestboot cat DISK|FOLDER PATH [--volume V]

Prints a guest's file byte for byte; symbolic links are followed inside the guest. Nothing is changed.

  --volume V     a partition's number, a UUID, a label, or a volume's name (vg/root); else the first that has the path
  --offset N     bytes from the disk's start to its only filesystem`,
  },
  patch: {
    summary: "put files into an initrd",
    text: `guestboot patch INITRD [--overlay FILE|FOLDER]… --output FILE [options]
guestboot patch KERNEL --decompress-kernel --output FILE

Puts overlays into an initrd: folders, cpio archives (plain or compressed), zips. They are appended as one more member,
which the kernel unpacks after the others; the initrd itself stays as it is. An ext2 ramdisk (RHEL 3, 4) gets the files
written into its filesystem.

  --overlay PATH        repeat it for more; a later one's files win
  --preseed FILE|URL    an answer file, put where that installer looks; also --kickstart, --autoyast. The words that its
                        kernel is to be told are printed
  --distro F --release R  which installer it is, where that matters
  --fixups FOLDER       what the maps (*.map) in that folder have for this initrd
  --output FILE         where the result goes
  --repack              unpack and pack anew: what the overlay replaces is gone, and a file's other names keep their content
  --compression C       gzip, zstd (with --repack) or none
  --kernel FILE         the kernel that is to take it: old ones need a repack
  --max-size-mb N       what a member may grow to (1024, or what the host sets)
  --decompress-kernel   write the ELF image of a kernel whose payload this host's Xen cannot unpack
  --json                machine-readable
  --quiet               no progress`,
  },
  inspect: {
    summary: "what a kernel, an initrd or a guest's disk is and holds",
    text: `guestboot inspect FILE|DISK [--list | --extract PATH] [--json]

Of an initrd: its members, their compressions, the kernels that it has modules for. Of a kernel: its format, version,
the compression of its payload, and whether it starts as a PV or PVH guest. Of a disk: its partition table, volumes and filesystems, and what would boot.

  --list           the files inside
  --extract PATH   print one file; symbolic links are followed
  --max-size-mb N  what a member may grow to (1024, or what the host sets)
  --json           machine-readable`,
  },
  layouts: {
    summary: "what can be installed, and whether trees still have what that needs",
    text: `guestboot layouts list [--json]
guestboot layouts check REPOSITORY… [--distro F] [--release R] [--arch A] [--flavour xen|generic] [options]
guestboot layouts check --all --mirror FAMILY=URL… [options]

list    the catalog: family, release, arch, flavour, and where kernel and initrds lie below a repository
check   does a tree still have what an installation needs? Exit status 1 when one has not

  --all               every layout of the catalog, of the families whose mirrors are named
  --mirror FAMILY=URL may hold {release}, {version} and {arch}; repeat it for more mirrors of a family
  --deep              fetch the files whole, and compare them with the checksums that the tree lists
  --timeout SECONDS   the most that one layout may take (default 30; 600 with --deep)
  --json              machine-readable; --junit FILE: a report for CI
  --proxy URL         an HTTP proxy; --ca-file FILE: authorities (PEM) to trust beside the runtime's
  --quiet             no progress`,
  },
  cache: {
    summary: "what the cache holds, whether it is whole, and making it smaller",
    text: `guestboot cache list [--json]
guestboot cache verify [--repair] [--json]
guestboot cache prune [--max-size N] [--max-age T] [--dry-run] [--json]

list     the cached files: size, when they were last checked against their server, how far they are known as the
         distribution's (signed, listed, none), SHA-256, address
verify   reads everything and compares it with its digest. Exit status 1 when something is bad
prune    removes what has not been used for longest, never what is in use

  --repair       remove what is bad; it is fetched anew when it is needed
  --max-size N   bytes that may stay: 500M, 20G (max-size in the section [cache] of /etc/guestboot.conf where not given)
  --max-age T    what has not been used for as long goes: 12h, 30d
  --dry-run      only say what would be removed
  --json         machine-readable`,
  },
  prestage: {
    summary: "installers' images in the host's own folder",
    text: `guestboot prestage NAME REPOSITORY [--distro F] [--release R] [--arch A] [--flavour F] [options]
guestboot prestage list [--json]
guestboot prestage verify [NAME…] [--json]
guestboot prestage refresh [NAME…] [--json]
guestboot prestage remove NAME [--force]

Puts an installer's kernel and ramdisk, proved and patched, where the toolstack loads them without a boot loader:
/var/lib/xcp/guest/NAME where xapi wants that, else /boot/guest/NAME. \`guestboot vm use-image\` starts a VM from it.

list      the images: what, how large, how far it is known as the distribution's, when last asked about, from where
verify    reads the images and compares them with their manifests. Exit status 1 when something is bad
refresh   makes them again from their repositories, in one step; the old files stay while a VM starts from them
remove    refuses while a VM starts from it (--force: does not)

  --dir FOLDER         in place of the host's folder of images
  --preseed FILE|URL   an answer file, put where that installer looks; also --kickstart, --autoyast
  --overlay PATH       files to put into the ramdisk (repeat it for more)
  --decompress-kernel  the ELF image of a kernel whose payload this host's Xen cannot unpack
  --trust P, --keyring FILE, --accept-expired-keys, --sha256 kernel=DIGEST, --sha256 ramdisk=DIGEST
                       how much proof the files need, as for \`guestboot resolve\`
  --proxy URL, --ca-file FILE
  --offline            everything from the cache; nothing is asked of the network
  --log FORM           how the steps are told: syslog, json (lines on standard error), none
  --json               machine-readable; --quiet: no progress`,
  },
  vm: {
    summary: "a VM's boot state, and what its next start does",
    text: `guestboot vm show ID [--json]
guestboot vm reinstall ID [--distro F] [--dry-run]
guestboot vm use-image ID NAME [--start] [--dir FOLDER] [--dry-run]
guestboot vm finish ID [--dry-run]

ID is a VM's UUID or name, or the path of an xl or xm guest's file.

show        what the VM's record says, and what its next start does; no password
reinstall   make the next start begin the installation again (--distro where the record no longer tells the family)
use-image   make every start boot the pre-staged image NAME (guestboot prestage), until \`vm finish\`
finish      make the next start boot from the VM's own disk

  --start     start the VM, and then have its record boot from the disk, so that no installation is endless (xapi)
  --dry-run   change nothing; print the \`xe\` commands that do the same
  --dir       the folder of images, in place of the host's`,
  },
  host: {
    summary: "make this host use guestboot as pygrub and eliloader",
    text: `guestboot host install [--dry-run] [--json]
guestboot host uninstall [--dry-run] [--json]
guestboot host status [--json]

install     puts links to guestboot where this host's toolstacks look for pygrub and eliloader (also where a file in
            /etc/xenopsd.conf.d says), or entries into /etc/xenopsd.conf. The old programs are kept beside them
uninstall   puts everything back as it was, also after an installation that was broken off
status      who is called. Exit status 1 when it is not guestboot everywhere: not installed, or an update of the host
            has put its own program back

  --root DIR       a host's files below DIR in place of /: for images of hosts
  --program FILE   the executable that is linked to, in place of the running one (seen from inside --root)
  --dry-run        change nothing; print what would be done
  --json           machine-readable`,
  },
  doctor: {
    summary: "is this host ready, and what is missing",
    text: `guestboot doctor [--json]

Looks at what starts and installations need of this host. Each finding that is not good comes with a command that mends
it. Exit status 1 when something has failed; a warning is no failure.

  --json   machine-readable`,
  },
};

const OVERVIEW = `guestboot: boots Xen guests, from a distribution's repository to install them, then from their own disks.

guestboot COMMAND [options]

${Object.entries(COMMANDS)
  .map(([name, { summary }]) => `  ${name.padEnd(9)} ${summary}`)
  .join("\n")}

guestboot COMMAND --help says more. Called as pygrub or eliloader, it takes their arguments.
Exit status: 0 done, 1 failed, 2 wrong usage.
`;

export function helpOf(command: string): string {
  const known = COMMANDS[command];
  return known === undefined ? OVERVIEW : `${known.text}\n`;
}

/** @param topic a command, anything else for the overview; null: called without arguments, which is wrong usage */
export function runHelp(topic: string | null): number {
  if (topic === null) {
    process.stderr.write(OVERVIEW);
    return 2;
  }
  process.stdout.write(helpOf(topic));
  return 0;
}

export function unknownCommand(word: string): number {
  process.stderr.write(`guestboot: there is no command "${withoutPasswords(word)}"\n\n${OVERVIEW}`);
  return 2;
}

/** Every command by its name, as the manual and the completions of shells are made from. */
export const COMMAND_HELP: Readonly<Record<string, { readonly summary: string; readonly text: string }>> = COMMANDS;
