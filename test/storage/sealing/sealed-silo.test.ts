import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { BSON, Binary, type Document } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newId, parseTenantId, type AdapterId, type ConversationId, type DocumentId } from "../../../src/kernel/ids.js";
import type { KeyVault } from "../../../src/storage/control/control-plane.js";
import { openHome, type TenantHome } from "../../../src/storage/home.js";
import { movingCollections } from "../../../src/storage/moving/moving-collections.js";
import type { RowSealer } from "../../../src/storage/row-sealer.js";
import type { SealedFieldNames } from "../../../src/storage/rows.js";
import { readSealedCollections } from "../../../src/storage/sealing/sealed-fields.js";
import { ringAgeMsMax } from "../../../src/storage/sealing/key-ring.js";
import { openSiloSealer } from "../../../src/storage/sealing/silo-sealer.js";
import { siloKeyName } from "../../../src/storage/sealing/silo-key-name.js";
import type { NewChunk, TenantStore } from "../../../src/storage/tenant-store.js";
import { startTestDeployment, type TestDeployment } from "../../support/engine.js";
import { homeOptions, newChunk, newDocument, openTestHome, openTestStore, testEmbedding, untilSearchable } from "../../support/homes.js";
import { openSealedSilo, openTestVault, slowly } from "../../support/sealed-silo.js";
import { contextOf, policies, recordingTelemetry } from "../../support/tenants.js";

const context = contextOf("acme");
const caps = policies.ENTERPRISE;
const east = Float32Array.of(1, 0, 0, 0);
type Stored = Document & { _id: string };

let deployment: TestDeployment;
let vault: KeyVault;
beforeAll(async () => {
  deployment = await startTestDeployment();
  vault = await openTestVault(deployment);
});
afterAll(() => deployment.close());

interface Filled {
  readonly home: TenantHome;
  readonly store: TenantStore;
  readonly document: DocumentId;
  readonly chunks: readonly NewChunk[];
  readonly conversation: ConversationId;
  readonly telemetry: ReturnType<typeof recordingTelemetry>;
}

async function fill(home: TenantHome): Promise<Omit<Filled, "home" | "telemetry">> {
  const store = await openTestStore(home, context);
  const { id } = await store.documents.add(newDocument({ title: "Readable title", tags: ["readable-tag"], raw: Buffer.from("Canary raw text. ".repeat(40)) }), caps);
  const chunks = [0, 1].map((n) => newChunk(n, n === 0 ? [1, 0, 0, 0] : [0, 1, 0, 0], { text: `Canary passage ${n}`, headings: ["Canary heading"], terms: ["canaryterm", `term${n}`], termCounts: [2, 1], length: 3 }));
  await store.documents.publish(id, chunks, testEmbedding, caps);
  await untilSearchable(store, id, 1);
  const talk = store.conversationsOf(context.userId);
  const conversation = await talk.start("Canary title");
  await talk.append(conversation.id, { question: "Canary question", answer: "Canary answer" });
  await talk.summarise(conversation.id, 0, { text: "Canary summary", turns: 1 });
  await store.idempotencyOf(context.userId).answer("key", "Canary arguments", { id: newId("message"), answer: "Canary answer", documentIds: [id], conversationId: conversation.id });
  const [message] = await talk.latest(conversation.id, 1);
  await store.feedbackOf(context.userId).give(String(message?.id), { rating: "BAD", correction: "Canary correction" });
  const adapter = newId<AdapterId>("adapter");
  await store.adapters.weights.begin({ id: adapter, name: "Canary adapter", baseModel: "m", bytes: 14, sha256: "0".repeat(64), pieces: 1 }, { maxBytes: 1_000 });
  await store.adapters.weights.add(adapter, 0, { bytes: 14, zstd: Buffer.from("Canary weights") });
  return { store, document: id, chunks, conversation: conversation.id };
}

