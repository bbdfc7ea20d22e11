import { describe, expect, it } from "vitest";
import { fuzzStreams } from "../support/stream-fuzz.js";

const runs = Number(process.env["PROOF_FUZZ"] ?? 100_000);
/** Another number tries other damage; a fault tells its own. */
const seed = Number(process.env["PROOF_FUZZ_SEED"] ?? 1_000_000);

describe(`${runs} damaged answers of a model`, () => {
  it("all end, typed, and none that is not whole counts as whole", async () => {
    const { faults, whole, codes } = await fuzzStreams(runs, seed);
    process.stdout.write(`${runs} damaged answers: ${whole} whole all the same, ${[...codes].map(([code, count]) => `${count} ${code}`).join(", ")}\n`);
    expect(faults).toEqual([]);
    expect(whole).toBeGreaterThan(runs / 50);
  }, 600_000);
});
