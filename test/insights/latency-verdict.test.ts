import { describe, expect, it } from "vitest";
import { judge, type TenantWindow } from "../../src/insights/latency-verdict.js";
import { TenantFigures } from "../../src/insights/tenant-figures.js";
import type { Holder, SharedStage } from "../../src/insights/timed-request.js";
import type { TenantId } from "../../src/kernel/ids.js";
import type { StageName } from "../../src/kernel/stage-clock.js";

type Stages = Partial<Record<StageName, number>>;
const usual: Stages = { auth: 1, embed: 15, search: 20, first_token: 120, stream: 40, settle: 4 };

function figuresOf(requests: number, stages: Stages, holders: readonly Holder[] = [], stage: SharedStage = "queue_wait"): TenantFigures {
  const figures = new TenantFigures();
  for (let at = 0; at < requests; at += 1) {
    // Requests differ by some percent, as they do.
    const list = Object.entries(stages).map(([name, ms]) => ({ name: name as StageName, ms: ms * (0.9 + 0.2 * ((at % 10) / 10)) }));
    figures.request({ totalMs: list.reduce((sum, { ms }) => sum + ms, 0), stages: list });
  }
  if (holders.length > 0) figures.hold(stage, holders);
  return figures;
}

function windowOf(tenant: string, now: TenantFigures, before = figuresOf(200, usual)): TenantWindow {
  return { tenant, now, before };
}

const holder = (tenantId: string, work: Holder["work"], ms: number): Holder => ({ tenantId: tenantId as TenantId, work, ms });
const quiet = (tenant: string): TenantWindow => windowOf(tenant, figuresOf(50, usual));
const none = new TenantFigures();

const summaryBy = (work: "ELSEWHERE" | "RATES" | "OTHERS"): string => judge([windowOf("a", figuresOf(50, { ...usual, queue_wait: 600 }, [{ work, ms: 25_000 }, holder("b", "MOVE", 1_000)])), quiet("b"), quiet("c")]).summary;

