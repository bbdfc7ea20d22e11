import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FineTuningClient } from "../../../src/inference/fine-tuning-client.js";
import { newId, type AdapterId } from "../../../src/kernel/ids.js";
import type { TenantContext } from "../../../src/tenancy/tenant-context.js";
import { World } from "../../provisioning/world.js";
import { startTestDeployment, type TestDeployment } from "../../support/engine.js";
import { StubFineTuningServer } from "../../support/stub-fine-tuning-server.js";
import { TrainingWorld, until } from "./training-world.js";

let deployment: TestDeployment;
let world: World;
let stub: StubFineTuningServer;
let here: TrainingWorld;
beforeAll(async () => {
  deployment = await startTestDeployment();
  world = await World.start(deployment);
  stub = await StubFineTuningServer.start();
  here = new TrainingWorld(world, stub);
});
afterAll(async () => {
  await here.close();
  await stub.close();
  await world.close();
  await deployment.close();
});

const fileOf = (tenant: string): string | undefined => [...stub.files.values()].find(({ content }) => content.includes(`${tenant} question`))?.content;
/** The jobs whose file speaks of the tenant. */
const jobsOf = (tenant: string) => stub.jobs.filter(({ training_file: file }) => stub.files.get(file)?.content.includes(`${tenant} question`));
const jobOf = (tenant: string) => until(async () => jobsOf(tenant)[0]);

describe("a server that dies", () => {
  // The stub has done what it was asked, and its answer is lost together with the server that asked.
  test.each(["POST /files", "POST /fine_tuning/jobs", "GET /fine_tuning/jobs/", "DELETE /files/"])("in the moment of %s leaves one file and one job, which the next goes on with", async (moment) => {
    const tenant = `dies-${moment.replaceAll(/[^a-z]/giu, "").toLowerCase().slice(0, 18)}`;
    const context = await here.taught(tenant);
    const first = here.server();
    const died = new Promise<void>((resolve) => {
      let isDead = false;
      stub.beforeAnswer = (what) => {
        if (isDead || !what.startsWith(moment)) return;
        isDead = true;
        resolve();
        void first.close();
        throw new TypeError("The answer is lost");
      };
    });
    const row = await here.train(first, context);
    if (moment.startsWith("DELETE")) stub.end(await jobOf(tenant), "succeeded");
    await died;
    await first.close();
    stub.beforeAnswer = () => undefined;
    const second = here.server();
    await second.resume(context);
    stub.end(await jobOf(tenant), "succeeded");
    await here.reached(context, row.id, "READY");
    await second.idle();
    expect(jobsOf(tenant)).toHaveLength(1);
    expect([...stub.files.values()].filter(({ content }) => content.includes(`${tenant} question`))).toHaveLength(1);
    expect(stub.kept.join()).not.toContain(`${tenant} question`);
  });

  test("is followed by one that serves the base model no more: the job that was begun is not lost, and no other is begun", async () => {
    const context = await here.taught("unserved");
    const first = here.server();
    const died = new Promise<void>((resolve) => {
      let isDead = false;
      stub.beforeAnswer = (what) => {
        if (isDead || what !== "POST /fine_tuning/jobs") return;
        isDead = true;
        resolve();
        void first.close();
        throw new TypeError("The answer is lost");
      };
    });
    const row = await here.train(first, context);
    await died;
    await first.close();
    stub.beforeAnswer = () => undefined;
    const second = here.server({ modelUrl: "http://127.0.0.1:9/v1" });
    await second.resume(context);
    stub.end(await jobOf("unserved"), "succeeded");
    await here.reached(context, row.id, "READY");
    expect(jobsOf("unserved")).toHaveLength(1);
  });

  test("another server leaves the adapter to it as long as its lease lasts", async () => {
    const context = await here.taught("leased");
    const [first, second] = [here.server(), here.server({ owner: "server-2" })];
    const row = await here.train(first, context);
    const job = await jobOf("leased");
    await second.resume(context);
    stub.end(job, "succeeded");
    await here.reached(context, row.id, "READY");
    await second.idle();
    expect(jobsOf("leased")).toHaveLength(1);
  });
});

test("feedback that was cleared before the file was sent is not in it", async () => {
  const context = await here.taught("cleared", 24);
  const server = here.server();
  // The file cannot be sent yet; the manifest is written by then.
  stub.status = 503;
  const row = await here.train(server, context);
  await here.reached(context, row.id, "UPLOADING");
  await here.write(context, async (store) => {
    const conversations = store.conversationsOf(context.userId);
    const other = await conversations.start("stays");
    for (let n = 0; n < 10; n += 1) await conversations.append(other.id, { question: `cleared question kept ${n}`, answer: "a" });
    for (const { id } of await conversations.latest(other.id, 10)) await store.feedbackOf(context.userId).give(id, { rating: "GOOD" });
    const all = await conversations.page({ first: 10 });
    await conversations.clear(all.items.find(({ item }) => item.title === "taught")?.item.id as never);
  });
  stub.status = undefined;
  stub.end(await jobOf("cleared"), "succeeded");
  expect(await here.reached(context, row.id, "READY")).toMatchObject({ examples: 10 });
  expect(fileOf("cleared")).not.toContain("cleared answer");
});

