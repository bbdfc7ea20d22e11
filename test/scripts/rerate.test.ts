import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestServer, type Json } from "../acceptance/server.js";

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface BookVersion {
  readonly version: string;
  readonly embedding: Readonly<Record<string, { readonly microUsdPerMillionTokens: number }>>;
}

describe("npm run rerate, against a running server", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
    await server.createTenant("maple", "PRO");
    // Long enough for its embedding to cost more than the one micro-dollar that everything costs at least.
    const question = "What does a pallet of cement cost? ".repeat(30);
    await server.must({ tenant: "maple" }, "query ($query: String!) { search(input: { query: $query, mode: VECTOR }) { ... on SearchResult { mode } } }", { query: question });
  });
  afterAll(() => server.stop());

  function rerate(...args: string[]): Promise<Ended> {
    const child = spawn(process.execPath, ["--import", "tsx", "scripts/rerate.ts", ...args, "--url", server.url], {
      cwd: resolve(import.meta.dirname, "../.."),
      env: { PATH: process.env["PATH"], HOME: process.env["HOME"], DATA_DIR: server.dataDir },
    });
    let [out, err] = ["", ""];
    child.stdout.on("data", (part: Buffer) => (out += part.toString()));
    child.stderr.on("data", (part: Buffer) => (err += part.toString()));
    return new Promise((done) => child.on("close", (code) => done({ code, out, err })));
  }

  const usageNow = (): Promise<Json> => server.must({ tenant: "maple" }, "{ usage { total { calls promptTokens costMicroUsd } } }");
  const exportNow = (): Promise<Json> => server.must({ tenant: "maple" }, "mutation { exportUsage(input: {}) { csv rows truncated } }");
  const thisYear = new Date().getUTCFullYear();
  const span = ["--from", `${thisYear}-01-01`, "--to", `${thisYear + 1}-01-01`];

  test("corrects what a superseded price has cost, once, and usage and export say so", async () => {
    const before = (await usageNow())["usage"]?.["total"];
    const cost = Number(before?.["costMicroUsd"]);
    expect(cost).toBeGreaterThan(0);
    const file = join(server.dataDir, "tenants", "prices.json");
    const { versions } = JSON.parse(readFileSync(file, "utf8")) as { versions: BookVersion[] };
    const wrong = versions.at(-1);
    if (wrong === undefined) throw new TypeError("The price book has no version");
    const embedding = Object.fromEntries(Object.entries(wrong.embedding).map(([model, { microUsdPerMillionTokens }]) => [model, { microUsdPerMillionTokens: microUsdPerMillionTokens * 1_000 }]));
    writeFileSync(file, JSON.stringify({ versions: [...versions, { ...wrong, version: `${wrong.version}.1`, supersedes: wrong.version, embedding }] }));
    await server.restart();

    expect((await rerate(...span, "--dry-run")).out).toMatch(/^1 calls, 1 would be corrected, \$0\.00\d+ in all\n$/);
    expect((await usageNow())["usage"]?.["total"]).toEqual(before);
    const done = await rerate(...span, "--tenant", "maple");
    expect(done).toMatchObject({ code: 0, err: "", out: expect.stringMatching(/^1 calls, 1 were corrected, \$0\.00\d+ in all\n$/) });
    expect((await rerate(...span)).out).toBe("1 calls, 0 were corrected, $0.000000 in all\n");

    const after = (await usageNow())["usage"]?.["total"];
    expect(after).toMatchObject({ calls: Number(before?.["calls"]), promptTokens: Number(before?.["promptTokens"]) });
    expect(Number(after?.["costMicroUsd"])).toBeGreaterThan(cost * 100);
    const exported = (await exportNow())["exportUsage"];
    expect(exported).toMatchObject({ rows: 2, truncated: false });
    expect(String(exported?.["csv"])).toContain(`,${wrong.version}.1,`);
  }, 90_000);

  test("says in one line what is wrong", async () => {
    expect(await rerate("--from", "2026-02-01", "--to", "2026-01-01")).toMatchObject({ code: 1, err: expect.stringMatching(/^BAD_USER_INPUT: from: [^\n]+\n$/) });
  }, 60_000);
});
