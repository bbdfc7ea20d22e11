import fc from "fast-check";
import { expect, test } from "vitest";
import { ClientGone } from "../../src/kernel/client-gone.js";
import { upstreamFailed, type BulkheadError } from "../../src/kernel/errors.js";
import type { AnswerEvent } from "../../src/orchestrator/answer-event.js";
import { LiveAnswer } from "../../src/orchestrator/live-answer.js";

const delta = (text: string): AnswerEvent => ({ kind: "DELTA", text });
const textOf = (events: readonly AnswerEvent[]): string => events.map((event) => (event.kind === "DELTA" ? event.text : "")).join("");
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Watched {
  readonly live: LiveAnswer;
  readonly read: () => number;
  readonly stopped: BulkheadError[];
  readonly deserted: () => number;
}

function watch(texts: readonly string[], failure?: Error, signal: AbortSignal = new AbortController().signal): Watched {
  let read = 0;
  let deserted = 0;
  const stopped: BulkheadError[] = [];
  async function* source(): AsyncGenerator<AnswerEvent> {
    for (const text of texts) {
      await tick();
      if (stopped.length > 0) throw stopped[0];
      read += 1;
      yield delta(text);
    }
    if (failure !== undefined) throw failure;
  }
  const live = new LiveAnswer(source(), (reason) => stopped.push(reason), () => (deserted += 1), signal);
  return { live, read: () => read, stopped, deserted: () => deserted };
}

async function hear(events: AsyncIterable<AnswerEvent>): Promise<AnswerEvent[]> {
  const heard: AnswerEvent[] = [];
  for await (const event of events) heard.push(event);
  return heard;
}

test("every listener hears all of it from the first word, whenever it came and however fast it reads", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ minLength: 1, maxLength: 4_000 }), { maxLength: 12 }), fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }), fc.boolean(), async (texts, arrivals, fails) => {
      const { live } = watch(texts, fails ? upstreamFailed("broken") : undefined);
      const listeners = arrivals.map(async (arrival) => {
        for (let waited = 0; waited < arrival; waited += 1) await tick();
        const heard: AnswerEvent[] = [];
        try {
          for await (const event of live.listen(new AbortController().signal)) {
            heard.push(event);
            if (arrival % 2 === 1) await tick();
          }
          return { heard, failed: false };
        } catch {
          return { heard, failed: true };
        }
      });
      const running = live.run();
      for (const { heard, failed } of await Promise.all(listeners)) expect([textOf(heard), failed]).toEqual([texts.join(""), fails]);
      await running;
    }),
    { numRuns: 60 },
  );
});

test("a listener that does not read holds the source back, and one that reads lets it go on", async () => {
  const { live, read } = watch(Array.from({ length: 100 }, () => "x".repeat(1_000)));
  const slow = live.listen(new AbortController().signal);
  const running = live.run();
  await slow.next();
  for (let waited = 0; waited < 300; waited += 1) await tick();
  expect(read()).toBeLessThan(25);
  expect(textOf(await hear(live.listen(new AbortController().signal)))).toHaveLength(100_000);
  await running;
});

test("the last listener to leave on purpose ends it, an earlier one does not", async () => {
  const { live, stopped, deserted } = watch(Array.from({ length: 1_000 }, () => "word "));
  const [first, second] = [new AbortController(), new AbortController()];
  const hearing = [first, second].map(({ signal }) => hear(live.listen(signal)).then(() => "ended", (error: unknown) => error));
  const running = live.run();
  await tick();
  first.abort(new ClientGone(false));
  await hearing[0];
  expect(stopped).toEqual([]);
  second.abort(new ClientGone(false));
  await Promise.all([hearing[1], running]);
  expect([stopped.length, deserted()]).toEqual([1, 0]);
});

test("a broken connection leaves it running to its end, and is told once", async () => {
  const { live, stopped, deserted, read } = watch(Array.from({ length: 50 }, () => "word "));
  const lost = new AbortController();
  const hearing = hear(live.listen(lost.signal)).catch(() => undefined);
  const running = live.run();
  await tick();
  lost.abort(new ClientGone(true));
  await Promise.all([hearing, running]);
  expect([stopped, deserted(), read()]).toEqual([[], 1, 50]);
  expect(textOf(await hear(live.listen(new AbortController().signal)))).toBe("word ".repeat(50));
});

test("a token's end and a suspension end it as leaving does", async () => {
  const { live, stopped } = watch(Array.from({ length: 1_000 }, () => "word "));
  const cut = new AbortController();
  const hearing = hear(live.listen(cut.signal)).catch((error: unknown) => error);
  const running = live.run();
  await tick();
  cut.abort(upstreamFailed("suspended"));
  await Promise.all([hearing, running]);
  expect(stopped).toHaveLength(1);
});

test("its deadline ends it though a listener that does not read holds it back", async () => {
  const ends = new AbortController();
  const { live } = watch(Array.from({ length: 100 }, () => "x".repeat(1_000)), undefined, ends.signal);
  const running = live.run();
  const slow = live.listen(new AbortController().signal);
  await slow.next();
  for (let waited = 0; waited < 100; waited += 1) await tick();
  ends.abort(upstreamFailed("over"));
  await running;
  await expect(hear(slow)).rejects.toThrow("over");
});
