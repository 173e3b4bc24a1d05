/**
 * An FTP server that misbehaves on demand, for what a real one does not do. One reply a command; what is not listed
 * is answered as a small server would.
 */
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";

export interface FtpFaults {
  /** Replies by command word; a null says nothing. */
  readonly replies?: Readonly<Record<string, string | null>>;
  /** What is sent as any file. */
  readonly content?: string;
  /** What ends a transfer: 226 unless told; null says nothing. */
  readonly transferEnd?: string | null;
  /** The data connection stays open after the content. */
  readonly stalls?: boolean;
  /** Nothing is said at all, not even a greeting. */
  readonly isMute?: boolean;
  /** A line that goes on for ever, a letter at a time, in place of a greeting. */
  readonly drips?: boolean;
}

export interface FaultyFtp extends AsyncDisposable {
  readonly url: string;
  readonly commands: readonly string[];
  connections(): number;
}

export async function startFaultyFtp(faults: FtpFaults = {}): Promise<FaultyFtp> {
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  const track = (socket: Socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  };
  const server = createServer((control) => {
    track(control);
    serve(control, faults, commands, track);
  });
  const port = await listen(server);
  return {
    url: `ftp://127.0.0.1:${port}/`,
    commands,
    connections: () => sockets.size,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function serve(control: Socket, faults: FtpFaults, commands: string[], track: (socket: Socket) => void): void {
  let data: Promise<Socket> | null = null;
  const say = (line: string | null | undefined) => {
    if (line !== null && line !== undefined) control.write(`${line}\r\n`);
  };
  control.resume();
  if (faults.isMute === true) return;
  if (faults.drips === true) {
    const timer = setInterval(() => control.write("2"), 20);
    control.on("close", () => clearInterval(timer));
    return;
  }
  say("220 ready");
  let text = "";
  control.setEncoding("latin1").on("data", (piece: string) => {
    text += piece;
    for (let end = text.indexOf("\r\n"); end >= 0; end = text.indexOf("\r\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      commands.push(line);
      void answer(line);
    }
  });

  async function answer(line: string): Promise<void> {
    const word = line.split(" ")[0] ?? "";
    const reply = faults.replies?.[word];
    if (reply !== undefined) {
      say(reply);
      return;
    }
    const content = faults.content ?? "a kernel";
    switch (word) {
      case "USER": {
        say("331 password, please");
        return;
      }
      case "PASS": {
        say("230 logged in");
        return;
      }
      case "SIZE": {
        say(`213 ${content.length}`);
        return;
      }
      case "MDTM": {
        say("213 20230610111213");
        return;
      }
      case "EPSV": {
        const passive = createServer();
        data = once(passive, "connection").then(([socket]: Socket[]) => {
          passive.close();
          if (socket === undefined) throw new Error("no connection");
          track(socket);
          return socket;
        });
        say(`229 passive (|||${await listen(passive)}|)`);
        return;
      }
      case "RETR": {
        say("150 here it comes");
        const socket = await data;
        socket?.write(content);
        if (faults.stalls === true) return;
        socket?.end();
        say(faults.transferEnd === undefined ? "226 done" : faults.transferEnd);
        return;
      }
      case "QUIT":
        control.end("221 bye\r\n");
        return;
      default: {
        say("200 fine");
        return;
      }
    }
  }
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port was given");
  return address.port;
}