describe("the verdict on a stretch of time", () => {
  it("says nobody when all are as usual", () => {
    expect(judge([quiet("a"), quiet("b")])).toMatchObject({ scope: "NOBODY", slowTenants: [], because: [], summary: expect.stringContaining("Nobody is slow: of 2 tenants") });
    expect(judge([quiet("a")]).stage).toBeUndefined();
  });

  it.each([[0], [1], [19]])("says that %i requests are too few to say, however slow", (requests) => {
    const verdict = judge([windowOf("a", figuresOf(requests, { ...usual, first_token: 5_000 }))]);
    expect(verdict).toMatchObject({ scope: "NOBODY", summary: "Too few requests to say: no tenant had 20 in this time" });
  });

  it("says nothing of nobody at all", () => {
    expect(judge([])).toMatchObject({ scope: "NOBODY", summary: expect.stringContaining("Too few requests") });
  });

  it("says everyone, in the first token, when the provider is slow", () => {
    const verdict = judge(["a", "b", "c"].map((tenant) => windowOf(tenant, figuresOf(40, { ...usual, first_token: 900 }))));
    expect(verdict).toMatchObject({ scope: "EVERYONE", stage: "first_token", slowTenants: ["a", "b", "c"], because: [] });
    expect(verdict.summary).toBe("It is slow for everyone (3 tenants) in first_token (891 ms a request, usually 119 ms): the model's back ends begin late");
  });

  it("names the tenant itself when it waits behind its own flood", () => {
    const flooded = windowOf("a", figuresOf(300, { ...usual, queue_wait: 2_000 }, [holder("a", "INTERACTIVE", 540_000), holder("b", "INTERACTIVE", 60_000)]));
    const verdict = judge([flooded, quiet("b"), quiet("c")]);
    expect(verdict).toMatchObject({ scope: "ONE_TENANT", stage: "queue_wait", slowTenants: ["a"] });
    expect(verdict.because[0]).toMatchObject({ tenant: "a", work: "INTERACTIVE", share: 0.9 });
    expect(verdict.summary).toContain("Only a is slow in queue_wait");
    expect(verdict.summary).toContain("its own INTERACTIVE work held 90 % of the slots");
  });

  it("names the flooder when it is its neighbour that is slow", () => {
    const slow = windowOf("a", figuresOf(60, { ...usual, queue_wait: 400 }, [holder("b", "INTERACTIVE", 18_000), holder("a", "INTERACTIVE", 6_000)]));
    const flooder = windowOf("b", figuresOf(2_000, { ...usual, queue_wait: 3_000 }, [holder("b", "INTERACTIVE", 6_000_000)]));
    const verdict = judge([slow, flooder, quiet("c"), quiet("d")]);
    expect(verdict).toMatchObject({ scope: "SOME_TENANTS", stage: "queue_wait", slowTenants: ["a", "b"] });
    expect(verdict.because[0]).toMatchObject({ tenant: "b" });
    expect(judge([slow, quiet("b"), quiet("c")])).toMatchObject({ scope: "ONE_TENANT", slowTenants: ["a"], because: [{ tenant: "b", share: 0.75 }, { tenant: "a", share: 0.25 }] });
  });

  it("names whose documents are taken in when embedding is slow beside them", () => {
    const slow = windowOf("a", figuresOf(50, { ...usual, embed: 300 }, [holder("c", "INGEST", 12_000), holder("b", "INTERACTIVE", 300)], "embed"));
    const verdict = judge([slow, quiet("b"), quiet("c")]);
    expect(verdict).toMatchObject({ scope: "ONE_TENANT", stage: "embed", slowTenants: ["a"], because: [{ tenant: "c", work: "INGEST" }] });
    expect(verdict.summary).toContain("c's INGEST work held");
  });

  it("names nobody for an embedding that was slow beside nearly nothing", () => {
    const slow = windowOf("a", figuresOf(50, { ...usual, embed: 300 }, [holder("c", "INGEST", 100)], "embed"));
    expect(judge([slow, quiet("b"), quiet("c")])).toMatchObject({ stage: "embed", because: [] });
  });

  it("names no tenant where other servers, rates or many small ones took the slots", () => {
    expect(summaryBy("ELSEWHERE")).toContain("other servers had 96 % of the slots");
    expect(summaryBy("RATES")).toContain("the provider's rates took 96 %");
    expect(summaryBy("OTHERS")).toContain("many tenants together held 96 %");
  });

  it("judges a tenant without a usual by its wait alone, and not by a model that may always be so slow", () => {
    expect(judge([windowOf("a", figuresOf(50, { ...usual, first_token: 5_000 }), none)])).toMatchObject({ scope: "NOBODY" });
    const waiting = judge([windowOf("a", figuresOf(50, { ...usual, first_token: 300, queue_wait: 900 }, [holder("b", "INTERACTIVE", 45_000)]), none)]);
    expect(waiting).toMatchObject({ scope: "ONE_TENANT", stage: "queue_wait", because: [{ tenant: "b", share: 1 }] });
    expect(waiting.summary).not.toContain("usually");
  });

  it("takes twice a few milliseconds for nothing, and half as much again of many for something", () => {
    const short: Stages = { auth: 1, search: 9 };
    expect(judge([windowOf("a", figuresOf(50, { auth: 1, search: 25 }), figuresOf(200, short))])).toMatchObject({ scope: "NOBODY" });
    expect(judge([windowOf("a", figuresOf(50, { ...usual, search: 170 }))])).toMatchObject({ scope: "ONE_TENANT", stage: "search" });
    expect(judge([windowOf("a", figuresOf(50, { ...usual, search: 90 }))])).toMatchObject({ scope: "NOBODY" });
  });

  it("leaves out holders of less than a twentieth, and tells of five at most", () => {
    const holders = [holder("f", "INTERACTIVE", 30_000), ...Array.from({ length: 9 }, (_, at) => holder(`s${at}`, "INTERACTIVE", at < 6 ? 4_000 : 100))];
    const { because } = judge([windowOf("a", figuresOf(50, { ...usual, queue_wait: 1_200 }, holders))]);
    expect(because.length).toBe(5);
    expect(because[0]).toMatchObject({ tenant: "f" });
    expect(because.every(({ share }) => share >= 0.05)).toBe(true);
  });

  it("does not count the silence of an open stream as slowness", () => {
    expect(judge([windowOf("a", figuresOf(50, { ...usual, watch: 60_000 }))])).toMatchObject({ scope: "NOBODY" });
  });
});
