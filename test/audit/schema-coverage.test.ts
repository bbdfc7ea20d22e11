/** What an audit attacks comes from the schema: a field that appears is attacked or reported, never passed over. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { buildSchema, extendSchema, parse, specifiedRules, validate, type GraphQLSchema } from "graphql";
import { describe, expect, test } from "vitest";
import { attackableIds, nameOf } from "../../src/audit/attacks/foreign-ids.js";
import { cursorAttacks } from "../../src/audit/attacks/cursors.js";
import { listings } from "../../src/audit/attacks/listings.js";
import { Canaries } from "../../src/audit/canaries.js";
import { Evidence } from "../../src/audit/evidence.js";
import { callerOf, Probe, words, type ProbeTenant, type Word } from "../../src/audit/probe.js";
import type { ProbeExecutor } from "../../src/audit/probe-executor.js";
import { ProbeDocuments } from "../../src/audit/schema/probe-documents.js";
import { nestedFields, probedArguments } from "../../src/audit/schema/probed-arguments.js";
import { parseTenantId } from "../../src/kernel/ids.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";

const real = buildSchema(readFileSync(resolve(import.meta.dirname, "../../schema/schema.graphql"), "utf8"));

function probeOf(schema: GraphQLSchema): Probe {
  const executor = { schema } as ProbeExecutor;
  return new Probe(executor, new Canaries(), new Evidence(silentTelemetry), new AbortController().signal, (_tenantId, work) => work());
}

const planted: ProbeTenant = {
  caller: callerOf(parseTenantId("audit-probe-a"), "user"), since: new Date(), words: Object.fromEntries(words.map((word) => [word, word])) as Record<Word, string>, questions: { keyed: "q", cached: "q" },
  ids: { document: ["doc_1"], passage: ["chk_1"], conversation: ["cnv_1"], message: ["msg_1"], adapter: ["adp_1"], move: ["mov_1"], tenant: ["audit-probe-a"], report: ["aud_1"] },
};

function uncoveredOf(schema: GraphQLSchema): readonly string[] {
  const probe = probeOf(schema);
  attackableIds(probe, [planted]);
  cursorAttacks(probe);
  return probe.evidence.coverage.uncovered;
}

describe("the attacks of an audit", () => {
  test("know what every id of the schema names", () => {
    expect(uncoveredOf(real)).toEqual([]);
  });

  test("cover a field the day it appears, when its ids are of a known kind", () => {
    const schema = extendSchema(real, parse("extend type Query { summary(conversationId: ID!): Summary } type Summary { text: String! }"));
    expect(attackableIds(probeOf(schema), [planted]).map(nameOf)).toContain("Query.summary(conversationId)");
    expect(uncoveredOf(schema)).toEqual([]);
  });

  test.each([
    ["an id of a kind that nobody plants", "extend type Query { widget(id: ID!): Widget } type Widget { id: ID! }", "Query.widget(id): it is not known what this id names"],
    ["the same deep inside an input", "extend type Mutation { link(input: LinkInput!): Boolean } input LinkInput { parts: [LinkPart!]! } input LinkPart { gadgetId: ID! }", "Mutation.link(input.parts.gadgetId): it is not known what this id names"],
    ["an id below the roots", "extend type Document { copy(conversationId: ID!): Document }", "Document.copy(conversationId): an id below the roots is not attacked"],
    ["a cursor of a list that no id leads to", "extend type Viewer { friends(first: Int, after: String): DocumentConnection }", "Viewer.friends(after): no query leads to it by an id that was planted"],
  ])("report %s as not covered", (_what, extension, expected) => {
    expect(uncoveredOf(extendSchema(real, parse(extension)))).toEqual([expected]);
  });

  test("a field that no attack has asked is reported too", () => {
    const probe = probeOf(extendSchema(real, parse("extend type Mutation { ping(on: Boolean!): Boolean }")));
    listings(probe);
    expect(probe.evidence.coverage.uncovered).toContain("Mutation.ping: no probe knew how to ask it");
    probe.evidence.covered("Mutation.ping");
    expect(probe.evidence.coverage.uncovered).not.toContain("Mutation.ping: no probe knew how to ask it");
  });

  test("an id of a kind that was not planted counts as not covered", () => {
    const probe = probeOf(real);
    attackableIds(probe, [{ ...planted, ids: { ...planted.ids, adapter: [] } }]);
    expect(probe.evidence.coverage.uncovered).toContain("Query.adapter(id): no adapter was planted");
  });

  test("are valid documents, each of them", () => {
    const documents = new ProbeDocuments(real);
    for (const { operation, field, path } of probedArguments(real)) {
      expect(validate(real, documents.of(operation, [{ field, path, value: "x" }]).document, specifiedRules)).toEqual([]);
    }
    for (const { parent, field, leaves } of nestedFields(real)) {
      const nested = documents.nested(parent, field, leaves[0]?.path[0] ?? "", "id", 1);
      if (nested !== undefined) expect(validate(real, nested.document, specifiedRules)).toEqual([]);
    }
  });
});
