import { afterAll, beforeAll, expect, test } from "vitest";
import { TrainingBills } from "../../../src/orchestrator/adapters/training-bills.js";
import { noBudgets } from "../../../src/quotas/budgets.js";
import { refusal } from "../../../src/kernel/refusal.js";
import { World } from "../../provisioning/world.js";
import { recorderOf } from "../../metering/spend-fixtures.js";
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

/** The job whose file speaks of the tenant. */
const jobOf = (tenant: string) => until(async () => stub.jobs.find(({ training_file: file }) => stub.files.get(file)?.content.includes(`${tenant} question`)));
const rowsOf = (requestOf: string) => here.ledger.rows.filter(({ requestId }) => requestId.endsWith(requestOf.slice(4)));

test("a training's tokens stand on the ledger once, though the server died after the job had ended and another took it up", async () => {
  const context = await here.taught("ledger");
  const first = here.server();
  const row = await here.train(first, context);
  const job = await jobOf("ledger");
  const died = new Promise<void>((resolve) => {
    let isDead = false;
    stub.beforeAnswer = (what) => {
      if (isDead || !what.startsWith("DELETE /files/")) return;
      isDead = true;
      resolve();
      void first.close();
      throw new TypeError("The answer is lost");
    };
  });
  job.trained_tokens = 4_321;
  stub.end(job, "succeeded");
  await died;
  await first.close();
  stub.beforeAnswer = () => undefined;
  expect(rowsOf(row.id)).toHaveLength(1);
  const second = here.server();
  await second.resume(context);
  await here.reached(context, row.id, "READY");
  await second.idle();
  expect(rowsOf(row.id)).toMatchObject([{ kind: "TRAINING", model: "base", promptTokens: 4_321, outcome: "OK" }]);
});

test("a provider that does not say what it billed is owed the upper bound: the tokens of the file, three times", async () => {
  const context = await here.taught("silent");
  const server = here.server();
  const row = await here.train(server, context);
  const job = await jobOf("silent");
  expect(job).toMatchObject({ hyperparameters: { n_epochs: 3 } });
  stub.end(job, "succeeded");
  await here.reached(context, row.id, "READY");
  const lines = (stub.files.get(job.training_file)?.content ?? "").trimEnd().split("\n");
  expect(rowsOf(row.id)).toMatchObject([{ promptTokens: 3 * lines.reduce((sum, line) => sum + line.length, 0) }]);
});

test("what was trained until an adapter was deleted is billed, and nothing where nothing was", async () => {
  const [some, none] = [await here.taught("some"), await here.taught("none")];
  const server = here.server();
  const rows = [await here.train(server, some), await here.train(server, none)] as const;
  (await jobOf("some")).trained_tokens = 77;
  await jobOf("none");
  for (const [at, context] of [some, none].entries()) {
    const { id } = rows[at] as (typeof rows)[0];
    await here.reached(context, id, "TRAINING");
    await here.remove(server, context, id);
  }
  await server.idle();
  expect([rowsOf(rows[0].id), rowsOf(rows[1].id)]).toMatchObject([[{ promptTokens: 77, outcome: "FAILED" }], []]);
});

test("a training that goes on after it was called off is kept in sight until it ends: it is billed, and its model is deleted", async () => {
  const context = await here.taught("late");
  const server = here.server();
  const row = await here.train(server, context);
  const job = await jobOf("late");
  await here.reached(context, row.id, "TRAINING");
  stub.cancelsLater = true;
  await here.remove(server, context, row.id);
  await until(async () => (job.status === "cancelling" ? true : undefined));
  const looksAtIt = (): number => stub.asked.filter((what) => what === `GET /fine_tuning/jobs/${job.id}`).length;
  const looks = looksAtIt();
  await until(async () => (looksAtIt() > looks + 4 ? true : undefined));
  job.trained_tokens = 555;
  stub.end(job, "succeeded");
  await server.idle();
  stub.cancelsLater = false;
  expect(rowsOf(row.id)).toMatchObject([{ promptTokens: 555, outcome: "OK" }]);
  expect(stub.deleted).toContain(job.fine_tuned_model);
  expect(stub.kept.join()).not.toContain("late question");
});

test("what was trained until its tenant was erased is billed under the training's own name, once, and is not forgotten while it goes on", async () => {
  const context = await here.taught("erased");
  const server = here.server();
  const row = await here.train(server, context);
  const job = await jobOf("erased");
  await here.reached(context, row.id, "TRAINING");
  // Else it might be this one that settles.
  await server.close();
  const release = () => here.read(context, (store) => server.release(context, store, AbortSignal.timeout(10_000)));
  stub.cancelsLater = true;
  await expect(release()).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  stub.cancelsLater = false;
  job.trained_tokens = 99;
  job.status = "cancelled";
  await release();
  await release();
  expect(rowsOf(row.id)).toMatchObject([{ promptTokens: 99, outcome: "FAILED" }]);
});

test("a training that the budget has no room for is FAILED before anything is sent", async () => {
  const context = await here.taught("poor");
  const sent = stub.files.size;
  const asked: number[] = [];
  const reserve = (_context: unknown, microUsd: number) => {
    asked.push(microUsd);
    return Promise.resolve(refusal("BUDGET_EXCEEDED", "The tenant's budget is used up", { limit: "budgetDay" }));
  };
  const server = here.server({ bills: new TrainingBills({ ...noBudgets, reserve }, recorderOf(here.ledger, here.telemetry)) });
  const row = await here.train(server, context);
  expect((await here.reached(context, row.id, "FAILED")).failure).toEqual({ code: "BUDGET_EXCEEDED", message: "The tenant's budget is used up" });
  expect(asked).toHaveLength(1);
  expect(asked[0]).toBeGreaterThan(0);
  expect(stub.files.size).toBe(sent);
  expect(rowsOf(row.id)).toEqual([]);
});
