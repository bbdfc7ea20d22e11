import { ROOT_CONTEXT, trace, type Context } from "@opentelemetry/api";
import { SamplingDecision } from "@opentelemetry/sdk-trace-node";
import { expect, test } from "vitest";
import { BoundedSampler } from "../../src/observability/bounded-sampler.js";

const under = (flags: number, isRemote: boolean): Context => trace.setSpanContext(ROOT_CONTEXT, { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: flags, isRemote });
const isSampled = (sampler: BoundedSampler, context = ROOT_CONTEXT): boolean => sampler.shouldSample(context, "f".repeat(32)).decision === SamplingDecision.RECORD_AND_SAMPLED;

test("heeds ten callers a second that ask to be traced, and the ratio past them", () => {
  let now = 1_000;
  const sampler = new BoundedSampler(0, () => now);
  expect(Array.from({ length: 50 }, () => isSampled(sampler, under(1, true))).filter(Boolean)).toHaveLength(10);
  now += 1_000;
  expect(isSampled(sampler, under(1, true))).toBe(true);
});

test("follows its own spans without a bound, and a caller's wish not to be traced always", () => {
  const sampler = new BoundedSampler(1);
  expect(Array.from({ length: 50 }, () => isSampled(sampler, under(1, false))).every(Boolean)).toBe(true);
  expect(isSampled(sampler, under(0, true))).toBe(false);
  expect([isSampled(new BoundedSampler(1)), isSampled(new BoundedSampler(0))]).toEqual([true, false]);
});
