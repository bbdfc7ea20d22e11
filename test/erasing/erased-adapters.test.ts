import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { StubFineTuningServer } from "../support/stub-fine-tuning-server.js";
import { TrainingWorld, until } from "../orchestrator/adapters/training-world.js";
import { moveTo } from "../provisioning/world.js";
import { ErasingWorld } from "./erasing-world.js";

let deployment: TestDeployment;
let here: ErasingWorld;
let stub: StubFineTuningServer;
let training: TrainingWorld;
beforeAll(async () => {
  deployment = await startTestDeployment();
  here = await ErasingWorld.start(deployment);
  stub = await StubFineTuningServer.start();
  training = new TrainingWorld(here.world, stub);
});
afterAll(async () => {
  await training.close();
  await stub.close();
  await here.close();
  await deployment.close();
});

test("adapters move with their tenant to a silo and back, feedback and weights whole, and training goes on meanwhile", async () => {
  const server = training.server();
  const context = await training.taught("willow");
  const file = Buffer.alloc(4_300_000, "weights of willow ");
  const imported = await training.import(context, file);
  const row = await training.train(server, context);
  const job = await until(async () => stub.jobs[0]);
  for (const tier of ["ENTERPRISE", "FREE"] as const) {
    expect(await moveTo(here.world, "willow", tier)).toMatchObject({ phase: "DONE" });
    const moved = await here.world.context("willow");
    await training.read(moved, async (store) => {
      expect(store.home).toBe(tier === "FREE" ? "POOL" : "SILO");
      expect((await store.adapters.weights.read(imported.id)).equals(file)).toBe(true);
      expect(await store.adapters.trainingRows(100, 100_000)).toHaveLength(12);
    });
  }
  stub.end(job, "succeeded");
  expect(await training.reached(await here.world.context("willow"), row.id, "READY")).toMatchObject({ examples: 12 });
  expect(stub.jobs).toHaveLength(1);
}, 90_000);

test("an erased tenant's job is cancelled, its file and model deleted; while the provider is down nothing is removed and the receipt says so", async () => {
  const server = training.server();
  here.adapters = server;
  const context = await training.taught("yew");
  const first = await training.train(server, context);
  const trained = await until(async () => stub.jobs.find(({ training_file: id }) => stub.files.get(id)?.content.includes("yew")));
  stub.end(trained, "succeeded");
  const { upstreamModel } = await training.reached(context, first.id, "READY");
  const second = await training.train(server, context);
  await training.reached(context, second.id, "TRAINING");
  stub.status = 503;
  const partial = await here.erase("yew");
  expect(partial).toMatchObject({ status: "PARTIAL", removed: [], unreachable: [{ store: "fine-tuning provider (adapters of pool)" }] });
  expect((await here.remains("yew"))["pool.adapters"]).toBe(2);
  stub.status = undefined;
  const receipt = await here.erase("yew");
  expect(receipt).toMatchObject({ status: "COMPLETE", unreachable: [] });
  expect(receipt.removed).toContainEqual({ store: "fine-tuning provider (adapters of pool)", what: "adapters", count: 2 });
  expect(stub.deleted).toContain(upstreamModel);
  expect(stub.jobs.filter(({ status }) => status === "running")).toEqual([]);
  expect(stub.kept.join()).not.toContain("yew");
  expect((await here.remains("yew"))["pool.adapters"]).toBeUndefined();
}, 30_000);
