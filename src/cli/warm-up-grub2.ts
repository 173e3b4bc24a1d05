/**
 * For the build: reads a grub.cfg as Debian's and Fedora's generators write it, so that the functions of that reader are
 * compiled in the snapshot that the executable starts from. Nothing here runs in a start.
 */
import { memorySource } from "../base/byte-source.ts";
import { GuestbootError } from "../base/errors.ts";
import { readBlsEntries } from "../bootconfig/bls.ts";
import { parseGrub2 } from "../bootconfig/grub2/grub2.ts";
import type { GuestVolume } from "../bootconfig/guest-volume.ts";
import type { FilesystemNode } from "../filesystem/filesystem.ts";

const UUID = "6f1c0f2e-0f3f-4a39-8f0e-2b6f3c1d9a57";

const ENTRY = `
  menuentry 'Debian GNU/Linux, with Linux 6.1.0-18-amd64' --class debian --class os $menuentry_id_option 'gnulinux-6.1' {
    load_video
    insmod gzio
    if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
    set root='hd0,gpt1'
    if [ x$feature_platform_search_hint = xy ]; then
      search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt1 --hint='hd0,gpt1'  ${UUID}
    else
      search --no-floppy --fs-uuid --set=root ${UUID}
    fi
    echo 'Loading Linux ...'
    linux /boot/vmlinuz root=UUID=${UUID} ro "a b" quiet
    initrd /boot/initrd.img
  }
`;

const CONFIG = `# DO NOT EDIT
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "\${next_entry}" ] ; then
  set default="\${next_entry}"
  set next_entry=
  save_env next_entry
elif [ -f \${config_directory}/grubenv -a "$nothing" ]; then
  load_env -f \${config_directory}/grubenv
else
  set default="\${saved_entry}"
fi
if [ x"\${feature_menuentry_id}" = xy ]; then menuentry_id_option="--id"; else menuentry_id_option=""; fi
export menuentry_id_option
function savedefault { if [ -z "\${boot_once}" ]; then saved_entry="\${chosen}"; fi; }
function load_video {
  if [ x$feature_all_video_module = xy ]; then
    insmod all_video
  fi
}
for word in one two; do set last=$word; done
if loadfont unicode ; then terminal_output gfxterm; fi
set timeout_style=menu; set timeout=5
if [ ! -f /gone ]; then unset nothing; fi
${ENTRY}
submenu 'Advanced options' --id advanced {
${ENTRY}
${ENTRY}
}
set default="advanced>gnulinux-6.1"
insmod blscfg
blscfg
if [ -f $prefix/custom.cfg ]; then source $prefix/custom.cfg; fi
`;

const FILES: Readonly<Record<string, string>> = {
  "/boot/grub/grubenv": "# GRUB Environment Block\nsaved_entry=advanced\\>1\n#########",
  "/boot/grub/custom.cfg": "menuentry custom { linux /boot/vmlinuz; initrd /boot/initrd.img; }\n",
  "/boot/loader/entries/6.1.conf":
    "title Fedora\nversion 6.1\nlinux /vmlinuz\ninitrd /initrd.img $tuned_initrd\noptions root=/dev/xvda1 ro\n",
};

/** @throws Error when the config is not read as it is meant */
export function warmUpGrub2(): void {
  const config = parseGrub2(
    CONFIG,
    { path: "/boot/grub/grub.cfg", own: VOLUME, volumes: [VOLUME] },
    { readBls: readBlsEntries },
  );
  if (config.entries.length !== 5) throw new Error(`the warm-up's grub.cfg has ${config.entries.length} entries`);
}

const VOLUME: GuestVolume = {
  name: "partition 1",
  number: 1,
  table: "gpt",
  partitionUuid: null,
  filesystem: () => ({
    type: "ext4",
    uuid: UUID,
    label: null,
    notes: [],
    find: nodeAt,
    open(path) {
      const text = FILES[path];
      if (text === undefined) throw new GuestbootError("FILE_MISSING", `${path} is not there`);
      return memorySource(Buffer.from(text), path);
    },
    list: (path) =>
      Object.keys(FILES)
        .filter((file) => file.startsWith(`${path}/`))
        .map((file) => ({ name: file.slice(path.length + 1), node: { id: 1, kind: "file", size: 1 } })),
  }),
};

function nodeAt(path: string): FilesystemNode | null {
  const text = FILES[path];
  if (text !== undefined) return { id: 1, kind: "file", size: text.length };
  const isFolder = Object.keys(FILES).some((file) => file.startsWith(`${path}/`));
  return isFolder ? { id: 0, kind: "directory", size: 0 } : null;
}
