import { request } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DemoTokens } from "../../src/gateway/demo-tokens.js";
import { startHarness, type Harness } from "./harness.js";

const path = "/console/demo-tokens.json";
const demoTokens = () => Promise.resolve([{ who: "Acme (acme, PRO, admin)", token: "a.b.c" }]);

/** By node:http: fetch refuses to send a Host or an Origin of the caller's choice. */
function ask(url: string, headers: Record<string, string> = {}, method = "GET"): Promise<{ status: number; text: string; headers: IncomingMessage["headers"] }> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    request({ hostname, port, path, method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part)).on("end", () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
    }).on("error", reject).end();
  });
}

/** As far as it is looked at; no other machine is at hand. */
const requestFrom = (remoteAddress: string): IncomingMessage => ({ method: "GET", headers: { host: "127.0.0.1:4000" }, socket: { remoteAddress } }) as unknown as IncomingMessage;

describe("ready tokens for the console's sign-in, in development", () => {
  let harness: Harness;
  let host: string;
  beforeAll(async () => {
    harness = await startHarness({ demoTokens });
    host = new URL(harness.url).host;
  });
  afterAll(() => harness.gateway.drain());

  test("are given to the console's own page on this machine, and kept by no cache", async () => {
    const { status, text, headers } = await ask(harness.url, { origin: `http://${host}`, "sec-fetch-site": "same-origin" });
    expect([status, JSON.parse(text)]).toEqual([200, { tokens: await demoTokens() }]);
    expect([headers["cache-control"], headers["cross-origin-resource-policy"], headers["access-control-allow-origin"]]).toEqual(["no-store", "same-origin", undefined]);
    expect((await ask(harness.url, { host: `localhost:${host.split(":")[1]}` })).status).toBe(200);
  });

  test.each<[string, Record<string, string>]>([
    ["a name that was rebound to loopback", { host: "attacker.example:4000" }],
    ["a name that begins like loopback", { host: "localhost.attacker.example" }],
    ["a name that ends like loopback", { host: "attacker-localhost" }],
    ["another site's page", { origin: "https://attacker.example" }],
    ["a page of another port of this machine", { origin: "http://127.0.0.1:9", "sec-fetch-site": "same-site" }],
    ["a page that a frame or a file hides behind no origin", { origin: "null" }],
    ["another site's page whose browser sends no origin with GET", { "sec-fetch-site": "cross-site" }],
    ["another port's page whose browser sends no origin with GET", { "sec-fetch-site": "same-site" }],
    ["a caller behind a proxy on this machine", { "x-forwarded-for": "203.0.113.9" }],
    ["a caller behind a proxy that tells the host alone", { "x-forwarded-host": "demo.example" }],
    ["a caller behind a proxy that names itself", { via: "1.1 edge" }],
    ["a caller behind a proxy that says so by RFC 7239", { forwarded: "for=203.0.113.9" }],
  ])("are refused as missing to %s", async (_who, headers) => {
    const { status, text } = await ask(harness.url, headers);
    expect([status, text]).toEqual([404, "Not found\n"]);
  });

  test("are refused as missing behind nginx as it comes: its upstream as Host, no header of its own, HTTP/1.0", async () => {
    const { hostname, port } = new URL(harness.url);
    const socket = connect(Number(port), hostname);
    socket.end(`GET ${path} HTTP/1.0\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    let answer = "";
    for await (const part of socket) answer += String(part);
    expect(answer.split("\r\n")[0]).toBe("HTTP/1.1 404 Not Found");
  });

  test("are read only: any other method is 404", async () => {
    expect((await ask(harness.url, {}, "POST")).status).toBe(404);
  });

  test("are refused as missing to another machine", async () => {
    const answered: { status?: number } = {};
    const response = { writeHead: (status: number) => { answered.status = status; return { end: () => undefined }; } } as unknown as ServerResponse;
    await new DemoTokens(demoTokens).serve(requestFrom("192.168.1.7"), response);
    expect(answered.status).toBe(404);
    await new DemoTokens(demoTokens).serve(requestFrom("::ffff:127.0.0.1"), response);
    expect(answered.status).toBe(200);
  });
});

test("in production there are none, even where a source of them was wired by mistake", async () => {
  const harness = await startHarness({ production: true, demoTokens: () => Promise.reject(new TypeError("asked in production")) });
  const { status, text } = await ask(harness.url, { "sec-fetch-site": "same-origin" });
  await harness.gateway.drain();
  expect([status, text]).toEqual([404, "Not found\n"]);
});
