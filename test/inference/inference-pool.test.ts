import { describe, expect, it } from "vitest";
import type { InferenceBackend } from "../../src/inference/inference-backend.js";
import { InferencePool } from "../../src/inference/inference-pool.js";
import { tierPolicies } from "../metering/spend-fixtures.js";

function backendOf(...models: string[]): InferenceBackend {
  return { models, complete: () => ({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) }) };
}

const remote = backendOf("gpt-4o-mini", "house-model");
const embedded = backendOf("embedded-extractive");
const pool = new InferencePool([remote, embedded]);

/** What a caller of the smallest tier reads, with the name they asked for taken out. */
function messageOf(model: string): string {
  try {
    pool.choose(named, model);
    return "";
  } catch (error) {
    return (error as Error).message.replace(model, "X");
  }
}

/** A tier that names its models, unlike those of the demo, which allow what the deployment configures. */
const named = { ...tierPolicies.FREE, models: ["embedded-extractive", "gpt-4o-mini"] };

describe("choosing a model", () => {
  it("gives the first back end that the tier allows where none is named", () => {
    expect(pool.choose(named)).toEqual({ model: "gpt-4o-mini", backend: remote });
    expect(new InferencePool([backendOf("house-model"), embedded]).choose(named).model).toBe("embedded-extractive");
    expect(new InferencePool([backendOf("house-model"), embedded]).choose(tierPolicies.PRO).model).toBe("house-model");
  });

  it("gives the named one", () => {
    expect(pool.choose(tierPolicies.PRO, "house-model").backend).toBe(remote);
    expect(pool.choose(named, "embedded-extractive").backend).toBe(embedded);
  });

  it("answers alike for a model the tier may not use and one that does not exist, and names the allowed ones", () => {
    expect(messageOf("house-model")).toBe('model: got "X", expected one of gpt-4o-mini, embedded-extractive');
    expect(messageOf("no-such-model")).toBe(messageOf("house-model"));
  });

  it.each(["", "*", "constructor", "EMBEDDED-EXTRACTIVE"])("refuses %j with BAD_USER_INPUT", (model) => {
    expect(() => pool.choose(tierPolicies.PRO, model)).toThrow(expect.objectContaining({ code: "BAD_USER_INPUT" }));
  });
});
