/**
 * The shipped store, router and mover, driven through interleavings: two servers that write, one that
 * moves the tenant, crashes of the mover, and movers that only slept and wake when another has taken
 * over. What is checked is what a tenant would notice.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { newId, type ConversationId, type DocumentId } from "../../src/kernel/ids.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { newChunk, newDocument, testEmbedding } from "../support/homes.js";
import { policies } from "../support/tenants.js";
import { World } from "./world.js";

const runs = Number(process.env["PROOF_INTERLEAVINGS"] ?? 4);
const seed = process.env["PROOF_SEED"];

let deployment: TestDeployment;
let servers: readonly World[];
let next = 0;

beforeAll(async () => {
  deployment = await startTestDeployment();
  const first = await World.start(deployment);
  servers = [first, await World.start(deployment, { prefix: first.prefix, serverId: "server-2" })];
});
afterAll(async () => {
  for (const server of servers) await server.close();
  await deployment.close();
});

type Move =
  /** The mover goes on to its next point, this many times. */
  | { readonly kind: "MOVER"; readonly steps: number }
  | { readonly kind: "WRITE"; readonly server: 0 | 1; readonly what: "ADD" | "PUBLISH" | "REMOVE" | "APPEND" }
  | { readonly kind: "READ"; readonly server: 0 | 1 }
  /** The mover is gone; another server takes the move over. */
  | { readonly kind: "CRASH" }
  /** The mover sleeps; another takes over; this one wakes at some later step and goes on as if nothing had been. */
  | { readonly kind: "SLEEP" }
  | { readonly kind: "WAKE" }
  | { readonly kind: "CANCEL" }
  | { readonly kind: "REVERT" };

const server = fc.constantFrom<0 | 1>(0, 1);
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("MOVER" as const), steps: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("WRITE" as const), server, what: fc.constantFrom("ADD" as const, "PUBLISH" as const, "REMOVE" as const, "APPEND" as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("READ" as const), server }) },
  { weight: 1, arbitrary: fc.constant({ kind: "CRASH" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "SLEEP" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "WAKE" as const }) },
  { weight: 1, arbitrary: fc.constantFrom<Move>({ kind: "CANCEL" }, { kind: "REVERT" }) },
);

/** A mover that stands still at every point until it is let go. */
class Puppet {
  #go: (() => void) | undefined;
  #free = false;
  #ended = false;
  readonly done: Promise<void>;

