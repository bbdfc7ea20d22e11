import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FineTuningClient } from "../../src/inference/fine-tuning-client.js";
import { StubFineTuningServer, type StubJob } from "../support/stub-fine-tuning-server.js";

let stub: StubFineTuningServer;
let client: FineTuningClient;
beforeEach(async () => {
  stub = await StubFineTuningServer.start();
  client = new FineTuningClient({ baseUrl: stub.baseUrl });
});
afterEach(() => stub.close());

const { signal } = new AbortController();
const now = Date.now();
const daysAgo = (days: number): number => Math.floor(now / 1_000) - days * 86_400;
const job = (name: string, createdAt: number): StubJob => ({ id: `ftjob-${name}`, model: "m", training_file: `file-${name}`, status: "running", fine_tuned_model: null, created_at: createdAt });
const jobs = (name: string, count: number, createdAt: number): readonly StubJob[] => Array.from({ length: count }, (_, at) => job(`${name}-${at}`, createdAt));

describe("in an account with thousands of other jobs", () => {
  test("a job that was never started is known to be none once the list is older than the adapter, and what is older is not asked for", async () => {
    stub.jobs.push(...jobs("old", 3_000, daysAgo(30)), ...jobs("new", 150, daysAgo(0)));
    expect(await client.findJob("file-ours", new Date(now), signal)).toBeUndefined();
    expect(stub.asked.length).toBe(3);
  });

  test("ours is found behind a thousand that others started since", async () => {
    stub.jobs.push(...jobs("old", 200, daysAgo(30)), job("ours", daysAgo(2)), ...jobs("new", 1_500, daysAgo(0)));
    expect(await client.findJob("file-ours", new Date(now - 2 * 86_400_000), signal)).toBe("ftjob-ours");
  });

  test("one of a provider whose clock is some hours behind is found as well", async () => {
    stub.jobs.push(job("ours", daysAgo(0) - 3_600 * 5), ...jobs("new", 150, daysAgo(0) - 3_600 * 5));
    expect(await client.findJob("file-ours", new Date(now), signal)).toBe("ftjob-ours");
  });

  test("the same holds of files", async () => {
    for (let at = 0; at < 1_200; at += 1) stub.files.set(`file-${at}`, { filename: `other-${at}`, content: "", created_at: daysAgo(30) });
    stub.files.set("file-ours", { filename: "ours", content: "", created_at: daysAgo(0) });
    expect(await client.findFile("ours", new Date(now), signal)).toBe("file-ours");
    expect(await client.findFile("theirs", new Date(now), signal)).toBeUndefined();
    expect(stub.asked.length).toBe(3);
  });
});

test("a list that sends its page again and again is a failure, and not searched for ever", async () => {
  stub.jobs.push(...jobs("new", 150, daysAgo(0)));
  stub.ignoresAfter = true;
  await expect(client.findJob("file-ours", new Date(now), signal)).rejects.toMatchObject({ code: "UPSTREAM_FAILED" });
});
