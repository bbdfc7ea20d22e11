/** What the contract cannot wait for: a day, and more keys than are kept. And two servers, whose writes share no lane. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { newId } from "../../src/kernel/ids.js";
import { openHome, type TenantHome } from "../../src/storage/home.js";
import { keysPerUserMax } from "../../src/storage/idempotency-rows.js";
import type { IdempotencyStore } from "../../src/storage/tenant-store.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { homeOptions, openTestStore } from "../support/homes.js";
import { contextOf } from "../support/tenants.js";

const [acme, globex] = [contextOf("acme"), contextOf("globex")];
const day = 24 * 3_600_000;
const minute = 60_000;
const one = "1".repeat(64);
const two = "2".repeat(64);

let deployment: TestDeployment;
let now = Date.UTC(2026, 0, 1);
const clock = { now: () => now };
beforeAll(async () => {
  deployment = await startTestDeployment();
});
afterAll(() => deployment.close());

async function open(suffix: string, serverId = "server-1", context = acme): Promise<{ home: TenantHome; keys: IdempotencyStore }> {
  const home = await openHome({ ...homeOptions(deployment, { suffix, serverId, client: await deployment.connect() }), clock });
  return { home, keys: (await openTestStore(home, context)).idempotencyOf(context.userId) };
}

const count = (home: TenantHome, name: string): Promise<number> => home.database.db.collection(name).countDocuments();
const answerOf = (answer: string) => ({ id: newId<string>("message"), answer, documentIds: [] });

it("is free again after 24 hours, for other arguments too, and what ran out is swept away by new keys", async () => {
  const { home, keys } = await open("day");
  for (let n = 0; n < 6; n += 1) await keys.answer(`key-${n}`, one, answerOf(`Answer ${n}`));
  now += day - 1;
  expect(await keys.look("key-0", one)).toEqual({ kind: "ANSWERED", answer: "Answer 0" });
  now += 1;
  expect(await keys.look("key-0", one)).toEqual({ kind: "FREE" });
  expect(await keys.claim("key-0", two, "first", minute)).toEqual({ kind: "CLAIMED" });
  expect([await count(home, "idempotency_records"), await count(home, "idempotency_answers")]).toEqual([1, 0]);
  // Word of it is left for a mover.
  expect(await home.database.db.collection("tombstones").countDocuments({ collection: "idempotency_answers" })).toBe(6);
});

it("pushes out the user's oldest when there are too many, and nobody else's", async () => {
  const { home, keys } = await open("many");
  const other = (await openTestStore(home, globex)).idempotencyOf(globex.userId);
  await keys.answer("oldest", one, answerOf("Oldest"));
  await other.answer("oldest", one, answerOf("Theirs"));
  await keys.answer("second", one, answerOf("Second"));
  // As if so many had been used since: counting them up takes the test a minute.
  await home.database.db.collection("idempotency_records").updateOne({ tenant_id: "acme", ordinal: 1 }, { $set: { ordinal: keysPerUserMax - 1 } });
  await keys.answer("newest", one, answerOf("Newest"));
  const states = await Promise.all(["oldest", "second", "newest"].map((key) => keys.look(key, one)));
  expect(states.map(({ kind }) => kind)).toEqual(["FREE", "ANSWERED", "ANSWERED"]);
  expect(await other.look("oldest", one)).toEqual({ kind: "ANSWERED", answer: "Theirs" });
});

it("is claimed once over two servers, and answered once", async () => {
  const servers = [await open("two", "server-1"), await open("two", "server-2")];
  for (let round = 0; round < 10; round += 1) {
    const key = `key-${round}`;
    const claims = await Promise.all(servers.map(({ keys }, n) => keys.claim(key, one, `server-${n}`, minute)));
    expect(claims.map(({ kind }) => kind).toSorted()).toEqual(["BUSY", "CLAIMED"]);
    const answers = await Promise.all(servers.map(({ keys }, n) => keys.answer(key, one, answerOf(`Of ${n}`))));
    expect(answers.map(({ kind }) => kind).toSorted()).toEqual(["ANSWERED", "STORED"]);
  }
  expect(await count(servers[0]?.home as TenantHome, "idempotency_answers")).toBe(10);
  // Never claimed: both insert.
  for (let round = 0; round < 10; round += 1) {
    const answers = await Promise.all(servers.map(({ keys }, n) => keys.answer(`unclaimed-${round}`, one, answerOf(`Of ${n}`))));
    expect(answers.map(({ kind }) => kind).toSorted()).toEqual(["ANSWERED", "STORED"]);
  }
});

it("of one tenant is nothing to another with the same user and the same key, in either direction", async () => {
  const { home, keys: mine } = await open("tenants");
  const theirs = (await openTestStore(home, globex)).idempotencyOf(globex.userId);
  expect(acme.userId).toBe(globex.userId);
  await mine.claim("key", one, "owner", minute);
  expect(await theirs.look("key", one)).toEqual({ kind: "FREE" });
  expect(await theirs.renew("key", "owner", minute)).toBe(false);
  await theirs.release("key", "owner");
  expect(await theirs.answer("key", two, answerOf("Theirs"))).toEqual({ kind: "STORED" });
  expect(await mine.look("key", one)).toEqual({ kind: "BUSY" });
  await mine.answer("key", one, answerOf("Mine"));
  expect([await mine.look("key", one), await theirs.look("key", two)]).toEqual([{ kind: "ANSWERED", answer: "Mine" }, { kind: "ANSWERED", answer: "Theirs" }]);
});
