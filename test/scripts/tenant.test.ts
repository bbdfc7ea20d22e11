import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { followMove, MoveProgress } from "../../scripts/tenant/follow-move.js";
import type { MoveView } from "../../scripts/tenant/operator-api.js";
import { TestServer } from "../acceptance/server.js";

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function shell(args: readonly string[], environment: Record<string, string>): Promise<Ended> {
  const child = spawn(process.execPath, ["--import", "tsx", "scripts/tenant.ts", ...args], {
    cwd: resolve(import.meta.dirname, "../.."),
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...environment },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (part: Buffer) => (out += part.toString()));
  child.stderr.on("data", (part: Buffer) => (err += part.toString()));
  return new Promise((done) => child.on("close", (code) => done({ code, out, err })));
}

describe("npm run tenant, against a running server", () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await TestServer.start();
  });
  afterAll(() => server.stop());

  const tenant = (...args: string[]): Promise<Ended> => shell([...args, "--url", server.url], { DATA_DIR: server.dataDir });

  test("creates a tenant, FREE unless told otherwise, and says CONFLICT in one line for a name that is taken", async () => {
    expect(await tenant("create", "ivy", "--name", "Ivy & Sons")).toEqual({ code: 0, out: "ivy (Ivy & Sons): FREE, ACTIVE, POOL\n", err: "" });
    const again = await tenant("create", "ivy");
    expect(again).toMatchObject({ code: 1, out: "" });
    expect(again.err).toMatch(/^CONFLICT: [^\n]+\n$/);
  });

  test("creates a tenant of ENTERPRISE and returns when its silo is there", async () => {
    const created = await tenant("create", "oak", "--tier", "enterprise");
    expect(created).toMatchObject({ code: 0, err: "" });
    expect(created.out).toMatch(/oak \(oak\): ENTERPRISE, ACTIVE, SILO \(own credential, key version 1\)\n$/);
  });

  test("upgrades a step at a time, follows the move into the silo phase by phase, and moves back by a downgrade", async () => {
    await server.createTenant("yew", "FREE");
    await server.ingest({ tenant: "yew" }, "Prices", "# Prices\n\nA pallet of cement costs 214 EUR.");
    expect(await tenant("upgrade", "yew")).toMatchObject({ code: 0, out: "yew (Tenant yew): PRO, ACTIVE, POOL\n" });
    const up = await tenant("upgrade", "yew");
    expect(up).toMatchObject({ code: 0, err: "" });
    const lines = up.out.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^yew: moving from POOL to SILO as ENTERPRISE \(mov_/);
    // A pipe is no terminal: no escape sequences, and a line for the end that says what was copied.
    expect(up.out).not.toContain("\r");
    expect(lines.at(-2)).toMatch(/^DONE (\d+)\/\1 rows, [\d.]+ rows\/s, writes waited [\d.]+ ms$/);
    expect(lines.at(-1)).toBe("yew (Tenant yew): ENTERPRISE, ACTIVE, SILO (own credential, key version 1)");
    expect((await server.must({ tenant: "yew" }, "{ documents { nodes { title } } }"))["documents"]?.["nodes"]).toEqual([{ title: "Prices" }]);
    expect((await tenant("upgrade", "yew")).err).toMatch(/^BAD_USER_INPUT: [^\n]*ENTERPRISE[^\n]*\n$/);
    const down = await tenant("downgrade", "yew", "--tier", "FREE");
    expect(down.out).toMatch(/yew \(Tenant yew\): FREE, ACTIVE, POOL\n$/);
  }, 60_000);

  test("suspends, so that the tenant's callers are refused, and reactivates", async () => {
    await server.createTenant("ash", "FREE");
    expect((await tenant("suspend", "ash")).out).toBe("ash (Tenant ash): FREE, SUSPENDED, POOL\n");
    expect((await server.ask({ tenant: "ash" }, "{ viewer { tier } }")).errors[0]?.extensions["code"]).toBe("TENANT_SUSPENDED");
    expect((await tenant("reactivate", "ash")).code).toBe(0);
    expect((await server.ask({ tenant: "ash" }, "{ viewer { tier } }")).errors).toEqual([]);
  });

  test("takes a token that is given instead of signing one", async () => {
    const token = await server.token("operator");
    const strange = mkdtempSync(join(tmpdir(), "bulkhead-tenant-"));
    try {
      const given = await shell(["create", "elder", "--url", server.url, "--token", token], { DATA_DIR: strange });
      expect(given).toMatchObject({ code: 0, err: "" });
      const own = await shell(["create", "rowan", "--url", server.url], { DATA_DIR: strange });
      expect(own.code).toBe(1);
      expect(own.err).toMatch(/^UNAUTHENTICATED: [^\n]*DATA_DIR[^\n]*\n$/);
    } finally {
      rmSync(strange, { recursive: true, force: true });
    }
  });

  test.each([
    ["an unknown tenant", ["upgrade", "nobody"], /^NOT_FOUND: Tenant not found\n$/],
    ["a hostile name", ["create", "../x"], /^BAD_USER_INPUT: tenantId: [^\n]+\n$/],
    ["an unknown tier", ["create", "alder", "--tier", "GOLD"], /^BAD_USER_INPUT: --tier: got "GOLD", expected FREE, PRO, ENTERPRISE\n$/],
    ["no name", ["suspend"], /^BAD_USER_INPUT: NAME: got nothing, expected one tenant\n$/],
    ["an upgrade to a lower tier", ["upgrade", "pro-tenant", "--tier", "FREE"], /^BAD_USER_INPUT: --tier: got FREE, [^\n]+\n$/],
    ["an unknown command", ["promote", "alder"], /^BAD_USER_INPUT: command: [^\n]+\nUsage: /],
  ])("ends with code 1 and one clear line for %s", async (_name, args, expected) => {
    if (args.includes("pro-tenant")) await server.createTenant("pro-tenant", "PRO");
    const ended = await tenant(...args);
    expect(ended).toMatchObject({ code: 1, out: "" });
    expect(ended.err).toMatch(expected);
  });

  test("erases only when told --yes, prints the receipt, and says CONFLICT to whatever is asked of it later", async () => {
    await server.createTenant("larch", "FREE");
    await server.ingest({ tenant: "larch" }, "Prices", "# Prices\n\nA pallet of cement costs 214 EUR.");
    const unsure = await tenant("erase", "larch");
    expect(unsure).toMatchObject({ code: 1, out: "" });
    expect(unsure.err).toMatch(/^BAD_USER_INPUT: --yes: [^\n]+\n$/);
    expect((await server.ask({ tenant: "larch" }, "{ viewer { tier } }")).status).toBe(200);
    const erased = await tenant("erase", "larch", "--yes");
    expect(erased).toMatchObject({ code: 0, err: "" });
    expect(erased.out).toMatch(/^larch: erasure COMPLETE, searched again at \S+$/m);
    expect(erased.out).toMatch(/^ {2}removed +pool: 1 rows of documents$/m);
    expect(erased.out).toMatch(/^ {2}kept +the id larch in the directory/m);
    expect((await server.ask({ tenant: "larch" }, "{ viewer { tier } }")).status).toBe(401);
    expect((await tenant("upgrade", "larch")).err).toMatch(/^CONFLICT: The tenant larch is erased\n$/);
  }, 60_000);

  test("rotates the key of a tenant in a silo, and says CONFLICT for one in the pool", async () => {
    await server.createTenant("maple", "ENTERPRISE");
    const inSilo = async (): Promise<boolean> => (await server.untilPlaced("maple")) === "SILO";
    while (!(await inSilo()));
    await server.ingest({ tenant: "maple" }, "Prices", "# Prices\n\nA pallet of cement costs 214 EUR.");
    const rotated = await tenant("rotate-key", "maple");
    expect(rotated).toMatchObject({ code: 0, err: "" });
    expect(rotated.out).toMatch(/^maple: \d+ rows are sealed with key version 2, and the old key is destroyed\n$/m);
    await server.createTenant("nutmeg", "FREE");
    expect((await tenant("rotate-key", "nutmeg")).err).toMatch(/^CONFLICT: [^\n]*lives in the pool[^\n]*\n$/);
    expect((await tenant("cancel", "nutmeg")).err).toMatch(/^BAD_USER_INPUT: NAME: [^\n]*never moved[^\n]*\n$/);
    expect((await tenant("revert", "maple")).err).toMatch(/^CONFLICT: [^\n]+\n$/);
  }, 60_000);

  test("says where it looked when no server answers, and when what answers is no Bulkhead", async () => {
    const other = createServer((_request, response) => response.end("<html>Hello</html>"));
    await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const html = await shell(["suspend", "ash", "--url", url], { DATA_DIR: server.dataDir });
    await new Promise((done) => other.close(done));
    expect(html.code).toBe(1);
    expect(html.err).toMatch(/^UPSTREAM_FAILED: [^\n]+expected a Bulkhead server\n$/);
    const nobody = await shell(["suspend", "ash", "--url", url], { DATA_DIR: server.dataDir });
    expect(nobody.code).toBe(1);
    expect(nobody.err).toMatch(new RegExp(`^SERVICE_UNAVAILABLE: No server answers at ${url}[^\\n]*\\n$`));
  });
});