  constructor(world: World) {
    this.done = world
      // Both longer than a server remembers where a tenant lives: with less, the other server reads from the home that was left.
      .mover(world.control, { announceMs: 550, observeMs: 150, retireAfterMs: 600, at: () => this.#stand() })
      .drive()
      .then(
        () => void (this.#ended = true),
        () => void (this.#ended = true),
      );
  }

  async step(): Promise<void> {
    // It may be in the middle of something: a database call, or waiting for a writer to end.
    for (let look = 0; look < 20 && this.#go === undefined && !this.#ended; look += 1) await new Promise((resolve) => setTimeout(resolve, 2));
    const go = this.#go;
    this.#go = undefined;
    go?.();
  }

  release(): void {
    this.#free = true;
    this.#go?.();
  }

  #stand(): Promise<void> {
    if (this.#free) return Promise.resolve();
    return new Promise((resolve) => {
      this.#go = resolve;
    });
  }
}

/** What was told to be done, and what was asked for and never answered for certain. */
class Model {
  readonly documents = new Map<DocumentId, "THERE" | "GONE" | "UNKNOWN">();
  readonly turns = new Map<string, "THERE" | "UNKNOWN">();
  readonly pending: Promise<void>[] = [];
}

async function write(model: Model, id: string, on: 0 | 1, what: string, conversation: ConversationId): Promise<void> {
  const world = servers[on] as World;
  const context = await world.context(id);
  const deadline = Deadline.after(20_000);
  const there = [...model.documents].filter(([, state]) => state === "THERE").map(([documentId]) => documentId);
  const target = there[Math.floor(there.length / 2)];
  try {
    if (what === "ADD" || target === undefined) {
      const documentId = newId<DocumentId>("document");
      model.documents.set(documentId, "UNKNOWN");
      await world.router.write(context, deadline, (store) => store.documents.add(newDocument({ id: documentId, title: documentId }), policies.ENTERPRISE));
      model.documents.set(documentId, "THERE");
    } else if (what === "PUBLISH") {
      await world.router.write(context, deadline, (store) => store.documents.publish(target, [newChunk(0, [1, next, 0, 0]), newChunk(1, [0, 1, next, 0])], testEmbedding, policies.ENTERPRISE));
    } else if (what === "REMOVE") {
      model.documents.set(target, "UNKNOWN");
      await world.router.write(context, deadline, (store) => store.documents.remove(target));
      model.documents.set(target, "GONE");
    } else {
      const turn = newId<string>("message");
      model.turns.set(turn, "UNKNOWN");
      await world.router.write(context, deadline, (store) => store.conversationsOf(context.userId).append(conversation, { question: turn, answer: "a" }));
      model.turns.set(turn, "THERE");
    }
  } catch (error) {
    // Removed by the other server meanwhile; any other failure is one a tenant would notice.
    if ((error as { code?: string }).code !== "NOT_FOUND") throw error;
  } finally {
    deadline.dispose();
  }
}

async function check(model: Model, id: string, conversation: ConversationId): Promise<void> {
  for (const world of servers) {
    const documents = await world.documents(id);
    const ids = documents.map((row) => row.id);
    expect(new Set(ids).size, "no document twice").toBe(ids.length);
    for (const [documentId, state] of model.documents) {
      if (state === "THERE") expect(ids, "an acknowledged document is there").toContain(documentId);
      if (state === "GONE") expect(ids, "a removed document is gone").not.toContain(documentId);
    }
    const context = await world.context(id);
    const deadline = Deadline.after(10_000);
    const totals = await world.router.read(context, deadline, (store) => store.documents.totals());
    expect(totals.documents, "totals count the documents").toBe(documents.length);
    expect(totals.chunks, "totals count the chunks").toBe(documents.reduce((sum, row) => sum + row.chunkCount, 0));
    const found = await world.router.read(context, deadline, (store) => store.chunks.nearest(Float32Array.from([1, 0, 0, 0]), 1_000, {}));
    expect(found.length, "every chunk is found").toBe(totals.chunks);
    const turns = await world.router.read(context, deadline, (store) => store.conversationsOf(context.userId).latest(conversation, 10_000));
    const told = turns.map(({ question }) => question);
    expect(new Set(told).size, "no turn twice").toBe(told.length);
    for (const [turn, state] of model.turns) if (state === "THERE") expect(told, "an acknowledged turn is there").toContain(turn);
    deadline.dispose();
  }
}

async function play(moves: readonly Move[], toSilo: boolean): Promise<void> {
  const id = `played-${(next += 1)}`;
  const [home] = servers as readonly [World, World];
  await home.administration.create({ id, name: id, tier: "PRO" });
  const context = await home.context(id);
  const deadline = Deadline.after(60_000);
  const { id: conversation } = await home.router.write(context, deadline, (store) => store.conversationsOf(context.userId).start("talk"));
  const model = new Model();
  for (let n = 0; n < 3; n += 1) await write(model, id, 0, "ADD", conversation);
  await write(model, id, 0, "PUBLISH", conversation);
  const { move: begun } = await home.administration.changeTier(id, "ENTERPRISE");
  if (!toSilo) await home.mover().drive(begun?.id);
  const { move: back } = toSilo ? { move: begun } : await home.administration.changeTier(id, "PRO");
  if (back === undefined) throw new Error("No move was begun");

  const asleep: Puppet[] = [];
  const all: Puppet[] = [];
  const takeOver = async (): Promise<Puppet> => {
    await home.expireLeases();
    const puppet = new Puppet(servers[all.length % 2] as World);
    all.push(puppet);
    return puppet;
  };
  let mover = await takeOver();
  const failures: unknown[] = [];
  for (const one of moves) {
    if (one.kind === "MOVER") for (let n = 0; n < one.steps; n += 1) await mover.step();
    if (one.kind === "WRITE") {
      const writing = write(model, id, one.server, one.what, conversation).catch((error: unknown) => void failures.push(error));
      model.pending.push(writing);
      await Promise.race([writing, new Promise((resolve) => setTimeout(resolve, 15))]);
    }
    if (one.kind === "READ") await (servers[one.server] as World).documents(id);
    // A crashed mover is one that never wakes.
    if (one.kind === "CRASH") mover = await takeOver();
    if (one.kind === "SLEEP") {
      asleep.push(mover);
      mover = await takeOver();
    }
    if (one.kind === "WAKE") asleep.shift()?.release();
    if (one.kind === "CANCEL" || one.kind === "REVERT") await home.control.moves.request(back.id, one.kind).catch(() => undefined);
  }
  mover.release();
  await mover.done;
  for (const sleeper of asleep) sleeper.release();
  for (let tries = 0; tries < 20; tries += 1) {
    const { phase } = (await home.control.moves.find(back.id)) ?? back;
    if (["DONE", "FAILED", "CANCELLED", "REVERTED"].includes(phase)) break;
    await home.expireLeases();
    await home.mover(home.control, { announceMs: 550, retireAfterMs: 600 }).drive(back.id);
  }
  const ended = await home.control.moves.find(back.id);
  expect(["DONE", "CANCELLED", "REVERTED"], ended?.failure).toContain(ended?.phase);
  await Promise.all(model.pending);
  expect(failures).toEqual([]);
  await write(model, id, 1, "ADD", conversation);
  await check(model, id, conversation);
  expect(await home.orphans(id)).toEqual([]);
  deadline.dispose();
  // Those that crashed stand at a point for ever; let them run into their fences, so that nothing is left behind the test.
  for (const puppet of all) puppet.release();
  await Promise.all(all.map((puppet) => puppet.done));
  await check(model, id, conversation);
}

test("no interleaving of two writers, movers that crash or sleep, and requests loses or doubles a write", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(move, { minLength: 10, maxLength: 60 }), fc.boolean(), play),
    { numRuns: runs, endOnFailure: true, ...(seed === undefined ? {} : { seed: Number(seed) }) },
  );
}, 900_000);
