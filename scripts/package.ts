/**
 * `npm run package:portable|deb|rpm`: packages of `dist/guestboot`, which is built first where it is older than its
 * sources.
 *
 *   node scripts/package.ts portable|deb|rpm [--output FOLDER] [--fast]
 *
 * `--fast` leaves out the compression. With the same executable and `SOURCE_DATE_EPOCH`, the same bytes come out.
 *
 * The portable folder brings its own dynamic loader and libraries for hosts with an old glibc. It lives in
 * /opt/guestboot: the path of the loader is part of the executable. No variable leads to the libraries (they stand in
 * the executable as DT_RPATH, which the libraries themselves follow too), so programs that it starts use the host's.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { bashCompletion, manPages, zshCompletion } from "./documentation.ts";
import { newerSource } from "./freshness.ts";
import { licencesInside, licencesOfLibraries } from "./licences.ts";

const root = path.dirname(import.meta.dirname);
const dist = path.join(root, "dist");
const PORTABLE = "/opt/guestboot";

const program = path.join(dist, "guestboot");
const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")) as { version: string };
const { values: options, positionals } = parseArgs({
  options: { output: { type: "string", default: dist }, fast: { type: "boolean", default: false } },
  allowPositionals: true,
});

/** Of every file in a package; without the variable that says it, when the executable was built. Seconds since 1970. */
function epoch(): string {
  return process.env["SOURCE_DATE_EPOCH"] ?? String(Math.floor(fs.statSync(program).mtimeMs / 1000));
}

function run(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, SOURCE_DATE_EPOCH: fs.existsSync(program) ? epoch() : undefined },
      maxBuffer: 1 << 26,
    });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    throw new Error(`${command} is not installed: node scripts/setup.js --for package`, { cause: error });
  }
}

function build(): void {
  if (fs.existsSync(program)) {
    const newer = newerSource(root, program, ["src", "distros", "scripts/executable.ts", "package-lock.json"]);
    if (newer === null) return;
    process.stderr.write(`dist/guestboot is older than ${newer}: building it\n`);
  } else process.stderr.write("dist/guestboot is missing: building it\n");
  run(process.execPath, [path.join(root, "scripts/build.ts")]);
}

function put(file: string, content: string | Uint8Array, mode = 0o644): void {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
  fs.writeFileSync(file, content, { mode });
}

/** Puts the folder at `folder`, to be used at `/opt/guestboot`. */
function makePortable(folder: string): void {
  fs.mkdirSync(path.join(folder, "lib"), { recursive: true });
  const copied = path.join(folder, "guestboot");
  fs.copyFileSync(program, copied);
  const needed = [...run("ldd", [copied]).matchAll(/(\/\S+) \(0x/g)].map(([, file = ""]) => file);
  if (needed.length < 5) throw new Error(`the libraries of ${copied} were not found`);
  for (const file of needed) {
    const copy = path.join(folder, "lib", path.basename(file));
    fs.copyFileSync(file, copy);
    fs.chmodSync(copy, 0o755);
  }
  const loader = `${PORTABLE}/lib/ld-linux-x86-64.so.2`;
  run("patchelf", ["--set-interpreter", loader, "--force-rpath", "--set-rpath", `${PORTABLE}/lib`, copied]);
  for (const name of ["eliloader", "pygrub"]) fs.symlinkSync("guestboot", path.join(folder, name));
  putLicences(path.join(folder, "licenses"), { ...licencesInside(), ...licencesOfLibraries(needed) });
}

function putLicences(folder: string, texts: Readonly<Record<string, string>>): void {
  const own = fs.readFileSync(path.join(root, "LICENSE"), "utf8");
  for (const [name, text] of Object.entries({ ...texts, guestboot: own })) put(path.join(folder, name), text);
}

/** What both packages hold beside the program. */
function makeRoot(folder: string, installed: string, copyright: string): void {
  const conf = fs.readFileSync(path.join(root, "packaging/guestboot.conf"), "utf8");
  put(path.join(folder, "etc/guestboot.conf"), conf);
  for (const [name, text] of Object.entries(manPages(conf))) {
    // Not pygrub.8 itself: Xen's own package has it.
    const own = name === "pygrub.8" || name === "eliloader.8" ? `guestboot-${name}` : name;
    put(path.join(folder, `usr/share/man/man${name.slice(-1)}/${own}.gz`), gzipSync(text, { level: 9 }));
  }
  put(path.join(folder, "usr/share/bash-completion/completions/guestboot"), bashCompletion());
  put(path.join(folder, "usr/share/zsh/site-functions/_guestboot"), zshCompletion());
  put(path.join(folder, "usr/share/doc/guestboot/copyright"), copyright);
  for (const unit of ["guestboot-prestage.service", "guestboot-prestage.timer"]) {
    put(path.join(folder, "usr/lib/systemd/system", unit), fs.readFileSync(path.join(root, "packaging", unit), "utf8"));
  }
  fs.mkdirSync(path.join(folder, "usr/libexec/guestboot"), { recursive: true });
  for (const name of ["eliloader", "pygrub"]) {
    fs.symlinkSync(installed, path.join(folder, "usr/libexec/guestboot", name));
  }
}

function packPortable(work: string): string {
  makePortable(path.join(work, "guestboot"));
  const output = path.join(options.output, `guestboot-${version}-portable-x86_64.tar${options.fast ? "" : ".gz"}`);
  const order = ["--sort=name", `--mtime=@${epoch()}`, "--owner=0", "--group=0", "--numeric-owner"];
  run("tar", ["-C", work, ...order, ...(options.fast ? [] : ["-I", "gzip -n"]), "-cf", output, "guestboot"]);
  return output;
}

function packDeb(work: string): string {
  const folder = path.join(work, "root");
  makeRoot(folder, "/usr/bin/guestboot", DEBIAN_COPYRIGHT);
  fs.mkdirSync(path.join(folder, "usr/bin"));
  fs.linkSync(program, path.join(folder, "usr/bin/guestboot"));
  putLicences(path.join(folder, "usr/share/doc/guestboot/licenses"), licencesInside());
  const control = `Package: guestboot
Version: ${version}
Architecture: amd64
Maintainer: guestboot maintainers
Depends: libc6 (>= 2.28), libatomic1, libstdc++6, libgcc-s1
Recommends: libnfs-utils
Section: admin
Priority: optional
Description: boot loader for Xen guests
 Starts installations of Xen guests from a repository, and boots guests from
 their disks: a drop-in for eliloader and pygrub.
`;
  put(path.join(folder, "DEBIAN/control"), control);
  put(path.join(folder, "DEBIAN/conffiles"), "/etc/guestboot.conf\n");
  put(path.join(folder, "DEBIAN/postinst"), scriptOf(RELOAD), 0o755);
  put(path.join(folder, "DEBIAN/prerm"), scriptOf(REMOVE), 0o755);
  put(path.join(folder, "DEBIAN/postrm"), scriptOf(`${RELOAD}${PURGE}`), 0o755);
  const output = path.join(options.output, `guestboot_${version}_amd64.deb`);
  run("dpkg-deb", ["--root-owner-group", options.fast ? "-Znone" : "-Zgzip", "--build", folder, output]);
  return output;
}

/** Debian has the licence's text on every host, and wants it pointed at. */
const DEBIAN_COPYRIGHT = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: guestboot
Comment: The licences of what the executable has inside lie in the folder licenses.

Files: *
Copyright: the authors of guestboot
License: Apache-2.0
 On Debian systems, the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
`;

function scriptOf(lines: string): string {
  return `#!/bin/sh\nset -e\n${lines}`;
}

