import { createServer, type Socket } from "node:net";
import { deserialize } from "bson";
import { openSocket } from "../engine/raw-client.js";

const OP_MSG = 2013;

export interface RecordingProxy {
  uri: string;
  /** The names of the commands each connection sent; its first, which some drivers send as OP_QUERY, is "hello". */
  connections(): string[][];
  close(): Promise<void>;
}

/** Between a driver and the engine: drivers report no command of the handshake, so the bytes have to tell. */
export async function recordingProxy(engineUri: string): Promise<RecordingProxy> {
  const sent: Buffer[][] = [];
  const sockets: Socket[] = [];
  const server = createServer((client) => void join(client, engineUri, sent, sockets));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    uri: `mongodb://127.0.0.1:${port}/?directConnection=true`,
    connections: () => sent.map((chunks) => commandNames(Buffer.concat(chunks))),
    close: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

async function join(client: Socket, engineUri: string, sent: Buffer[][], sockets: Socket[]): Promise<void> {
  const chunks: Buffer[] = [];
  sent.push(chunks);
  client.on("data", (chunk) => chunks.push(chunk));
  client.on("error", () => client.destroy());
  client.pause();
  const engine = await openSocket(engineUri);
  engine.on("error", () => engine.destroy());
  sockets.push(client, engine);
  client.pipe(engine).pipe(client);
}

function commandNames(bytes: Buffer): string[] {
  const names: string[] = [];
  for (let at = 0; at + 16 <= bytes.length; at += bytes.readInt32LE(at)) {
    const isMessage = bytes.readInt32LE(at + 12) === OP_MSG;
    names.push(isMessage ? (Object.keys(deserialize(bytes.subarray(at + 21, at + bytes.readInt32LE(at))))[0] ?? "") : "hello");
  }
  return names;
}
