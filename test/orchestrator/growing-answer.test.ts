import { describe, expect, it } from "vitest";
import { promptOverheadTokens } from "../../src/inference/chat-prompt.js";
import { Deadline } from "../../src/kernel/deadline.js";
import type { TenantId } from "../../src/kernel/ids.js";
import { AnswerAllowance } from "../../src/orchestrator/answer-allowance.js";
import { LearnedLengths } from "../../src/orchestrator/learned-lengths.js";
import { contextOf } from "../metering/spend-fixtures.js";
import { openBench, type ScriptedModel } from "./ask-bench.js";

const acme = "acme" as TenantId;

const denials: readonly (readonly [string, () => Promise<boolean>])[] = [
  ["refused", () => Promise.resolve(false)],
  ["not to be had from a store that is down", () => Promise.reject(new TypeError("down"))],
];

function saying(words: number): ScriptedModel["script"] {
  return async function* () {
    for (let i = 0; i < words; i += 1) yield { kind: "DELTA", text: " leave" };
    yield { kind: "DONE", finishReason: "STOP", usage: { promptTokens: 300, completionTokens: words }, cited: [] };
  };
}

describe("an answer that outgrows its reservation", () => {
  it("goes on while more is given, and stops asking at its bound", async () => {
    const asked: number[] = [];
    const allowance = new AnswerAllowance(50, 300, async (tokens) => asked.push(tokens) > 0);
    for (let tokens = 1; tokens <= 300; tokens += 1) expect(await allowance.covers(tokens)).toBe(true);
    expect(asked).toEqual([128, 122]);
  });

  it.each(denials)("ends where its reservation does when more is %s, having asked once", async (_why, more) => {
    let asked = 0;
    const allowance = new AnswerAllowance(50, 300, (): Promise<boolean> => {
      asked += 1;
      return more();
    });
    const covered = [];
    for (let tokens = 1; tokens <= 60; tokens += 1) covered.push(await allowance.covers(tokens));
    expect([covered.filter(Boolean).length, asked, allowance.isRefused]).toEqual([49, 1, true]);
  });

  it("is delivered as far as it came, ends with LENGTH, and is settled to the last token", async () => {
    const bench = openBench();
    bench.model.script = saying(40);
    const wide = contextOf({ policy: { tokensPerMinute: 1_000_000, contextTokens: 3_000 } });
    let asked = 0;
    // A path of its own for each: the ledger takes a second call of the same name for the first sent twice.
    const ask = (context: typeof wide) => bench.answers.run(context, Deadline.after(10_000), { question: "How much leave?" }, `ask${(asked += 1)}`);
    for (let i = 0; i < 12; i += 1) await ask(wide);
    bench.model.script = saying(450);
    // Room for the question and one more step, and not for the whole answer.
    const before = await bench.usedTokens(wide);
    const narrow = contextOf({ policy: { contextTokens: 3_000, tokensPerMinute: before + 3_000 + promptOverheadTokens + 300 } });
    const answer = await ask(narrow);
    if (answer.kind !== "ANSWER") return expect.unreachable();
    const words = answer.text.trim().split(/\s+/u).length;
    expect(answer.finishReason).toBe("LENGTH");
    expect(words).toBeGreaterThan(40);
    expect(words).toBeLessThan(450);
    const rows = bench.ledger.rows.slice(-2);
    expect(rows.find(({ kind }) => kind === "COMPLETION")).toMatchObject({ outcome: "OK", completionTokens: words });
    expect((await bench.quotas.view(narrow)).tokens.reserved).toBe(0);
    expect((await bench.usedTokens(wide)) - before).toBe(rows.reduce((sum, row) => sum + row.promptTokens + row.completionTokens, 0));
    // With room it comes whole, in steps.
    expect(await ask(wide)).toMatchObject({ finishReason: "STOP" });
    expect(bench.counts.get("reservations_extended_total")).toBeGreaterThan(2);
  });

  it("reserves what the caller declares, however short answers have been", async () => {
    const bench = openBench();
    const context = contextOf({ policy: { tokensPerMinute: 1_000_000 } });
    bench.model.script = saying(40);
    for (let i = 0; i < 12; i += 1) await bench.answers.run(context, Deadline.after(10_000), { question: "How much leave?" }, "ask");
    bench.model.script = saying(450);
    expect(await bench.answers.run(context, Deadline.after(10_000), { question: "How much leave?", maxTokens: 500 }, "ask")).toMatchObject({ finishReason: "STOP" });
    expect(bench.counts.get("reservations_extended_total")).toBeUndefined();
  });
});

describe("learned lengths", () => {
  it("are of one tenant and model, above what was seen, never above the bound, and the bound while little is known", () => {
    const lengths = new LearnedLengths();
    for (let i = 0; i < 7; i += 1) lengths.learn(acme, "m", 100);
    expect(lengths.estimate(acme, "m", 512)).toBe(512);
    for (let i = 0; i < 30; i += 1) lengths.learn(acme, "m", 90 + (i % 3) * 10);
    const learned = lengths.estimate(acme, "m", 512);
    expect(learned).toBeGreaterThan(110);
    expect(learned).toBeLessThan(200);
    expect(lengths.estimate(acme, "m", 64)).toBe(64);
    expect(lengths.estimate(acme, "other", 512)).toBe(512);
    expect(lengths.estimate("globex" as TenantId, "m", 512)).toBe(512);
  });
});
