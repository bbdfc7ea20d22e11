import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { Binary, type Document } from "bson";
import { nextReply, openSocket, opMsg } from "../engine/raw-client.js";

/** One connection whose messages say exactly what a test wants them to: no driver adds, retries or checks anything. */
export class RawConnection {
  private constructor(readonly socket: Socket) {}

  static async open(uri: string): Promise<RawConnection> {
    return new RawConnection(await openSocket(uri));
  }

  async command(body: Document): Promise<Document> {
    this.socket.write(opMsg(body));
    const reply = await nextReply(this.socket);
    if (!reply) throw new Error("The engine closed the connection");
    return reply;
  }

  close(): void {
    this.socket.destroy();
  }
}

export interface ScramTry {
  user: string;
  password: string;
  db: string;
  /** What the client says instead of what it ought to. */
  header?: string;
  nonce?: string;
  final?: (honest: string) => string;
  /** The same before it is signed: the proof then fits what is said. */
  signed?: (honest: string) => string;
  skipEmptyExchange?: boolean;
}

export const bytes = (text: string): Binary => new Binary(Buffer.from(text, "utf8"));
export const text = (payload: unknown): string => Buffer.from((payload as Binary).buffer).toString("utf8");
const hmac = (key: Buffer, message: string): Buffer => createHmac("sha256", key).update(message).digest();

/** The whole of a client's SCRAM, written from RFC 5802 and not from the engine. Returns the last reply. */
export async function scram(connection: RawConnection, { user, password, db, header = "n,,", nonce = randomBytes(18).toString("base64"), final, signed, skipEmptyExchange = true }: ScramTry): Promise<Document & { sent?: string; verified?: boolean }> {
  const bare = `n=${user},r=${nonce}`;
  const started = await connection.command({ saslStart: 1, mechanism: "SCRAM-SHA-256", payload: bytes(`${header}${bare}`), options: { skipEmptyExchange }, $db: db });
  if (started["ok"] !== 1) return started;
  const { sent, signature } = clientFinal(password, { header, bare, serverFirst: text(started["payload"]), signed });
  const message = final ? final(sent) : sent;
  const reply = await connection.command({ saslContinue: 1, conversationId: started["conversationId"], payload: bytes(message), $db: db });
  return { ...reply, sent: message, verified: reply["ok"] === 1 && text(reply["payload"]) === `v=${signature}` };
}

interface Signed {
  header: string;
  bare: string;
  serverFirst: string;
  signed: ((honest: string) => string) | undefined;
}

function clientFinal(password: string, { header, bare, serverFirst, signed }: Signed): { sent: string; signature: string } {
  const [, nonce = "", salt = "", iterations = ""] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? [];
  const salted = pbkdf2Sync(password, Buffer.from(salt, "base64"), Number(iterations), 32, "sha256");
  const honest = `c=${Buffer.from(header).toString("base64")},r=${nonce}`;
  const withoutProof = signed ? signed(honest) : honest;
  const authMessage = `${bare},${serverFirst},${withoutProof}`;
  const clientKey = hmac(salted, "Client Key");
  const mask = hmac(createHash("sha256").update(clientKey).digest(), authMessage);
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (mask[at] ?? 0)));
  return { sent: `${withoutProof},p=${proof.toString("base64")}`, signature: hmac(hmac(salted, "Server Key"), authMessage).toString("base64") };
}
