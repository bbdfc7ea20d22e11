import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import { parseUserId, type ConversationId } from "../../src/kernel/ids.js";
import { ConversationSweeper } from "../../src/memory/conversation-sweeper.js";
import { openHome, type TenantHome } from "../../src/storage/home.js";
import type { TenantStore } from "../../src/storage/tenant-store.js";
import { contextOf } from "../metering/spend-fixtures.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { homeOptions, openTestStore } from "../support/homes.js";

const dayMs = 86_400_000;
const user = parseUserId("ada");
const clock = { at: 1_000 * dayMs, now: () => clock.at };
const kept = contextOf({ tenant: "acme", policy: { conversationDays: 30 } });
const neighbour = contextOf({ tenant: "globex", tier: "ENTERPRISE" });
let deployment: TestDeployment;
let home: TenantHome;
let store: TenantStore;
let foreign: TenantStore;

beforeAll(async () => {
  deployment = await startTestDeployment();
  home = await openHome({ ...homeOptions(deployment, { suffix: "retention" }), clock });
  store = await openTestStore(home, kept);
  foreign = await openTestStore(home, neighbour);
});
afterAll(() => deployment.close());

const rowsOf = (collection: string, tenant = "acme"): Promise<number> => home.database.db.collection(collection).countDocuments({ tenant_id: tenant });

async function talk(in_: TenantStore): Promise<ConversationId> {
  const { id } = await in_.conversationsOf(user).start("Talk");
  await in_.conversationsOf(user).append(id, { question: "q", answer: "a" });
  return id;
}

describe("a conversation", () => {
  it("is gone for every way to it at the moment it expires, before any sweep", async () => {
    const id = await talk(store);
    const mine = store.conversationsOf(user);
    const keyed = store.idempotencyOf(user);
    await keyed.claim("key", "arguments", "me", 1_000);
    await keyed.answer("key", "arguments", { id: "msg_1", answer: "a", conversationId: id, documentIds: [] });
    clock.at += 30 * dayMs - 1;
    expect(await mine.get(id)).toBeDefined();
    clock.at += 1;
    expect(await mine.get(id)).toBeUndefined();
    expect(await mine.getMany([id])).toEqual([undefined]);
    expect((await mine.page({ first: 10 })).items).toEqual([]);
    await expect(mine.append(id, { question: "q", answer: "a" })).rejects.toMatchObject({ code: "NOT_FOUND", message: "Conversation not found" });
    expect(await mine.clear(id)).toBe(false);
    expect(await rowsOf("conversations")).toBe(1);
    await store.sweepConversations(10);
  });

  it("lives on from its latest turn", async () => {
    const id = await talk(store);
    clock.at += 29 * dayMs;
    await store.conversationsOf(user).append(id, { question: "q", answer: "a" });
    clock.at += 29 * dayMs;
    expect(await store.conversationsOf(user).get(id)).toBeDefined();
    clock.at += dayMs;
    await store.sweepConversations(10);
  });

  it("is kept no longer for having been summarised, and its summary goes with it", async () => {
    const id = await talk(store);
    clock.at += 29 * dayMs;
    expect(await store.conversationsOf(user).summarise(id, 0, { text: "Canary", turns: 1 })).toBe(true);
    clock.at += dayMs;
    expect(await store.conversationsOf(user).get(id)).toBeUndefined();
    expect(await store.conversationsOf(user).summarise(id, 1, { text: "Late", turns: 2 })).toBe(false);
    expect(await store.sweepConversations(10)).toBe(1);
    expect([await rowsOf("conversations"), await rowsOf("messages")]).toEqual([0, 0]);
  });

  it("is removed with its turns and kept answers by a sweep, a few at a time, and tombstones tell a follower", async () => {
    for (let count = 0; count < 3; count += 1) await talk(store);
    clock.at += 15 * dayMs;
    const young = await talk(store);
    clock.at += 15 * dayMs;
    const buried = await rowsOf("tombstones");
    expect(await store.sweepConversations(2)).toBe(2);
    expect(await store.sweepConversations(2)).toBe(1);
    expect(await store.sweepConversations(2)).toBe(0);
    expect([await rowsOf("conversations"), await rowsOf("messages")]).toEqual([1, 1]);
    expect((await rowsOf("tombstones")) - buried).toBe(6);
    expect(await store.conversationsOf(user).get(young)).toBeDefined();
  });

  it("of a tier that keeps all is never swept, nor one of another tenant", async () => {
    const id = await talk(foreign);
    clock.at += 10_000 * dayMs;
    expect(await foreign.sweepConversations(10)).toBe(0);
    await store.sweepConversations(10);
    expect(await foreign.conversationsOf(user).get(id)).toBeDefined();
    expect(await rowsOf("messages", "globex")).toBe(1);
  });

  it("is swept whole by the sweeper, which goes on when a tenant's home does not answer", async () => {
    await Promise.all(Array.from({ length: 25 }, () => talk(store)));
    clock.at += 30 * dayMs;
    const broken = contextOf({ tenant: "initech", policy: { conversationDays: 30 } });
    const sweeper = new ConversationSweeper({
      tenants: async function* () {
        yield broken.record;
        yield kept.record;
      },
      router: { write: (context, _deadline, work) => (context.tenantId === "initech" ? Promise.reject(new TypeError("no home")) : work(store)) },
      policies: { FREE: kept.policy, PRO: kept.policy, ENTERPRISE: neighbour.policy },
      deadline: () => Deadline.after(10_000),
      telemetry: silentTelemetry,
    });
    await sweeper.round();
    expect([await rowsOf("conversations"), await rowsOf("messages")]).toEqual([0, 0]);
    await sweeper.close();
  });
});
