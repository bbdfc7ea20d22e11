import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listOf, TestServer } from "./server.js";

const folder = resolve(import.meta.dirname, "../../tenants");
const tenants = ["acme", "globex", "initech"] as const;
type Tenant = (typeof tenants)[number];

interface Question {
  readonly question: string;
  readonly mustContain: string;
}

const questionsOf = (tenant: Tenant): readonly Question[] => JSON.parse(readFileSync(join(folder, tenant, "questions.json"), "utf8")) as Question[];

/** A word that stands in one tenant's documents alone: its appearance elsewhere is a leak. */
const codenames: Readonly<Record<Tenant, string>> = { acme: "Nightjar", globex: "Saltmarsh", initech: "Lanternfish" };

const askText = "mutation ($question: String!) { ask(input: { question: $question }) { ... on Answer { text finishReason citations { snippet document { title } } } ... on Refusal { code message } } }";

describe("the demo tenants", () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.startWithDemo();
  }, 120_000);
  afterAll(() => server.stop());

  test.each(tenants)("%s has all its documents READY", async (tenant) => {
    const { documents } = await server.must({ tenant }, "{ documents(first: 100) { nodes { title state mediaType } } }");
    const nodes = listOf(documents?.["nodes"]);
    expect(nodes.length).toBeGreaterThanOrEqual(10);
    expect(nodes.filter((node) => String(node["state"]) !== "READY")).toEqual([]);
  });

  test("cover every media type, and one tenant of each tier, the ENTERPRISE one in a silo", async () => {
    const types = new Set<string>();
    const viewers: string[] = [];
    for (const tenant of tenants) {
      const { documents, viewer } = await server.must({ tenant }, "{ viewer { tier placement } documents(first: 100) { nodes { mediaType } } }");
      for (const node of listOf(documents?.["nodes"])) types.add(String(node["mediaType"]));
      viewers.push(`${String(viewer?.["tier"])} ${String(viewer?.["placement"])}`);
    }
    expect([...types].toSorted()).toEqual(["HTML", "MARKDOWN", "PDF", "TEXT"]);
    expect(viewers.toSorted()).toEqual(["ENTERPRISE SILO", "FREE POOL", "PRO POOL"]);
  });

  test.each(tenants)("%s gets its questions answered from its own documents, with a citation", async (tenant) => {
    const missed: string[] = [];
    for (const { question, mustContain } of questionsOf(tenant)) {
      const { ask } = await server.must({ tenant }, askText, { question });
      const text = String(ask?.["text"]);
      for (const other of tenants.filter((name) => name !== tenant)) expect(JSON.stringify(ask)).not.toContain(codenames[other]);
      if (!text.includes(mustContain) || listOf(ask?.["citations"]).length === 0) missed.push(`${question} -> ${text}`);
    }
    expect(missed).toEqual([]);
  });

  test("never answer another tenant's question from that tenant's documents", async () => {
    for (const asking of tenants) {
      for (const asked of tenants.filter((name) => name !== asking)) {
        for (const { question, mustContain } of questionsOf(asked)) {
          const { ask } = await server.must({ tenant: asking }, askText, { question });
          expect(JSON.stringify(ask)).not.toContain(codenames[asked]);
          expect(JSON.stringify(ask)).not.toContain(mustContain);
        }
      }
    }
  });

  test("are not onboarded again by the next start, and a deleted document does not come back", async () => {
    const before = await server.must({ tenant: "initech" }, "{ documents(first: 100) { nodes { id title } } }");
    const [first, ...rest] = listOf(before["documents"]?.["nodes"]);
    await server.must({ tenant: "initech" }, "mutation ($input: DeleteDocumentInput!) { deleteDocument(input: $input) { documentId } }", { input: { documentId: String(first?.["id"]) } });
    await server.restart();
    const after = await server.must({ tenant: "initech" }, "{ documents(first: 100) { nodes { id title } } }");
    expect(after["documents"]?.["nodes"]).toEqual(rest);
  });
});
