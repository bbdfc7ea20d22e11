/**
 * What an answer's bytes say, read in one piece and as plainly as the specification of server-sent events
 * puts it. Undefined if they say no whole answer.
 */
export function referenceAnswer(body: Buffer): string | undefined {
  const lines = lines8(body);
  let data: string[] = [];
  let event = "";
  let text = "";
  for (const line of lines) {
    if (line === "") {
      const whole = data.join("\n");
      const hasData = data.length > 0;
      const isError = event === "error";
      data = [];
      event = "";
      if (!hasData) continue;
      if (isError) return undefined;
      if (whole.trim() === "[DONE]") return text;
      const words = wordsOf(whole);
      if (words === undefined) return undefined;
      text += words;
      continue;
    }
    if (line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /u, "");
    if (field === "data") data.push(value);
    else if (field === "event") event = value;
    else if (field !== "id" && field !== "retry") return undefined;
  }
  return undefined;
}

/** Whole lines alone, up to the first byte that is not UTF-8. */
function lines8(body: Buffer): string[] {
  let text = "";
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for (const byte of body) {
    try {
      text += decoder.decode(Uint8Array.of(byte), { stream: true });
    } catch {
      break;
    }
  }
  return text.split(/\r\n|\r|\n/u).slice(0, -1);
}

function wordsOf(data: string): string | undefined {
  try {
    const frame = JSON.parse(data) as { error?: unknown; usage?: unknown; choices?: { delta?: { content?: unknown; refusal?: unknown } | null; finish_reason?: unknown }[] | null };
    if (typeof frame !== "object" || frame === null || Array.isArray(frame)) return undefined;
    if ((frame.error ?? null) !== null || (frame.choices === undefined && frame.usage === undefined && frame.error === undefined)) return undefined;
    const choice = frame.choices?.[0];
    if (["content_filter", "error", "insufficient_system_resource"].includes(String(choice?.finish_reason))) return undefined;
    const words = choice?.delta?.content ?? choice?.delta?.refusal ?? "";
    return typeof words === "string" ? words : undefined;
  } catch {
    return undefined;
  }
}