describe("the progress of a move", () => {
  const move: MoveView = { id: "mov_1", from: "POOL", to: "SILO", phase: "COPYING", copied: 60, total: 120, rowsPerSecond: 350.5, estimatedSecondsLeft: 70.2, writePauseMs: null, reverting: false, failure: null };

  test("is a bar drawn over itself on a terminal", () => {
    const written: string[] = [];
    const progress = new MoveProgress({ isTTY: true, write: (text) => written.push(text) });
    progress.show(move);
    progress.show({ ...move, phase: "OBSERVING", reverting: true, estimatedSecondsLeft: null });
    progress.show({ ...move, phase: "DONE", copied: 120, estimatedSecondsLeft: null, writePauseMs: 7.5 });
    progress.end();
    expect(written).toEqual([
      "\r\u001b[2Kcopying       [############------------] 60/120 rows, 350.5 rows/s, 1 min 11 s left",
      "\r\u001b[2Kback: observing [########################] 60/120 rows, 350.5 rows/s",
      "\r\u001b[2Kdone          [########################] 120/120 rows, 350.5 rows/s, writes waited 7.5 ms",
      "\n",
    ]);
  });

  test("is a line for each phase elsewhere, and one every 2 s within a long phase", () => {
    const written: string[] = [];
    let now = 0;
    const progress = new MoveProgress({ write: (text) => written.push(text) }, () => now);
    for (now = 0; now <= 2_400; now += 200) progress.show(move);
    progress.show({ ...move, phase: "VERIFYING" });
    progress.end();
    expect(written).toEqual(["COPYING 60/120 rows, 350.5 rows/s, 1 min 11 s left\n", "COPYING 60/120 rows, 350.5 rows/s, 1 min 11 s left\n", "VERIFYING 60/120 rows, 350.5 rows/s, 1 min 11 s left\n"]);
  });

  test("ends in an error with the server's reason when the move is given up", async () => {
    const api = { move: () => Promise.resolve({ ...move, phase: "FAILED", failure: "VERIFYING: the counts differ" }) };
    await expect(followMove(api, move, new MoveProgress({ write: () => true }))).rejects.toMatchObject({ code: "UPSTREAM_FAILED", message: expect.stringContaining("the counts differ") });
  });
});
