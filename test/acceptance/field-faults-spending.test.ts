/** Through the whole server: faults of spending that were seen in the field and that no suite of a part can rule out alone. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";
import { TestServer, type Json } from "./server.js";

const model = "gpt-4o-mini";
const askText = "mutation ($input: AskInput!) { ask(input: $input) { __typename ... on Answer { finishReason usage { promptTokens completionTokens } } ... on Refusal { code limit } } }";
const spentText = "{ quota { tokens { limit remaining reserved } } usage { total { calls promptTokens completionTokens } } }";

describe("what a tenant spends on models", () => {
  let server: TestServer;
  let stub: StubModelServer;
  beforeAll(async () => {
    stub = await startStubModelServer();
    server = await TestServer.start({ MODEL_BASE_URL: stub.baseUrl, MODEL_NAME: model });
  });
  afterAll(async () => {
    await server.stop();
    await stub.close();
  });

  /** Used of the minute, and what the ledger says: read until nothing is held, since a settlement may follow its answer. */
  async function spentBy(tenant: string): Promise<{ used: number; ledger: number; calls: number; limit: number }> {
    for (const end = Date.now() + 10_000; ; ) {
      const { quota, usage }: Json = await server.must({ tenant }, spentText);
      const tokens = quota?.["tokens"];
      const total = usage?.["total"];
      const [limit, remaining, reserved] = [Number(tokens?.["limit"]), Number(tokens?.["remaining"]), Number(tokens?.["reserved"])];
      if (reserved === 0 || Date.now() > end) return { used: limit - remaining, ledger: Number(total?.["promptTokens"]) + Number(total?.["completionTokens"]), calls: Number(total?.["calls"]), limit };
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  test("is counted whichever operation spends it: documents, searches and questions take from the minute what the ledger has of them", async () => {
    await server.createTenant("hazel", "PRO");
    stub.behave("ok");
    const before = await spentBy("hazel");
    expect(before).toMatchObject({ used: 0, ledger: 0 });
    await server.must({ tenant: "hazel" }, "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }", { input: { title: "Prices", content: "# Prices\n\nA pallet of cement costs 120 EUR.", mediaType: "MARKDOWN" } });
    const ingested = await untilSpent("hazel", 0);
    await server.must({ tenant: "hazel" }, "query ($query: String!) { search(input: { query: $query, mode: VECTOR }) { ... on SearchResult { mode } } }", { query: "cement" });
    const searched = await untilSpent("hazel", ingested.ledger);
    const { ask }: Json = await server.must({ tenant: "hazel" }, askText, { input: { question: "What does a pallet of cement cost?", model } });
    expect(String(ask?.["__typename"])).toBe("Answer");
    const asked = await untilSpent("hazel", searched.ledger);
    for (const spent of [ingested, searched, asked]) expect(spent.used).toBe(spent.ledger);
    expect(asked.calls).toBeGreaterThanOrEqual(4);
  });

  async function untilSpent(tenant: string, more: number): ReturnType<typeof spentBy> {
    for (const end = Date.now() + 20_000; ; ) {
      const spent = await spentBy(tenant);
      if (spent.ledger > more || Date.now() > end) return spent;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  test("is bounded while answers come and not only for the next question: models that never end stop within the minute's limit", async () => {
    await server.createTenant("rowan", "FREE");
    stub.behave("endless");
    const answers: Json[] = [];
    const asker = async (): Promise<void> => {
      for (let i = 0; i < 12; i += 1) {
        const { data } = await server.ask({ tenant: "rowan" }, askText, { input: { question: "What does a pallet of cement cost?", model } });
        if (data["ask"] !== undefined) answers.push(data["ask"]);
      }
    };
    await Promise.all([asker(), asker(), asker(), asker()]);
    const kinds = new Set(answers.map((answer) => String(answer["finishReason"] ?? answer["code"])));
    expect([...kinds].toSorted()).toEqual(["LENGTH", "RATE_LIMITED"]);
    const { used, ledger, limit } = await spentBy("rowan");
    expect(ledger).toBeLessThanOrEqual(limit);
    expect(used).toBe(ledger);
  }, 60_000);
});
