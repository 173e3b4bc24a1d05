/**
 * The npm package as another program's author has it: packed, put where npm puts it, compiled against and run, with
 * the example of the README.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeFilesystemImage } from "../../fixtures/disk-images.ts";
import { startNginx, type Nginx } from "../../fixtures/nginx.ts";
import { environment, programPath, ROOT, start, temporaryFolder } from "../program.ts";

const folder = temporaryFolder();
const at = (name: string) => path.join(folder.path, name);
const TREE = "dists/bookworm/main/installer-amd64/current/images/netboot/xen";
const KERNEL = "a kernel";
let web: Nginx;

/** Without the permissions that this test runs with, as any program's author would. */
function command(program: string, ...argv: string[]) {
  const words = ["-u", "NODE_OPTIONS", `PATH=${path.join(ROOT, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`];
  const { status, stdout, stderr } = spawnSync("/usr/bin/env", [...words, program, ...argv], {
    cwd: folder.path,
    env: environment({ HOME: folder.path }),
    encoding: "utf8",
    timeout: 120_000,
  });
  return { status, stdout, stderr };
}

function write(file: string, text: string): void {
  fs.mkdirSync(path.dirname(at(file)), { recursive: true });
  fs.writeFileSync(at(file), text);
}

beforeAll(async () => {
  programPath("guestboot");
  const packed = command("npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", folder.path, ROOT);
  expect(packed).toMatchObject({ status: 0 });
  fs.mkdirSync(at("node_modules/guestboot"), { recursive: true });
  const into = at("node_modules/guestboot");
  expect(command("tar", "-xzf", at(packed.stdout.trim()), "-C", into, "--strip-components=1").status).toBe(0);
  const description: unknown = JSON.parse(fs.readFileSync(path.join(into, "package.json"), "utf8"));
  const needed = Object.keys((description as { dependencies: Record<string, string> }).dependencies);
  fs.mkdirSync(at("node_modules/@types"));
  for (const name of [...needed, "@types/node", "undici-types"]) {
    fs.symlinkSync(path.join(ROOT, "node_modules", name), at(`node_modules/${name}`));
  }
  write(`web/${TREE}/vmlinuz`, KERNEL);
  write(`web/${TREE}/initrd.gz`, "a ramdisk");
  web = await startNginx({ root: at("web") });
  write(
    "guest/boot/grub/grub.cfg",
    "set default=1\nmenuentry old { linux /old x }\nmenuentry new { linux /new y=1 }\n",
  );
  write("guest/old", "1");
  write("guest/new", "2");
  write("guest/etc/hostname", "guest7\n");
  makeFilesystemImage({ path: at("disk.img"), type: "ext4", sizeMiB: 16, folder: at("guest") });
});
afterAll(async () => {
  await web[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

it("the README's example compiles against the package's own declarations, and runs without flags", async () => {
  const readme = fs.readFileSync(path.join(ROOT, "README.md"), "utf8");
  const [, example = ""] = /```ts\n([\s\S]*?)```/.exec(readme) ?? [];
  expect(example).toContain('from "guestboot"');
  write("example.ts", example);
  // A call without a folder for the cache must not compile: the compiler says so when this comment is not needed.
  write(
    "wrong.ts",
    `import { fetch } from "guestboot";
// @ts-expect-error
export const wrong = () => fetch({ repository: "http://m.example/", outputFolder: "/nowhere" });
`,
  );
  write("package.json", '{ "type": "module" }');
  const compilerOptions = {
    target: "esnext",
    module: "nodenext",
    lib: ["esnext"],
    types: ["node"],
    strict: true,
    // The package's declarations are checked too, under the strictest rules that a program may have.
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
  };
  write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["example.ts", "wrong.ts"] }));
  expect(command("tsc", "-p", folder.path)).toEqual({ status: 0, stdout: "", stderr: "" });

  // Beside this process, which takes nginx's complaints: it waits when nobody does.
  const node = ["-u", "NODE_OPTIONS", path.join(ROOT, "node_modules/.bin/node")];
  const ran = await start("/usr/bin/env", [...node, at("example.js"), web.url, at("disk.img"), at("out")]);
  expect(ran).toMatchObject({ status: 0, stderr: "" });
  const [sum = ""] = command("sha256sum", at("out/vmlinuz")).stdout.split(" ");
  expect(ran.stdout.trim().split("\n")).toEqual([
    `${web.url}${TREE}/vmlinuz ${KERNEL.length} none`,
    `${at("out/vmlinuz")} sha256:${sum}`,
    "new y=1",
    "whole disk guest7",
    "INVALID_SOURCE",
  ]);
  expect(fs.readFileSync(at("out/vmlinuz"), "utf8")).toBe(KERNEL);
  expect(fs.readFileSync(at("out/initrd.gz"), "utf8")).toBe("a ramdisk");
}, 180_000);
