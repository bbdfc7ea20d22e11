import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { createParser, type EventSourceParser } from "eventsource-parser";
import { ModelFailure, statusFailure } from "./model-failure.js";
import { parseRetryAfter } from "./retry-after.js";

/** All in ms, and all inside the request's one deadline. */
export interface StreamTimeouts {
  /** Until the connection stands, TLS included. */
  readonly connectMs: number;
  /** From there to the first whole event. Reasoning models are silent for long before their first word. */
  readonly firstByteMs: number;
  /** Between two whole events: a server that sends one byte now and then is as good as silent. */
  readonly idleMs: number;
}

/** A longer event is no chat frame but a server gone wrong; without a bound it would fill the memory. */
const frameCharsMax = 1_000_000;
/** Frames that wait for a slow reader before the server is told to wait. */
const waitingFramesMax = 64;
/** After `[DONE]` the response should end. If it does not, the connection is not worth keeping. */
const drainMsMax = 250;

/**
 * The server-sent events of one call. Reads on its own, so that silence is the server's and never a slow
 * reader's. A connection is kept for another call only when this one's response came to its proper end;
 * in every other case it is closed, or the rest of this answer would be the beginning of the next.
 */
export class FrameStream {
  readonly #frames: string[] = [];
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  readonly #parser: EventSourceParser;
  readonly #onAbort = () => this.#fail(this.signal.reason);
  #response: IncomingMessage | undefined;
  #state: "READING" | "DONE" | "FAILED" = "READING";
  #failure: unknown;
  #isPaused = false;
  #timer: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;