describe("a provider that says nothing", () => {
  /** Like one whose answer never comes, and whose client does not listen to its signal either. */
  class DeafClient extends FineTuningClient {
    override findFile(): Promise<string | undefined> {
      return new Promise(() => undefined);
    }
  }

  test("to those who listen or do not, holds a step for its time alone: others have their turn, and the server its end", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((done) => silent.listen(0, "127.0.0.1", done));
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/v1`;
    const clients = [new FineTuningClient({ baseUrl: url }), new DeafClient({ baseUrl: url })];
    for (const [at, client] of clients.entries()) {
      // More than there are places for steps at one time.
      const contexts = await Promise.all(["a", "b", "c"].map((name) => here.taught(`silent-${at}-${name}`)));
      const server = here.server({ owner: `silent-${at}`, client, stepMsMax: 400 });
      const rows = await Promise.all(contexts.map((context) => here.train(server, context)));
      await Promise.all(rows.map(({ id }, of) => here.reached(contexts[of] as TenantContext, id, "UPLOADING")));
      const closed = server.close().then(() => "closed");
      expect(await Promise.race([closed, sleep(5_000).then(() => "open")])).toBe("closed");
    }
    silent.closeAllConnections();
    await new Promise((done) => silent.close(done));
  });
});

test("while one is trained another is refused before the examples are looked at; while one is removed it is not", async () => {
  const context = await here.taught("busy", 12);
  const server = here.server();
  const row = await here.train(server, context);
  await here.reached(context, row.id, "TRAINING");
  await here.write(context, async (store) => {
    for (const { item } of (await store.conversationsOf(context.userId).page({ first: 10 })).items) await store.conversationsOf(context.userId).clear(item.id);
  });
  await expect(here.train(server, context)).rejects.toMatchObject({ code: "CONFLICT" });
  stub.status = 503;
  await here.remove(server, context, row.id);
  await expect(here.train(server, context)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", details: { limit: "examples" } });
  stub.status = undefined;
  await server.idle();
});

describe("an adapter that is deleted", () => {
  test("while it is trained takes its job and its file with it", async () => {
    const context = await here.taught("gone");
    const server = here.server();
    const row = await here.train(server, context);
    const job = await jobOf("gone");
    await here.reached(context, row.id, "TRAINING");
    await here.remove(server, context, row.id);
    await server.idle();
    expect(job.status).toBe("cancelled");
    expect(stub.kept.join()).not.toContain("gone question");
    expect(await deployment.client.db(`${world.prefix}_pool`).collection("adapters").countDocuments({ tenant_id: "gone" })).toBe(0);
  });

  test("once it is trained takes its model with it, whatever the provider does at first", async () => {
    const context = await here.taught("trained");
    const server = here.server();
    const row = await here.train(server, context);
    stub.end(await jobOf("trained"), "succeeded");
    const { upstreamModel } = await here.reached(context, row.id, "READY");
    stub.status = 503;
    await here.remove(server, context, row.id);
    await until(async () => (stub.asked.at(-1)?.startsWith("GET /files") === true ? true : undefined));
    stub.status = undefined;
    await server.idle();
    expect(stub.deleted).toContain(upstreamModel);
    await expect(here.remove(server, context, row.id)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

test("a file of weights that never came whole is FAILED at the next start, its pieces gone, and not before its sender's time is over", async () => {
  const context = await here.taught("broken", 0);
  const id = newId<AdapterId>("adapter");
  await here.write(context, async ({ adapters }) => {
    await adapters.weights.begin({ id, name: "cut", baseModel: "base", bytes: 20, sha256: "0".repeat(64), pieces: 2 }, { maxBytes: 100 });
    await adapters.weights.add(id, 0, { bytes: 10, zstd: Buffer.alloc(10) });
  });
  const pool = deployment.client.db(`${world.prefix}_pool`);
  const server = here.server({ trains: false });
  await server.resume(context);
  await here.write(context, ({ adapters }) => adapters.weights.add(id, 1, { bytes: 10, zstd: Buffer.alloc(10) }));
  await pool.collection("adapters").updateOne({ tenant_id: "broken" }, { $set: { lease_until: new Date(0) } });
  expect((await here.reached(context, id, "FAILED")).failure?.message).toBe("The file did not come to its end");
  expect(await pool.collection("adapter_weights").countDocuments({ tenant_id: "broken" })).toBe(0);
});

test("what the provider fails or refuses is FAILED with a reason that quotes nobody, and its file is gone", async () => {
  const [failed, refused] = [await here.taught("failed"), await here.taught("refused")];
  const server = here.server();
  const row = await here.train(server, failed);
  stub.end(await jobOf("failed"), "failed");
  expect((await here.reached(failed, row.id, "FAILED")).failure).toEqual({ code: "UPSTREAM_FAILED", message: "The provider could not train the adapter" });
  expect(stub.kept.join()).not.toContain("failed question");
  stub.status = 422;
  const other = await here.train(server, refused);
  expect((await here.reached(refused, other.id, "FAILED")).failure).toEqual({ code: "UPSTREAM_FAILED", message: "The fine-tuning endpoint refused with status 422" });
  stub.status = undefined;
});
