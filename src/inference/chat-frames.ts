import { createParser } from "eventsource-parser";
import { BulkheadError, upstreamFailed } from "../kernel/errors.js";

/** A longer line is no chat frame but a server gone wrong; without a bound it would fill the memory. */
const frameBytesMax = 1_000_000;

export function streamStalled(idleMs: number): BulkheadError {
  return new BulkheadError("STREAM_STALLED", `The model sent nothing for ${idleMs} ms`, { retryable: true });
}

/**
 * Data of the server-sent events of a response body, `[DONE]` among them. Throws `STREAM_STALLED`
 * when the body is silent for `idleMs`, `UPSTREAM_FAILED` for a line over 1 MB or a lost connection,
 * or the signal's reason. Cancels the body however it ends.
 */
export async function* readFrames(body: ReadableStream<Uint8Array>, idleMs: number, signal: AbortSignal): AsyncGenerator<string> {
  const frames: string[] = [];
  let tooLong = false;
  const parser = createParser({
    maxBufferSize: frameBytesMax,
    onEvent: (event) => frames.push(event.data),
    onError: (error) => {
      tooLong ||= error.type === "max-buffer-size-exceeded";
    },
  });
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await readWithin(reader, idleMs, signal);
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* frames.splice(0);
      if (tooLong) throw upstreamFailed(`The model sent a line of more than ${frameBytesMax} bytes`);
    }
  } finally {
    // Also closes the connection, so that an abandoned answer stops costing at the provider.
    reader.cancel().then(undefined, () => undefined);
  }
}

type ReadResult = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>>;

function readWithin(reader: ReadableStreamDefaultReader<Uint8Array>, idleMs: number, signal: AbortSignal): Promise<ReadResult> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(streamStalled(idleMs)), idleMs);
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    reader
      .read()
      .then(resolve, (error: unknown) => reject(signal.aborted ? signal.reason : upstreamFailed("The connection to the model was lost", error)))
      .finally(() => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
      });
  });
}