  /** Listens to `request`, whose body is on its way, and to `signal`, which has not fired yet. */
  constructor(
    private readonly request: ClientRequest,
    isTls: boolean,
    private readonly timeouts: StreamTimeouts,
    private readonly signal: AbortSignal,
  ) {
    this.#parser = createParser({
      maxBufferSize: frameCharsMax,
      onEvent: ({ event, data }) => (event === "error" ? this.#fail(reportedError()) : this.#take(data)),
      onComment: () => this.#arm(),
      // The specification would skip an unknown field. Here it is a damaged line, and words may have been in it.
      onError: ({ type }) => this.#fail(new ModelFailure("MALFORMED", type === "max-buffer-size-exceeded" ? `The model sent a line of more than ${frameCharsMax} characters` : "The model sent a line that is no server-sent event")),
    });
    request.on("response", (response) => this.#read(response));
    request.on("error", (error) => this.#fail(this.#lost(error)));
    request.on("close", () => this.#ended(() => this.#lost()));
    signal.addEventListener("abort", this.#onAbort, { once: true });
    this.#after(timeouts.connectMs, () => new ModelFailure("UNREACHABLE", `The model took no connection within ${timeouts.connectMs} ms`));
    request.once("socket", (socket: Socket) => {
      if (request.reusedSocket) this.#arm();
      else socket.once(isTls ? "secureConnect" : "connect", () => this.#arm());
    });
  }

  /** Data of the next event; undefined after `[DONE]`. Throws a `ModelFailure`, once what came before it was read, or the signal's reason at once. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        if (this.#isPaused && this.#frames.length === 0) this.#resume();
        return frame;
      }
      if (this.#state === "FAILED") throw this.#failure;
      if (this.#state === "DONE") return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** The reader wants no more. Without `[DONE]` this closes the connection, so that an abandoned answer stops costing at the provider. */
  close(): void {
    // What was not read cannot have been right: a connection with it is not worth keeping either.
    if (this.#state === "DONE" && this.#frames.length > 0) this.request.destroy();
    this.#fail(undefined);
  }

  #read(response: IncomingMessage): void {
    const failure = headFailure(response);
    if (failure !== undefined) return this.#fail(failure);
    this.#response = response;
    response.on("data", (chunk: Buffer) => this.#feed(chunk));
    response.on("end", () => this.#ended(truncated));
    // The request tells first what is wrong; without a listener the same would be thrown.
    response.on("error", (error) => this.#fail(this.#lost(error)));
  }

  #feed(chunk: Buffer): void {
    if (this.#state !== "READING") return;
    try {
      this.#parser.feed(this.#decoder.decode(chunk, { stream: true }));
    } catch (error) {
      return this.#fail(new ModelFailure("MALFORMED", "The model sent what is not UTF-8", { cause: error }));
    }
    if (this.#frames.length > waitingFramesMax && this.#state === "READING") this.#pause();
  }

  #take(data: string): void {
    if (this.#state !== "READING") return;
    if (data.trim() === "[DONE]") return this.#finish();
    this.#frames.push(data);
    this.#arm();
    this.#notify();
  }

  #finish(): void {
    this.#state = "DONE";
    this.#letGo();
    const timer = setTimeout(() => this.request.destroy(), drainMsMax).unref();
    this.request.once("close", () => clearTimeout(timer));
    this.#response?.resume();
    this.#notify();
  }

  /** A failure only if it was not done yet. An error costs its stack, so none is made where all went well. */
  #ended(failure: () => ModelFailure): void {
    if (this.#state === "READING") this.#fail(failure());
  }

  #fail(failure: unknown): void {
    if (this.#state !== "READING") return;
    this.#state = "FAILED";
    this.#failure = failure;
    if (this.signal.aborted) this.#frames.length = 0;
    this.#letGo();
    this.request.destroy();
    this.#notify();
  }

  #letGo(): void {
    clearTimeout(this.#timer);
    this.signal.removeEventListener("abort", this.#onAbort);
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  #pause(): void {
    this.#isPaused = true;
    clearTimeout(this.#timer);
    this.#response?.pause();
  }

  #resume(): void {
    this.#isPaused = false;
    if (this.#state !== "READING") return;
    this.#arm();
    this.#response?.resume();
  }

  /** Waits for the next event anew. */
  #arm(): void {
    if (this.#state !== "READING" || this.#isPaused) return;
    const ms = this.#response !== undefined ? this.timeouts.idleMs : this.timeouts.firstByteMs;
    this.#after(ms, () => new ModelFailure("STALLED", `The model sent nothing for ${ms} ms`));
  }

  #after(ms: number, failure: () => ModelFailure): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(failure()), ms);
  }

  /** `error` is left out where the server closed the connection in good order, but too early. */
  #lost(error?: NodeJS.ErrnoException): ModelFailure {
    if (error?.code?.startsWith("HPE_") === true) return new ModelFailure("MALFORMED", "The model sent what is not HTTP", { cause: error });
    if (this.#response !== undefined) return error === undefined ? truncated() : new ModelFailure("RESET", "The connection to the model was lost", { cause: error });
    // node:http's own sign of a kept connection that was closed before a byte of the answer came.
    if (this.request.reusedSocket && (error === undefined || error.code === "ECONNRESET" || error.code === "EPIPE")) return new ModelFailure("STALE_CONNECTION", "The connection to the model was closed", { cause: error });
    return new ModelFailure("UNREACHABLE", "The model cannot be reached", { cause: error });
  }
}

function headFailure(response: IncomingMessage): ModelFailure | undefined {
  const { statusCode = 0, headers } = response;
  if (statusCode < 200 || statusCode > 299) return statusFailure(statusCode, parseRetryAfter(headers["retry-after"]));
  const mediaType = headers["content-type"] ?? "none";
  if (!/^text\/event-stream\b/iu.test(mediaType)) return new ModelFailure("NOT_A_STREAM", `The model answered with media type ${mediaType.slice(0, 64)}, expected text/event-stream`);
  const encoding = headers["content-encoding"] ?? "identity";
  return encoding === "identity" ? undefined : new ModelFailure("NOT_A_STREAM", "The model sent a compressed stream, which was not asked for");
}

function reportedError(): ModelFailure {
  return new ModelFailure("REPORTED", "The model reported an error within its answer");
}

function truncated(): ModelFailure {
  return new ModelFailure("TRUNCATED", "The model's answer ended before it was complete");
}
