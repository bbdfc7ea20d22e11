import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { newId, type ConversationId, type DocumentId } from "../../src/kernel/ids.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { newChunk, newDocument, testEmbedding } from "../support/homes.js";
import { policies } from "../support/tenants.js";
import { World } from "./world.js";

let deployment: TestDeployment;
let world: World;
/** A second server of the same deployment, with its own view of the directory. */
let other: World;

beforeAll(async () => {
  deployment = await startTestDeployment();
  world = await World.start(deployment);
  other = await World.start(deployment, { prefix: world.prefix, serverId: "server-2" });
});
afterAll(async () => {
  await other.close();
  await world.close();
  await deployment.close();
});

interface Told {
  readonly added: Map<DocumentId, string>;
  readonly removed: Set<DocumentId>;
  readonly turns: string[];
  readonly pausesMs: number[];
}

/** Writes and removes documents and appends turns until it is told to stop, noting what it was told is done. */
async function writeUntil(server: World, id: string, stop: AbortSignal, told: Told, conversation: ConversationId): Promise<void> {
  const context = await server.context(id);
  for (let n = 0; !stop.aborted; n += 1) {
    const deadline = Deadline.after(10_000);
    const startedAt = performance.now();
    const documentId = newId<DocumentId>("document");
    const title = `${server.serverId} ${n}`;
    await server.router.write(context, deadline, (store) => store.documents.add(newDocument({ id: documentId, title }), policies.ENTERPRISE));
    told.pausesMs.push(performance.now() - startedAt);
    told.added.set(documentId, title);
    await server.router.write(context, deadline, (store) => store.documents.publish(documentId, [newChunk(0, [1, n, 0, 0])], testEmbedding, policies.ENTERPRISE));
    // Whoever has written reads it, on the other server too.
    const reader = server === world ? other : world;
    const seen = await reader.router.read(context, deadline, (store) => store.documents.get(documentId));
    expect(seen?.title, "a read after the write, on the other server").toBe(title);
    if (n % 3 === 0) {
      await server.router.write(context, deadline, (store) => store.documents.remove(documentId));
      told.removed.add(documentId);
      expect(await reader.router.read(context, deadline, (store) => store.documents.get(documentId))).toBeUndefined();
    }
    await server.router.write(context, deadline, (store) => store.conversationsOf(context.userId).append(conversation, { question: title, answer: "yes" }));
    told.turns.push(title);
    deadline.dispose();
    await sleep(10);
  }
}

describe("a tenant that moves there and back while two servers write and read it", () => {
  test("loses and doubles nothing, and every read finds what was written before it", async () => {
    const id = "busy";
    await world.administration.create({ id, name: id, tier: "PRO" });
    const context = await world.context(id);
    const deadline = Deadline.after(60_000);
    const conversation = await world.router.write(context, deadline, (store) => store.conversationsOf(context.userId).start("talk"));
    for (let n = 0; n < 20; n += 1) await world.write(id, `early ${n}`);
    const told: Told = { added: new Map(), removed: new Set(), turns: [], pausesMs: [] };
    const stop = new AbortController();
    const writers = Promise.all([world, other].map((server) => writeUntil(server, id, stop.signal, told, conversation.id)));
    const pauses: number[] = [];
    for (const tier of process.env["PROOF_MOVE_DEATHS"] === "all" ? (["ENTERPRISE", "PRO", "ENTERPRISE", "FREE"] as const) : (["ENTERPRISE", "PRO"] as const)) {
      const { move } = await world.administration.changeTier(id, tier);
      await world.mover(world.control, { announceMs: 600, retireAfterMs: 600 }).drive(move?.id);
      const ended = await world.control.moves.find(move?.id ?? ("" as never));
      expect(ended).toMatchObject({ phase: "DONE" });
      pauses.push(ended?.pauseMs ?? -1);
    }
    stop.abort();
    await writers;
    console.log(`write pauses: ${pauses.join(", ")} ms; slowest write ${Math.max(...told.pausesMs).toFixed(0)} ms of ${told.added.size} documents`);
    const titles = await world.titles(id);
    const expected = [...told.added].filter(([documentId]) => !told.removed.has(documentId)).map(([, title]) => title);
    expect(titles).toEqual([...expected, ...Array.from({ length: 20 }, (_, n) => `early ${n}`)].toSorted());
    const talk = await world.router.read(context, deadline, (store) => store.conversationsOf(context.userId).latest(conversation.id, 10_000));
    expect(talk.map(({ question }) => question).toSorted()).toEqual(told.turns.toSorted());
    const totals = await world.router.read(context, deadline, (store) => store.documents.totals());
    expect(totals.documents).toBe(titles.length);
    expect(await world.orphans(id)).toEqual([]);
    deadline.dispose();
  }, 120_000);
});
