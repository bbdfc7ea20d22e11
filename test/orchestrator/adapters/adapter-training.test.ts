import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseTenantId } from "../../../src/kernel/ids.js";
import { readTrainingSet } from "../../../src/orchestrator/adapters/training-set.js";
import type { TenantStore } from "../../../src/storage/tenant-store.js";
import { World } from "../../provisioning/world.js";
import { startTestDeployment, type TestDeployment } from "../../support/engine.js";
import { StubFineTuningServer } from "../../support/stub-fine-tuning-server.js";
import { contextOf, recordingTelemetry } from "../../support/tenants.js";
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

test("two tenants train at once: each file holds one tenant's rows alone, each adapter has one job, and no file is left", async () => {
  const server = here.server();
  const [ash, birch] = [await here.taught("ash"), await here.taught("birch")];
  const rows = await Promise.all([here.train(server, ash), here.train(server, birch)]);
  for (const name of ["ash", "birch"]) stub.end(await jobOf(name), "succeeded");
  const [ours] = await Promise.all([here.reached(ash, rows[0].id, "READY"), here.reached(birch, rows[1].id, "READY")]);
  const lines = (fileOf("ash") ?? "").trimEnd().split("\n");
  expect(lines).toHaveLength(12);
  for (const line of lines) {
    expect(JSON.parse(line)).toEqual({ messages: [{ role: "user", content: expect.stringMatching(/^ash question/) as string }, { role: "assistant", content: expect.stringMatching(/^ash answer/) as string }] });
  }
  expect(fileOf("birch")).not.toContain("ash ");
  expect([jobsOf("ash"), jobsOf("birch")].map(({ length }) => length)).toEqual([1, 1]);
  expect(ours).toMatchObject({ examples: 12, baseModel: "base" });
  expect(stub.kept.join()).not.toMatch(/ash question|birch question/);
  const stored = await deployment.client.db(`${world.prefix}_pool`).collection("adapters").findOne({ tenant_id: "ash" });
  expect(stored?.["manifest"]).toEqual(lines.map((line) => createHash("sha256").update(line).digest("hex")));
});

test("a row of another tenant among the examples stops everything before it is sent, and wakes a person", async () => {
  const telemetry = recordingTelemetry();
  const store = { adapters: { trainingRows: () => Promise.resolve([{ tenantId: parseTenantId("acme"), question: "q", answer: "a" }, { tenantId: parseTenantId("globex"), question: "q", answer: "a" }]) } } as unknown as TenantStore;
  await expect(readTrainingSet(contextOf("acme"), store, telemetry)).rejects.toMatchObject({ code: "INTERNAL" });
  expect(telemetry.alarms).toMatchObject([{ name: "tenant_mismatch" }]);
});

test("is refused with what was got and what is expected: too few examples, a model that is not trained there, no endpoint", async () => {
  const few = await here.taught("few", 9);
  await expect(here.train(here.server(), few)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", details: { got: "9 good or corrected answers", expected: "at least 10" } });
  const enough = await here.taught("enough");
  await expect(here.train(here.server({ trains: false }), enough)).rejects.toMatchObject({ code: "CONFLICT", message: expect.stringContaining("FINE_TUNING_BASE_URL") as string });
  await expect(here.train(here.server({ modelUrl: "http://127.0.0.1:9/v1" }), enough)).rejects.toMatchObject({ code: "BAD_USER_INPUT", details: { field: "baseModel" } });
  await expect(here.train(here.server(), enough, "unknown")).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
});