async function sealed(suffix: string): Promise<Filled> {
  const telemetry = recordingTelemetry();
  const home = await openSealedSilo(deployment, { suffix, owner: "acme", vault, telemetry });
  return { home, telemetry, ...(await fill(home)) };
}

/** Every row of a database, as the driver gives it. */
async function dump(home: TenantHome): Promise<Buffer> {
  const names = (await home.database.db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name);
  const rows = await Promise.all(names.map((name) => home.database.db.collection(name).find().toArray()));
  return Buffer.concat(rows.flat().map((row) => Buffer.from(BSON.serialize(row))));
}

const collection = (home: TenantHome, name: string) => home.database.db.collection<Stored>(name);

function blobBy(sealer: RowSealer, name: "chunks" | "messages", row: Document): Document {
  return { sealed: sealer.seal(name, row)["sealed"] as unknown };
}

async function formsOf({ home }: Filled): Promise<string[]> {
  return (await collection(home, "chunks").find().toArray()).flatMap((row) => row["terms"] as string[]);
}

describe("what lies in a silo's database", () => {
  const canaries = ["Canary", "canaryterm", "term0"];

  it("holds no text, question, answer, heading, title of a conversation or word in the clear; a pool's does", async () => {
    const { home } = await sealed("dump");
    const pool = await openTestHome(deployment, { suffix: "clear" });
    await fill(pool);
    const [inSilo, inPool] = await Promise.all([dump(home), dump(pool)]);
    for (const canary of canaries) expect([canary, inPool.includes(canary), inSilo.includes(canary)]).toEqual([canary, true, false]);
    // What filters and lists need is there: README says so.
    for (const readable of ["Readable title", "readable-tag"]) expect(inSilo.includes(readable)).toBe(true);
  });

  it("tells not even that two tenants, or two silos of one, have the same text or the same word", async () => {
    const [a, b] = await Promise.all([sealed("same-a"), sealed("same-b")]);
    const [inA, inB] = await Promise.all([formsOf(a), formsOf(b)]);
    expect(new Set([...inA, ...inB]).size).toBe(new Set(inA).size + new Set(inB).size);
    // The same word of one silo has one form: that is what a search compares.
    expect([inA.length, new Set(inA).size]).toEqual([4, 3]);
    expect(inA.every((form) => /^[\w-]{22}$/.test(form))).toBe(true);
  });

  it("cannot become clear text by a fault: the database refuses it, and a pool refuses a blob", async () => {
    const { home } = await sealed("refusing");
    const clear = { terms: ["canaryterm"], text: "Canary", headings: ["Canary"], question: "Canary", answer: "Canary", zstd: new Binary(Buffer.from("Canary")), title: "Canary", summary: "Canary", content_sha256: "a".repeat(64), arguments_sha256: "Canary" };
    for (const [name, { sealed: fields, keyed }] of await readSealedCollections()) {
      const row = (await collection(home, name).findOne()) as Stored;
      for (const field of [...fields, ...keyed]) {
        expect([name, field, await refusal(collection(home, name).updateOne({ _id: row._id }, { $set: { [field]: clear[field as keyof typeof clear] } }))]).toEqual([name, field, 121]);
      }
      expect(await refusal(collection(home, name).updateOne({ _id: row._id }, { $unset: { sealed: "" } }))).toBe(121);
      const pool = await openTestHome(deployment, { suffix: "refusing-pool" });
      expect(await refusal(collection(pool, name).insertOne({ ...row, _id: "acme/x" }))).toBe(121);
    }
  });

  it("keeps its validators when a server opens it without the key: that server is refused", async () => {
    const { home } = await sealed("keyless");
    await expect(openHome(homeOptions(deployment, { suffix: "keyless", owner: "acme" }))).rejects.toMatchObject({ code: "INTERNAL", message: expect.stringContaining("without the tenant's key") as unknown });
    const row = (await collection(home, "messages").findOne()) as Stored;
    expect(await refusal(collection(home, "messages").updateOne({ _id: row._id }, { $set: { question: "Canary" } }))).toBe(121);
  });
});

