import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { buildMessages, promptVersion } from "../../src/inference/chat-prompt.js";

/** Of the messages of the request below, by version. A changed prompt gets a new version and a new line here. */
const hashes: Readonly<Record<number, string>> = { 1: "194f4d62b8358fff" };

describe("the version of the prompt", () => {
  it("is another one when a word of the prompt is", () => {
    const messages = buildMessages({ model: "m", question: "Q?", history: [{ question: "q", answer: "a" }], passages: [{ label: "1", title: "T", text: "P", score: 1 }], maxTokens: 1, userTag: "u", canary: "canary" });
    // The marker is drawn for every request.
    const text = JSON.stringify(messages).replaceAll(/passage-[0-9a-f]{24}/gu, "passage-marker");
    expect(createHash("sha256").update(text).digest("hex").slice(0, 16)).toBe(hashes[promptVersion]);
  });
});
