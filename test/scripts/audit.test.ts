/** `npm run audit` without a server, and with an order that is none: one clear line each. */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { expect, test } from "vitest";

function audit(args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", "scripts/audit.ts", ...args], { cwd: resolve(import.meta.dirname, "../.."), env: { PATH: process.env["PATH"], HOME: process.env["HOME"] } });
  let [out, err] = ["", ""];
  child.stdout.on("data", (part: Buffer) => (out += part.toString()));
  child.stderr.on("data", (part: Buffer) => (err += part.toString()));
  return new Promise((done) => child.on("close", (code) => done({ code, out, err })));
}

test("where no server answers it says so in one line and fails", async () => {
  const { code, out, err } = await audit(["--url", "http://127.0.0.1:9", "--token", "any"]);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(/^SERVICE_UNAVAILABLE: No server answers at http:\/\/127\.0\.0\.1:9[^\n]*\n$/);
});

test.each(["0", "many", "1.5"])("a number of probes that is none is refused: %s", async (probes) => {
  const { code, err } = await audit(["--probes", probes, "--token", "any"]);
  expect(code).toBe(1);
  expect(err).toMatch(/^BAD_USER_INPUT: --probes[^\n]+\n/);
});
