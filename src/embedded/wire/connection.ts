/*
 * One client's socket: cuts the stream into messages, answers them in order, and survives nothing malformed.
 * Before it: start-engine.ts; after it: commands/execute-command.ts.
 */
import type { Socket } from "node:net";
import type { Doc } from "../semantics/bson-codec.js";
import { formatReply, HEADER_BYTES, MalformedMessage, parseMessage, type Request } from "./message.js";

/** A running command gets this long to be answered when the engine closes. */
const CLOSE_MS_MAX = 5_000;

export interface ConnectionHandler {
  /** Never throws: errors are replies. */
  execute(request: Request): Promise<Buffer | Doc>;
  /** Of the next message: less for a peer that has not said who it is. */
  messageBytesMax(): number;
  onMalformed(message: string): void;
  errorReply(error: unknown): Doc;
}

export class Connection {
  readonly #socket: Socket;
  readonly #handler: ConnectionHandler;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #replies = 0;
  #working = false;
  #closing = false;

  constructor(socket: Socket, handler: ConnectionHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#receive(chunk));
    // A reset by the peer is the peer's affair; the close event follows.
    socket.on("error", () => socket.destroy());
  }

  /** Lets a command that runs finish and be answered, then ends. */
  close(): void {
    this.#closing = true;
    if (!this.#working) this.#socket.destroy();
    // A client that does not read its reply must not keep the process from ending.
    else setTimeout(() => this.#socket.destroy(), CLOSE_MS_MAX).unref();
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      for (let message = this.#take(); message && !this.#closing; message = this.#take()) await this.#answer(message);
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#working = false;
      if (this.#closing) this.#socket.destroySoon();
    }
  }

  async #answer(message: Buffer): Promise<void> {
    const request = parseMessage(message);
    const reply = await this.#handler.execute(request);
    if (!request.expectsReply || this.#socket.destroyed) return;
    this.#replies += 1;
    const flowing = this.#socket.write(formatReply(request, this.#replies, reply));
    // A client that does not read must not fill our memory with replies.
    if (!flowing) await this.#drained();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off("drain", done);
        this.#socket.off("close", done);
        resolve();
      };
      this.#socket.on("drain", done);
      this.#socket.on("close", done);
    });
  }

  /** The next whole message, when it has arrived. */
  #take(): Buffer | undefined {
    if (this.#buffered < HEADER_BYTES) return undefined;
    const length = this.#peekLength();
    const bytesMax = this.#handler.messageBytesMax();
    if (length < HEADER_BYTES || length > bytesMax) {
      throw new MalformedMessage(`Got a message of ${length} bytes, expected ${HEADER_BYTES} to ${bytesMax}`, 0);
    }
    if (this.#buffered < length) return undefined;
    const all = this.#joined();
    // BSON binaries keep views of the message, so it must not share memory that is used again; a socket's chunks are not.
    this.#chunks = all.length > length ? [all.subarray(length)] : [];
    this.#buffered -= length;
    return all.subarray(0, length);
  }

  #peekLength(): number {
    const first = this.#chunks[0];
    return first && first.length >= 4 ? first.readInt32LE(0) : this.#joined().readInt32LE(0);
  }

  #joined(): Buffer {
    const joined = this.#chunks.length === 1 ? this.#chunks[0] : undefined;
    const all = joined ?? Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  /** One last word to a client that sent nonsense, then the end of this connection alone. */
  #refuse(error: unknown): void {
    const requestId = error instanceof MalformedMessage ? error.requestId : 0;
    this.#handler.onMalformed(error instanceof Error ? error.message : String(error));
    this.#closing = true;
    if (!this.#socket.destroyed) this.#socket.write(formatReply({ requestId, opCode: "msg" }, this.#replies + 1, this.#handler.errorReply(error)));
  }
}