/** A host must not be left with links to a program that is gone; when they cannot be undone, the package stays. */
const REMOVE = `if [ "$1" = remove ] || [ "$1" = 0 ]; then
  /usr/bin/guestboot host uninstall >/dev/null
  if command -v systemctl >/dev/null; then
    systemctl --quiet disable --now guestboot-prestage.timer 2>/dev/null || :
  fi
fi
`;

const RELOAD = `if [ -d /run/systemd/system ]; then systemctl daemon-reload || :; fi
`;

/** What can be had again. VM records, and images that guests may be made from, are the admin's. */
const PURGE = `if [ "$1" = purge ]; then rm -rf /var/cache/guestboot; fi
`;

function packRpm(work: string): string {
  const folder = path.join(work, "root");
  makeRoot(folder, `${PORTABLE}/guestboot`, fs.readFileSync(path.join(root, "LICENSE"), "utf8"));
  makePortable(path.join(folder, PORTABLE));
  fs.mkdirSync(path.join(folder, "usr/bin"));
  fs.symlinkSync(`${PORTABLE}/guestboot`, path.join(folder, "usr/bin/guestboot"));
  const files = run("find", [folder, "-not", "-type", "d", "-printf", "/%P\\n"]).trim().split("\n").sort();
  const listed = files.map((file) => (file.startsWith("/etc/") ? `%config(noreplace) ${file}` : file));
  const folders = run("find", [folder, "-type", "d", "-printf", "/%P\\n"]).split("\n");
  const own = folders.filter((each) => each.includes("/guestboot")).sort();
  const spec = `Name: guestboot
Version: ${version}
Release: 1
Summary: Boot loader for Xen guests
License: Apache-2.0
Group: System Environment/Base
AutoReqProv: no
%description
Starts installations of Xen guests from a repository, and boots guests from
their disks: a drop-in for eliloader and pygrub.
%post
${RELOAD}%preun
set -e
${REMOVE}%postun
${RELOAD}%files
${own.map((each) => `%dir ${each}`).join("\n")}
${listed.join("\n")}
`;
  put(path.join(work, "guestboot.spec"), spec);
  const defines = {
    _topdir: path.join(work, "rpm"),
    _rpmdir: path.join(work, "out"),
    __os_install_post: "%{nil}",
    _build_id_links: "none",
    // What rpm 4.11 of dom0 can unpack.
    _binary_payload: options.fast ? "w.ufdio" : "w6.gzdio",
    _buildhost: "localhost",
    use_source_date_epoch_as_buildtime: "1",
    clamp_mtime_to_source_date_epoch: "1",
  };
  const words = Object.entries(defines).flatMap(([name, value]) => ["--define", `${name} ${value}`]);
  run("rpmbuild", ["-bb", "--noclean", "--buildroot", folder, ...words, path.join(work, "guestboot.spec")]);
  const output = path.join(options.output, `guestboot-${version}-1.x86_64.rpm`);
  fs.copyFileSync(path.join(work, "out/x86_64", path.basename(output)), output);
  return output;
}

const PACK: Readonly<Record<string, (work: string) => string>> = { portable: packPortable, deb: packDeb, rpm: packRpm };
const pack = PACK[positionals[0] ?? ""];
if (pack === undefined) throw new Error("package.ts portable|deb|rpm");
process.umask(0o022);
build();
const work = fs.mkdtempSync(path.join(dist, "package-"));
try {
  process.stdout.write(`${pack(work)}\n`);
} finally {
  fs.rmSync(work, { recursive: true, force: true });
}
