/** Servers that are stopped (SIGSTOP) in the middle of something, and go on when a move has passed over them. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { newId, type DocumentId } from "../../src/kernel/ids.js";
import { Child } from "../support/child.js";
import { MoveStage } from "../support/move-stage.js";
import { dumpOf, expireLease, orphansOf } from "../support/move-traces.js";
import { startGuardedEngine } from "../support/silo-fixture.js";
import type { StopAt, WriteErrand, WriteNews } from "../support/write-worker.js";

/** The engine ends a transaction that nobody goes on with after this; MongoDB's minute would only make the proof long. */
const transactionLifetimeMs = 3_000;
/**
 * While the stopped writer holds its stripe, others wait for a pause that is given up, and no longer:
 * 400 ms, and what a busy machine adds. One that has written holds the tenant's row of totals too,
 * which is one for all servers because caps are counted there: then the database decides for how long.
 */
const othersWaitMsMax = { BEFORE_FENCE: 2_500, AFTER_FENCE: 2_500, BEFORE_COMMIT: 2_500 + transactionLifetimeMs } as const satisfies Record<StopAt, number>;
const loadPauseMs = 40;
/** A sleeper has its stale move noticed at its next step; what it would still do, it does within this. */
const awakeMs = 3_000;

let stage: MoveStage;

beforeAll(async () => {
  stage = await MoveStage.start(await startGuardedEngine({ tcp: true, transactionLifetimeMs }));
});
afterAll(() => stage.close());

describe("a server that is stopped in the middle of a write, across a switch", () => {
  test.each<{ readonly stopAt: StopAt; readonly deadlineMs: number }>([
    { stopAt: "BEFORE_FENCE", deadlineMs: 60_000 },
    { stopAt: "AFTER_FENCE", deadlineMs: 60_000 },
    { stopAt: "BEFORE_COMMIT", deadlineMs: 60_000 },
    { stopAt: "AFTER_FENCE", deadlineMs: 2_000 },
  ])("$stopAt with $deadlineMs ms to go: its write fails or lands once, as it says, and others have written meanwhile", async ({ stopAt, deadlineMs }) => {
    const { tenant, moveId } = await stage.begun("STILL");
    const documentId = newId<DocumentId>("document");
    const child = Child.start<WriteNews>("./write-worker.ts", [stage.engine.uri, `sleeper-${documentId}`]);
    try {
      expect(await child.hear()).toBe("READY");
      child.tell({ tenant: tenant.id, documentId, title: "Of the sleeper", stopAt, deadlineMs } satisfies WriteErrand);
      expect(await child.hear()).toBe("STOPPING");
      await child.untilStopped();
      tenant.begin(loadPauseMs);
      const startedAt = performance.now();
      await stage.helper.mover().drive(moveId);
      const movedMs = performance.now() - startedAt;
      expect(await stage.helper.control.moves.find(moveId)).toMatchObject({ phase: "DONE" });
      // Beyond its own deadline too, where that is short: then it must not come back with a success that is none.
      await sleep(Math.max(0, Math.min(deadlineMs, 3_000) - movedMs));
      child.process.kill("SIGCONT");
      const news = await child.hear();
      await tenant.stop();
      const deadline = Deadline.after(10_000);
      const context = await stage.observer.context(tenant.id);
      const found = await stage.observer.router.read(context, deadline, (store) => store.documents.page({ first: 100 }, { titleContains: "Of the sleeper" }));
      deadline.dispose();
      const move = await stage.helper.control.moves.find(moveId);
      process.stdout.write(`${stopAt}, ${deadlineMs} ms: moved in ${movedMs.toFixed(0)} ms with a pause of ${move?.pauseMs} ms, others wrote ${tenant.writes} rounds, longest wait ${tenant.longestWriteMs.toFixed(0)} ms; the sleeper was told ${JSON.stringify(news)}\n`);
      expect(typeof news).toBe("object");
      expect(found.items.map(({ item }) => item.id)).toEqual(typeof news === "object" && news.outcome === "DONE" ? [documentId] : []);
      expect(tenant.failures).toEqual([]);
      expect(tenant.longestWriteMs).toBeLessThan(othersWaitMsMax[stopAt]);
      expect(await orphansOf(stage.engine.root, stage.observer, tenant.id)).toEqual([]);
    } finally {
      await tenant.stop();
      await child.kill();
    }
  }, 120_000);
});

describe("a mover that is stopped while another ends its move", () => {
  test.each(["SWITCHING source closed", "SWITCHING verified", "SWITCHING target open", "RETIRING begins"])("at %s changes nothing when it goes on", async (point) => {
    const { tenant, moveId } = await stage.begun();
    const child = stage.child();
    try {
      await stage.send(child, { moveId, journey: "THERE", key: `THERE: ${point.split(" ")[0]}: ${point}`, signal: "SIGSTOP" }, async () => undefined);
      await child.untilStopped();
      await expireLease(stage.engine.root, tenant.id);
      await stage.helper.mover().drive(moveId);
      expect(await stage.helper.control.moves.find(moveId)).toMatchObject({ phase: "DONE" });
      await tenant.write();
      await tenant.stop();
      const before = await dumpOf(stage.engine.root, tenant.id);
      child.process.kill("SIGCONT");
      await Promise.race([child.hear(), sleep(awakeMs)]);
      expect(await dumpOf(stage.engine.root, tenant.id)).toBe(before);
      process.stdout.write(`stopped at ${point}: longest wait of a write ${tenant.longestWriteMs.toFixed(0)} ms\n`);
      await stage.finish(tenant, moveId, ["DONE"]);
    } finally {
      await tenant.stop();
      await child.kill();
    }
  }, 120_000);
});
