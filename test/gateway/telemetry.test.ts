import { expect, test } from "vitest";
import { ProcessTelemetry } from "../../src/observability/telemetry.js";

function recorded(level: "debug" | "info" = "info") {
  const lines: string[] = [];
  return { lines, telemetry: new ProcessTelemetry(level, { write: (line: string) => void lines.push(line) }) };
}

test("logs are JSON lines of the asked level, and texts of users are withheld", () => {
  const { lines, telemetry } = recorded();
  telemetry.log("debug", "quiet");
  telemetry.log("info", "asked", { requestId: "req_1", question: "my salary?", input: { text: "secret", tokens: 3 }, token: "ey" });
  expect(lines).toHaveLength(1);
  const line = JSON.parse(lines[0] ?? "") as Record<string, unknown>;
  expect(line).toMatchObject({ msg: "asked", requestId: "req_1", question: "[withheld]", token: "[withheld]", input: { text: "[withheld]", tokens: 3 } });
  expect(lines[0]).not.toMatch(/salary|secret/);
});

test("metrics carry what was counted and observed, and take labels of any kind without failing a request", async () => {
  const { telemetry } = recorded();
  telemetry.count("asks", { outcome: "OK" }, 2);
  telemetry.count("asks", { outcome: "REFUSED", tier: "not a label of this metric" });
  telemetry.count("asks");
  telemetry.observe("ask_ms", 12, { model: "m" });
  const { text, contentType } = await telemetry.metrics();
  expect(contentType).toContain("text/plain");
  expect(text).toContain('bulkhead_asks_total{outcome="OK"} 2');
  expect(text).toContain('bulkhead_asks_total{outcome="REFUSED"} 1');
  expect(text).toContain('bulkhead_asks_total{outcome=""} 1');
  expect(text).toContain('bulkhead_ask_ms_bucket{le="25",model="m"} 1');
});

test("a label that varies by request does not fill memory", async () => {
  const { telemetry } = recorded();
  for (let i = 0; i < 2_100; i += 1) telemetry.count("probes", { path: `/${i}` });
  const { text } = await telemetry.metrics();
  expect(text.match(/bulkhead_probes_total\{/g)).toHaveLength(2_001);
  expect(text).toContain('bulkhead_probes_total{path="other"} 100');
});

test("alarms are logged, counted and kept, the last 200 of them", async () => {
  const { lines, telemetry } = recorded();
  for (let i = 0; i < 201; i += 1) telemetry.alarm("tenant_mismatch", { at: i });
  expect(telemetry.recentAlarms()).toHaveLength(200);
  expect(telemetry.recentAlarms()[0]?.fields).toEqual({ at: 1 });
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ alarm: "tenant_mismatch", level: 50 });
  expect((await telemetry.metrics()).text).toContain('bulkhead_alarms_total{name="tenant_mismatch"} 201');
});
