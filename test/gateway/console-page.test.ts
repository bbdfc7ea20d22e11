import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHarness, type Harness } from "./harness.js";

let harness: Harness;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bulkhead-console-"));
  harness = await startHarness({ consoleFolder: join(folder, "console") });
});
afterAll(async () => {
  await harness.gateway.drain();
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Response> => fetch(`${harness.url}${path}`, { method, headers, redirect: "manual" });

test("a console that is not built is 404 with one clear line, and is served as soon as it is built", async () => {
  const before = await get("/console/");
  expect([before.status, await before.text()]).toEqual([404, "The console is not built: run npm run build\n"]);
  mkdirSync(join(folder, "console", "assets"), { recursive: true });
  writeFileSync(join(folder, "console", "index.html"), "<p>the page</p>");
  writeFileSync(join(folder, "console", "mark.svg"), "<svg/>");
  writeFileSync(join(folder, "console", "assets", "index-AbCd_1-9.js"), "run()");
  writeFileSync(join(folder, "secret.txt"), "outside");
  const after = await get("/console/");
  expect([after.status, await after.text()]).toEqual([200, "<p>the page</p>"]);
});

test("every address of the page is the page, revalidated each time; /console leads to it", async () => {
  for (const path of ["/console/", "/console/chat", "/console/tenants/acme", "/console/index.html"]) {
    const response = await get(path);
    expect([path, response.status, response.headers.get("content-type"), response.headers.get("cache-control")]).toEqual([path, 200, "text/html; charset=utf-8", "no-cache"]);
  }
  const bare = await get("/console");
  expect([bare.status, bare.headers.get("location")]).toEqual([308, "/console/"]);
});

test("the page may ask this server alone, run only its scripts, and be framed by nobody", async () => {
  const policy = (await get("/console/")).headers.get("content-security-policy") ?? "";
  const directives = new Map(policy.split("; ").map((directive) => [directive.split(" ")[0], directive.split(" ").slice(1)]));
  expect(directives.get("default-src")).toEqual(["'none'"]);
  expect(directives.get("frame-ancestors")).toEqual(["'none'"]);
  for (const name of ["script-src", "style-src", "img-src", "connect-src"]) expect([name, directives.get(name)]).toEqual([name, ["'self'"]]);
  expect(policy).not.toMatch(/unsafe|\*|https?:|wss?:/);
});

test("a file with a hash in its name is kept for good, another is not, and what is missing is 404", async () => {
  const hashed = await get("/console/assets/index-AbCd_1-9.js");
  expect([hashed.status, hashed.headers.get("content-type"), hashed.headers.get("cache-control")]).toEqual([200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"]);
  expect((await get("/console/mark.svg")).headers.get("cache-control")).toBe("no-cache");
  const missing = await get("/console/assets/index-00000000.js");
  expect([missing.status, await missing.text(), missing.headers.get("cache-control")]).toEqual([404, "Not found\n", "no-store"]);
});

test("a packed answer has the same text, HEAD has no body, and POST is not served", async () => {
  const packed = await get("/console/assets/index-AbCd_1-9.js", { "accept-encoding": "gzip" });
  expect([packed.headers.get("content-encoding"), await packed.text(), packed.headers.get("vary")]).toEqual(["gzip", "run()", "Accept-Encoding"]);
  expect(await (await get("/console/", {}, "HEAD")).text()).toBe("");
  expect((await get("/console/", {}, "POST")).status).toBe(404);
});

test.each(["/console/../secret.txt", "/console/%2e%2e/secret.txt", "/console/..%2fsecret.txt", "/console/assets/..\\..\\secret.txt", "/console//etc/passwd.txt"])("%s leads to no file outside the build", async (path) => {
  const { request } = await import("node:http");
  // fetch would resolve the dots itself.
  const text = await new Promise<string>((resolve, reject) => {
    const { hostname, port } = new URL(harness.url);
    request({ hostname, port, path }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (part: string) => (body += part)).on("end", () => resolve(`${response.statusCode} ${body}`));
    }).on("error", reject).end();
  });
  expect(text).toBe("404 Not found\n");
});
