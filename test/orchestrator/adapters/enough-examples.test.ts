import { expect, test } from "vitest";
import { assertEnough } from "../../../src/orchestrator/adapters/training-set.js";
import type { TrainingRow } from "../../../src/storage/adapter-rows.js";
import type { TenantStore } from "../../../src/storage/tenant-store.js";
import { contextOf, recordingTelemetry } from "../../support/tenants.js";

const acme = contextOf("acme");

/** A store with these rows, and how many each look at it asked for. */
function storeOf(questions: readonly string[]): { readonly store: TenantStore; readonly asked: number[] } {
  const asked: number[] = [];
  const rows: readonly TrainingRow[] = questions.map((question) => ({ tenantId: acme.tenantId, question, answer: "a" }));
  const trainingRows = (rowsMax: number): Promise<readonly TrainingRow[]> => {
    asked.push(rowsMax);
    return Promise.resolve(rows.slice(0, rowsMax));
  };
  return { store: { adapters: { trainingRows } } as unknown as TenantStore, asked };
}

const assertEnoughOf = (store: TenantStore): Promise<void> => assertEnough(acme, store, recordingTelemetry());
const different = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `q${at}`);

test("whether there are examples enough is seen from the first ten, however many there are", async () => {
  const { store, asked } = storeOf(different(5_000));
  await assertEnoughOf(store);
  expect(asked).toEqual([10]);
});

test("answers that say the same are one example, and further ones are looked at", async () => {
  const { store, asked } = storeOf([...Array.from({ length: 30 }, () => "same"), ...different(9)]);
  await assertEnoughOf(store);
  expect(asked).toEqual([10, 40]);
});

test("too few are refused with their number, also where many say the same", async () => {
  await expect(assertEnoughOf(storeOf(different(9)).store)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", details: { got: "9 good or corrected answers", expected: "at least 10" } });
  const { store, asked } = storeOf(Array.from({ length: 20_000 }, () => "same"));
  await expect(assertEnoughOf(store)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", details: { got: "1 good or corrected answers" } });
  expect(Math.max(...asked)).toBe(5_000);
});
