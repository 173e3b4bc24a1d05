import * as fs from "node:fs";
import * as path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { startStaticServer } from "../../fixtures/static-server.ts";
import { silent } from "../../src/base/progress.ts";
import { answerOverlay, readAnswerFile } from "../../src/pipeline/answer-file.ts";
import { temporaryFolder } from "../program.ts";

const temporary = temporaryFolder();
afterAll(() => temporary[Symbol.dispose]());
const at = (name: string) => path.join(temporary.path, name);
const OPTIONS = { environment: {}, progress: silent };
const read = (from: string) => readAnswerFile({ kind: "preseed", from }, OPTIONS);

describe("an answer file", () => {
  it("may lie on the host", async () => {
    fs.writeFileSync(at("answers"), "the host's\n");
    expect(Buffer.from(await read(at("answers"))).toString()).toBe("the host's\n");
    expect(Buffer.from(await read(`file://${at("answers")}`)).toString()).toBe("the host's\n");
  });

  it("may lie on a server", async () => {
    fs.mkdirSync(at("www"));
    fs.writeFileSync(at("www/answers.cfg"), "the server's\n");
    await using server = await startStaticServer(at("www"));
    expect(Buffer.from(await read(`${server.url}answers.cfg`)).toString()).toBe("the server's\n");
    await expect(read(`${server.url}missing.cfg`)).rejects.toMatchObject({ code: "INVALID_SOURCE" });
  });

  it("that is not there, or is a folder, or is no text of an admin any more, is refused", async () => {
    await expect(read(at("missing"))).rejects.toMatchObject({ code: "OVERLAY_INVALID" });
    await expect(read(temporary.path)).rejects.toMatchObject({ code: "OVERLAY_INVALID" });
    fs.writeFileSync(at("large"), Buffer.alloc(5 * 1024 * 1024));
    await expect(read(at("large"))).rejects.toMatchObject({ code: "FILE_TOO_LARGE" });
  });

  it("is readable by root only, since it may hold passwords", () => {
    const [entry] = answerOverlay(Buffer.from("secret"), "preseed.cfg");
    expect(entry).toMatchObject({ path: "preseed.cfg", kind: "file", mode: 0o600, uid: 0, gid: 0, size: 6 });
  });
});