describe("rows that pass through a silo", () => {
  it("come back as they were, in every collection, and are sealed differently each time", async () => {
    const pool = await openTestHome(deployment, { suffix: "through" });
    await fill(pool);
    const { home } = await sealed("through-silo");
    for (const name of movingCollections) {
      const rows = await pool.database.db.collection(name).find({}, { promoteValues: false }).toArray();
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) {
        const [once, twice] = [home.sealer.seal(name, row), home.sealer.seal(name, row)];
        // As a mover has it: over the wire, values not promoted.
        const stored = BSON.deserialize(BSON.serialize(once), { promoteValues: false });
        expect(sorted(home.sealer.open(name, stored))).toEqual(sorted(row));
        if (name !== "totals") expect(Buffer.from((once["sealed"] as Binary).buffer).equals(Buffer.from((twice["sealed"] as Binary).buffer))).toBe(false);
      }
    }
  });

  it("open as far as they go when they were read in part, and forms are never taken for words", async () => {
    const { home } = await sealed("parts");
    const row = (await collection(home, "chunks").findOne({}, { projection: { vector: 0, term_counts: 0, terms: 0 } })) as Stored;
    expect(home.sealer.open("chunks", row)).toMatchObject({ text: expect.stringContaining("Canary passage") as unknown, headings: ["Canary heading"] });
    expect(home.sealer.open("chunks", row)).not.toHaveProperty("terms");
    const light = (await collection(home, "chunks").findOne({}, { projection: { sealed: 0 } })) as Stored;
    expect(Object.keys(home.sealer.open("chunks", light))).not.toEqual(expect.arrayContaining(["terms"]));
  });

  it("are declared once: the types name the same fields as schema/collections", async () => {
    const byType: { readonly [Name in keyof SealedFieldNames]: readonly SealedFieldNames[Name][] } = {
      documents: ["content_sha256"], raw_documents: ["zstd"], chunks: ["text", "headings", "terms"], conversations: ["title", "summary"], messages: ["question", "answer"], idempotency_records: ["arguments_sha256"], idempotency_answers: ["answer"], feedback: ["correction"], adapters: ["name", "manifest", "weights_sha256"], adapter_weights: ["zstd"], tombstones: [], totals: [],
    };
    const declared = Object.fromEntries([...(await readSealedCollections())].map(([name, { sealed: fields, keyed }]) => [name, [...fields, ...keyed]]));
    expect(declared).toEqual(Object.fromEntries(Object.entries(byType).filter(([, fields]) => fields.length > 0)));
  });
});

