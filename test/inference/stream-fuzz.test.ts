import { describe, expect, it } from "vitest";
import { fuzzStreams } from "../support/stream-fuzz.js";

/** 100,000 with `npm run proof`. */
const runs = 2_000;

describe(`${runs} damaged answers`, () => {
  it("all end, typed, and none that is not whole counts as whole", async () => {
    const { faults, codes, whole } = await fuzzStreams(runs, 1);
    expect(faults).toEqual([]);
    // Were all of one kind, nothing would have been tried.
    expect(whole).toBeGreaterThan(runs / 50);
    expect(codes.get("UPSTREAM_FAILED")).toBeGreaterThan(runs / 10);
    expect(codes.get("STREAM_TRUNCATED")).toBeGreaterThan(runs / 20);
  });
});
