import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { BulkheadError, badUserInput } from "../kernel/errors.js";

/** A GraphQL document with variables. Files have their own way in. */
export const bodyBytesMax = 1_048_576;

/** A sender that is only a little over is heard to the end, since many clients read no answer before. Beyond this the line is cut. */
const discardBytesMax = 15 * bodyBytesMax;

export class BodyTooLarge extends BulkheadError {
  constructor(got: string, bytesMax = bodyBytesMax) {
    super("BAD_USER_INPUT", `Body: got ${got}, expected at most ${bytesMax} bytes`, { field: "body", got, expected: `at most ${bytesMax} bytes` });
  }

  override get httpStatus(): number {
    return 413;
  }
}

/** The body as text. Throws `BodyTooLarge` (413), or `BAD_USER_INPUT` when it is not UTF-8 or the sender went away. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const body = await readBytes(request, bodyBytesMax);
  if (!isUtf8(body)) throw badUserInput("body", "bytes that are not UTF-8", "JSON in UTF-8");
  return body.toString("utf8");
}

/** Throws `BodyTooLarge` (413), or `BAD_USER_INPUT` when the sender went away. */
export function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const declared = Number(request.headers["content-length"] ?? 0);
  if (declared > bytesMax + discardBytesMax) return Promise.reject(new BodyTooLarge(`${declared} bytes`, bytesMax));
  return collect(request, bytesMax);
}

/** By events: an async iterator over the request costs as much as the rest of this adapter. */
function collect(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= bytesMax) chunks.push(chunk);
      else chunks.length = 0;
      if (bytes > bytesMax + discardBytesMax) reject(new BodyTooLarge(`${bytes} bytes and more`, bytesMax));
    });
    request.once("end", () => {
      if (bytes > bytesMax) reject(new BodyTooLarge(`${bytes} bytes`, bytesMax));
      else resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    });
    const broken = (): void => reject(badUserInput("body", `${bytes} bytes and then a broken connection`, "the whole body"));
    request.once("error", broken);
    request.once("aborted", broken);
  });
}

/** Throws `BAD_USER_INPUT`. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw badUserInput("body", "text that is not JSON", "a JSON object with `query`");
  }
}
