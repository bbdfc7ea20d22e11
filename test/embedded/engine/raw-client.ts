import { connect, type Socket } from "node:net";
import { deserialize, serialize, type Document } from "bson";

const OP_MSG = 2013;

/** The bytes of one OP_MSG with a body section. */
export function opMsg(body: Document, requestId = 1, flags = 0): Buffer {
  const document = serialize(body, { ignoreUndefined: true });
  const head = Buffer.alloc(21);
  head.writeInt32LE(head.length + document.length, 0);
  head.writeInt32LE(requestId, 4);
  head.writeInt32LE(OP_MSG, 12);
  head.writeUInt32LE(flags, 16);
  return Buffer.concat([head, document]);
}

export function openSocket(uri: string): Promise<Socket> {
  const address = uri.slice("mongodb://".length).split("/")[0] ?? "";
  const path = decodeURIComponent(address);
  const [host, port] = address.split(":");
  const socket = path.startsWith("/") ? connect(path) : connect(Number(port), host);
  return new Promise((resolve, reject) => {
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** The next whole message, or undefined when the other side ends first. */
export function nextReply(socket: Socket): Promise<Document | undefined> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const finish = (reply: Document | undefined): void => {
      socket.off("data", onData);
      socket.off("close", onClose);
      resolve(reply);
    };
    const onClose = (): void => finish(undefined);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length >= 4 && bytes.length >= bytes.readInt32LE(0)) finish(deserialize(bytes.subarray(21, bytes.readInt32LE(0))));
    };
    socket.on("data", onData);
    socket.on("close", onClose);
    if (socket.destroyed) onClose();
  });
}

/** One command on a connection of its own, as the bytes say it: no driver adds or retries anything. */
export async function rawCommand(uri: string, body: Document): Promise<Document> {
  const socket = await openSocket(uri);
  socket.write(opMsg(body));
  const reply = await nextReply(socket);
  socket.destroy();
  if (!reply) throw new Error("The engine closed the connection");
  return reply;
}
