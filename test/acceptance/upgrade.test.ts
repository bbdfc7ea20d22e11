import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listOf, TestServer, type Json } from "./server.js";

const changeTier = "mutation ($input: ChangeTierInput!) { changeTier(input: $input) { tenant { tier } placementMove { id phase } } }";
const question = { input: { question: "What does a pallet of cement cost?" } };
const askText = "mutation ($input: AskInput!) { ask(input: $input) { __typename ... on Answer { text citations { document { id } } } ... on Refusal { code } } }";

describe("a tier upgrade", () => {
  let server: TestServer;
  let documentId: string;
  const admin = { tenant: "elm" } as const;

  beforeAll(async () => {
    server = await TestServer.start();
    await server.createTenant("elm", "FREE");
    await server.createTenant("fir", "FREE");
    documentId = await server.ingest(admin, "Price list", "# Prices\n\nA pallet of cement costs 214 EUR. A pallet of sand costs 87 EUR.");
    await server.ingest({ tenant: "fir" }, "Price list", "# Prices\n\nA pallet of cement costs 199 EUR.");
  });
  afterAll(() => server.stop());

  async function move(tier: string): Promise<Json> {
    const changed = await server.must("operator", changeTier, { input: { tenantId: "elm", tier } });
    expect(changed["changeTier"]?.["tenant"]?.["tier"]).toBe(tier);
    return server.untilMoved(String(changed["changeTier"]?.["placementMove"]?.["id"]));
  }

  async function state(): Promise<unknown> {
    const listed = await server.must(admin, "{ viewer { tier placement } documents { nodes { id title state chunkCount contentSha256 createdAt } } }");
    const answer = await server.must(admin, askText, question);
    return { documents: listed["documents"], answer: answer["ask"], viewer: listed["viewer"] };
  }

  test("moves the tenant whole into a silo, its downgrade moves it back, and no other tenant notices", async () => {
    const inPool = (await state()) as { documents: unknown; answer: Json };
    expect(inPool.answer["text"]).toContain("214 EUR");
    expect(await move("ENTERPRISE")).toMatchObject({ phase: "DONE", from: "POOL", to: "SILO", failure: null });
    const inSilo = await state();
    expect(inSilo).toEqual({ ...inPool, viewer: { tier: "ENTERPRISE", placement: "SILO" } });
    const added = await server.ingest(admin, "Later price list", "# Prices\n\nA pallet of gravel costs 64 EUR.");
    expect(await move("PRO")).toMatchObject({ phase: "DONE", from: "SILO", to: "POOL" });
    const back = await server.must(admin, "{ viewer { placement } documents { nodes { id } } }");
    expect(back["viewer"]?.["placement"]).toBe("POOL");
    expect(listOf(back["documents"]?.["nodes"]).map((document) => String(document["id"])).toSorted()).toEqual([documentId, added].toSorted());
    const neighbour = await server.must({ tenant: "fir" }, askText, question);
    expect(neighbour["ask"]?.["text"]).toContain("199 EUR");
  });

  test("of a tier with the same home moves nothing and raises the limits at once", async () => {
    const changed = await server.must("operator", changeTier, { input: { tenantId: "fir", tier: "PRO" } });
    expect(changed["changeTier"]).toEqual({ tenant: { tier: "PRO" }, placementMove: null });
    expect((await server.must({ tenant: "fir" }, "{ quota { requests { limit } } }"))["quota"]?.["requests"]?.["limit"]).toBe(600);
  });

  test("while one is under way is told CONFLICT, and the tenant's reads go on", async () => {
    const first = await server.must("operator", changeTier, { input: { tenantId: "fir", tier: "ENTERPRISE" } });
    const moveId = String(first["changeTier"]?.["placementMove"]?.["id"]);
    const second = await server.ask("operator", changeTier, { input: { tenantId: "fir", tier: "FREE" } });
    expect(second.errors[0]?.extensions["code"]).toBe("CONFLICT");
    let phase = "";
    while (phase !== "DONE") {
      expect((await server.must({ tenant: "fir" }, "{ documents { nodes { title } } }"))["documents"]?.["nodes"]).toEqual([{ title: "Price list" }]);
      phase = String((await server.must("operator", "query ($id: ID!) { placementMove(id: $id) { phase } }", { id: moveId }))["placementMove"]?.["phase"]);
    }
  });

  test("of an unknown tenant is NOT_FOUND", async () => {
    const answer = await server.ask("operator", changeTier, { input: { tenantId: "nobody", tier: "PRO" } });
    expect(answer.errors[0]?.extensions["code"]).toBe("NOT_FOUND");
  });

  test("survives a restart with all data, and the restarted server repeats nothing", async () => {
    const before = await state();
    await server.restart();
    expect(await state()).toEqual(before);
  });
});