describe("a blob that is not what was sealed there", () => {
  it("is refused with an alarm and no text: altered, cut, or of another row, collection, tenant or version", async () => {
    const { home, store, chunks, conversation, telemetry } = await sealed("tamper");
    const blobOf = async (name: string, filter: Document): Promise<{ _id: string; sealed: Binary }> => {
      const row = (await collection(home, name).findOne(filter)) as Stored;
      return { _id: row._id, sealed: row["sealed"] as Binary };
    };
    const [first, second, message] = await Promise.all([blobOf("chunks", { ordinal: 0 }), blobOf("chunks", { ordinal: 1 }), blobOf("messages", {})]);
    const neighbour = await openSealedSilo(deployment, { suffix: "tamper-other", owner: "globex", vault });
    const database = home.database.db.databaseName;
    // The same key, so that nothing but the place it is bound to tells the blob from a right one.
    const twin = await openSiloSealer({ tenantId: parseTenantId("globex"), database, vault: { find: () => vault.find(context.tenantId, siloKeyName({ database })) }, telemetry });
    const chunk = { _id: first._id, text: "Forged", headings: [], terms: [] };
    const bytes = Buffer.from(first.sealed.buffer);
    const flipped = (at: number): Buffer => Buffer.from(bytes.map((byte, index) => (index === (at + bytes.length) % bytes.length ? byte ^ 1 : byte)));
    const forgeries: readonly (readonly [string, Document])[] = [
      ...[0, 1, 13, 40, -1].map((at) => [`byte ${at} altered`, { sealed: new Binary(flipped(at)) }] as const),
      ...[0, 1, 12, 28, bytes.length - 1].map((length) => [`cut to ${length}`, { sealed: new Binary(bytes.subarray(0, length)) }] as const),
      ["of another row", { sealed: second.sealed }],
      ["of another collection", { sealed: message.sealed }],
      ["of another collection's row with this id", blobBy(home.sealer, "messages", { _id: first._id, question: "Forged", answer: "" })],
      ["of another tenant", blobBy(neighbour.sealer, "chunks", chunk)],
      ["of another tenant with this key", blobBy(twin, "chunks", chunk)],
      ["of a version that is not there", { sealed_with: 7 }],
    ];
    const read = () => store.chunks.getMany([(chunks[0] as NewChunk).id]);
    for (const [what, forged] of forgeries) {
      telemetry.alarms.length = 0;
      await collection(home, "chunks").updateOne({ _id: first._id }, { $set: forged });
      await expect(read(), what).rejects.toMatchObject({ code: "INTERNAL", message: "A sealed row was refused" });
      expect(telemetry.alarms, what).toEqual([{ name: "sealed_row_refused", fields: expect.objectContaining({ tenantId: "acme", collection: "chunks", id: first._id }) as unknown }]);
      await collection(home, "chunks").updateOne({ _id: first._id }, { $set: { sealed: first.sealed, sealed_with: 1 } });
    }
    expect((await read())[0]?.text).toBe("Canary passage 0");
    expect(await store.conversationsOf(context.userId).latest(conversation, 1)).toMatchObject([{ question: "Canary question" }]);
  });

  it("is refused too when clear text was slipped in beside it past the validator", async () => {
    const { home } = await sealed("beside");
    const row = (await collection(home, "messages").findOne()) as Stored;
    expect(() => home.sealer.open("messages", { ...row, question: "Planted" })).toThrow("refused");
  });
});

describe("a key that was destroyed", () => {
  it("makes every row unreadable on every server, and nothing more is written", async () => {
    const { store, home, chunks, conversation } = await sealed("destroyed");
    // A server that is asked nothing for a while, and whose vault takes its time: what it does not wait for comes too late.
    const idle = (await openSealedSilo(deployment, { suffix: "destroyed", owner: "acme", vault: slowly(vault), serverId: "server-2" })).store(context, 1);
    await vault.destroy(context.tenantId, siloKeyName({ database: home.database.db.databaseName }));
    const read = () => store.chunks.getMany([(chunks[0] as NewChunk).id]).then(() => "read", (error: { code: string }) => error.code);
    await expect.poll(read, { timeout: 5_000 }).toBe("INTERNAL");
    await sleep(ringAgeMsMax);
    await expect(idle.chunks.getMany([(chunks[0] as NewChunk).id])).rejects.toMatchObject({ code: "INTERNAL" });
    await expect(store.conversationsOf(context.userId).latest(conversation, 1)).rejects.toMatchObject({ code: "INTERNAL" });
    await expect(store.chunks.nearest(east, 5, {})).rejects.toMatchObject({ code: "INTERNAL" });
    await expect(store.documents.add(newDocument({ id: newId<DocumentId>("document"), raw: randomBytes(10) }), caps)).rejects.toMatchObject({ code: "INTERNAL" });
    await expect(openSealedSilo(deployment, { suffix: "destroyed", owner: "acme", vault })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

async function refusal(write: Promise<unknown>): Promise<unknown> {
  return write.then(() => "written", (error: { code?: unknown }) => error.code);
}

function sorted(row: Document): Document {
  return Object.fromEntries(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
