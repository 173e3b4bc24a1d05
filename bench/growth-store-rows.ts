/**
 * The rows of the benchmark about how the cost of a warm installation start grows with what else is in the cache.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { contentFile, markOf } from "../src/store/content.ts";
import { digestOf } from "../src/store/digest.ts";
import { formatEntry } from "../src/store/index-entry.ts";
import { indexFile } from "../src/store/store.ts";
import { serveSignedMirror, warmStart } from "./installation.ts";
import { growth, type Row, type Setting } from "./row.ts";

const MEMORY_BAR_MB = 150;

export async function measureStoreGrowth({ folder, dist, installer, runs, isShort }: Setting): Promise<Row[]> {
  await using nginx = await serveSignedMirror(folder("mirror"), installer);
  const sizes = (isShort ? [10, 1000] : [10, 1000, 100_000]).map((objects) => {
    const place = { dist, folder: folder(`store-${objects}`), url: nginx.url };
    fillStore(path.join(place.folder, "cache"), objects);
    const size = `${objects.toLocaleString("en")} objects`;
    return { size, command: warmStart(place, `warm start, ${size}`) };
  });
  return growth("warm start, store", sizes, runs, MEMORY_BAR_MB);
}

/** What as many fetches would have left, without their waiting for the disk. */
function fillStore(store: string, objects: number): void {
  for (const name of ["index", "content/sha256"]) fs.mkdirSync(path.join(store, name), { recursive: true });
  const now = new Date();
  for (let index = 0; index < objects; index++) {
    const bytes = `object ${index}\n`;
    const digest = digestOf(bytes);
    const file = contentFile(store, digest);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, bytes, { mode: 0o444 });
    const url = `http://mirror.example/${index}`;
    const known = { key: url, url, digest, size: bytes.length, etag: `"${index}"`, lastModified: null };
    const learnt = { fetchedAt: now, checkedAt: now, build: null, trust: "none", md5: null } as const;
    const mark = markOf(file, bytes.length);
    fs.writeFileSync(indexFile(store, url), formatEntry({ kind: "file", ...known, ...learnt, mark }));
  }
}
