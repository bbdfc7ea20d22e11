import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestServer, type As } from "../acceptance/server.js";
import { Browser, browserIsThere } from "./chromium.js";
import { buildConsole, faultsOf, openAs } from "./console-world.js";

const handbook = "# Leave\n\nA full-time employee of Hazel has 29 days of annual leave.\n\n# Notice\n\nThe notice period at Hazel is six weeks.";

describe.skipIf(!browserIsThere())("every page of the console", () => {
  let server: TestServer;
  let browser: Browser;
  const admin: As = { tenant: "hazel" };
  const member: As = { tenant: "hazel", roles: ["member"], user: "ben" };

  beforeAll(async () => {
    buildConsole();
    server = await TestServer.start();
    await server.createTenant("hazel", "PRO");
    await server.createTenant("rowan", "ENTERPRISE");
    await server.createTenant("alder", "FREE");
    await server.ingest(admin, "Handbook", handbook);
    // A page without text cannot be searched: its row shows why, and offers another try.
    await server.must(admin, "mutation ($input: IngestDocumentInput!) { ingestDocument(input: $input) { document { id } } }", { input: { title: "Blank page", content: "<p></p>", mediaType: "HTML" } });
    const { startConversation } = await server.must(admin, 'mutation { startConversation(input: { title: "Leave" }) { conversation { id } } }');
    await server.must(admin, "mutation ($id: ID!) { ask(input: { question: \"How many days of annual leave does a full-time employee have?\", conversationId: $id }) { __typename } }", { id: startConversation?.["conversation"]?.["id"] });
    browser = await Browser.start();
  });
  afterAll(async () => {
    await browser?.stop();
    await server?.stop();
  });

  const pages: readonly (readonly [string, As, string, RegExp])[] = [
    ["ask", admin, "/chat", /Nothing asked yet/],
    ["documents", admin, "/documents", /a document without text/],
    ["conversations", admin, "/conversations", /Leave/],
    ["usage", admin, "/usage", /Cost by day/],
    ["adapters", admin, "/adapters", /No adapters yet/],
    ["usage of a member", member, "/usage", /Quota and budget/],
    ["documents without any", { tenant: "alder" }, "/documents", /No documents yet/],
    ["tenants", "operator", "/tenants", /Tenant rowan/],
    ["tenant", "operator", "/tenants/rowan", /Latest move/],
    ["moves", "operator", "/moves", /Retiring/],
    ["heatmap", "operator", "/heatmap", /Limits hit/],
    ["latency", "operator", "/latency", /requests|nobody|No requests/i],
    ["isolation", "operator", "/isolation", /No audit has run yet|Report of/],
    ["alarms", "operator", "/alarms", /No alarm/],
    ["no such page", "operator", "/nowhere", /nothing at this address/],
  ];

  test.each(pages)("%s: no serious fault of accessibility, no sideways scroll, no other host, in light and dark, wide and narrow", async (name, as, path, shows) => {
    const { page, outside, errors } = await openAs(browser, server, as, path);
    await page.getByText(shows).first().waitFor();
    expect(await faultsOf(page, name)).toEqual([]);
    expect(await page.getByRole("alert").count()).toBe(0);
    expect(outside).toEqual([]);
    expect(errors).toEqual([]);
    await page.close();
  });

  test("an answer, its passage and its facts have no serious fault either", async () => {
    const { page, outside, errors } = await openAs(browser, server, admin, "/chat");
    await page.getByRole("textbox", { name: "Question" }).fill("How many days of annual leave does a full-time employee have?");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /^Citation 1/ }).click();
    await page.locator(".passage-cited mark").waitFor();
    await page.locator(".facts summary").click();
    expect(await faultsOf(page, "answer")).toEqual([]);
    expect(outside).toEqual([]);
    expect(errors).toEqual([]);
    await page.close();
  });

  test("dialogs and menus have no serious fault, and Escape closes them", async () => {
    const { page, errors } = await openAs(browser, server, "operator", "/tenants/alder");
    const actions = page.getByRole("button", { name: "Actions" });
    await actions.click();
    await page.getByRole("menuitem", { name: "Erase …" }).waitFor();
    expect(await faultsOf(page, "menu")).toEqual([]);
    await page.keyboard.press("Escape");
    expect(await page.getByRole("menu").count()).toBe(0);
    await actions.click();
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog").waitFor();
    expect(await faultsOf(page, "erase dialog")).toEqual([]);
    await page.keyboard.press("Escape");
    await expect.poll(() => page.getByRole("dialog").count()).toBe(0);
    expect(errors).toEqual([]);
    await page.close();
  });

  test("the sign-in has no serious fault, and offers nobody's token where there is no demo tenant but the operator", async () => {
    const { page, errors } = await browser.visit(server.url, "/console/");
    await page.getByRole("button", { name: "Operator of the platform" }).waitFor();
    expect(await faultsOf(page, "sign-in")).toEqual([]);
    expect(errors).toEqual([]);
    await page.close();
  });

  test("a member is shown no action of an admin, and the address of an admin's page shows none", async () => {
    const { page } = await openAs(browser, server, member, "/documents");
    await page.getByText("Handbook").waitFor();
    expect(await page.getByRole("link", { name: "Adapters" }).count()).toBe(0);
    expect(await page.getByText("Choose files").count()).toBe(0);
    expect(await page.getByRole("button", { name: /Delete|Retry/ }).count()).toBe(0);
    await page.goto(`${server.url}/console/usage`);
    await page.getByText("Quota and budget").waitFor();
    expect(await page.getByRole("button", { name: "Set budget" }).count()).toBe(0);
    await page.goto(`${server.url}/console/adapters`);
    await page.getByRole("heading", { name: "No such page" }).waitFor();
    await page.close();
  });

  test("a tenant's token opens no page of an operator", async () => {
    const { page } = await openAs(browser, server, admin, "/tenants");
    await page.getByRole("heading", { name: "No such page" }).waitFor();
    expect(await page.getByText("rowan").count()).toBe(0);
    await page.close();
  });

  test("the policy holds: a script, a style sheet or a request of another host, or a script put into the page, is refused", async () => {
    const { page, errors } = await openAs(browser, server, admin, "/chat");
    await page.getByText("Nothing asked yet").waitFor();
    await page.evaluate("{ const script = document.createElement('script'); try { script.textContent = 'window.ran = true'; } catch { /* Trusted Types */ } document.head.append(script); const image = new Image(); image.src = 'https://elsewhere.example/x.png'; }");
    await page.evaluate("fetch('https://elsewhere.example/').then(() => { window.ran = true; }, () => {})");
    expect(await page.evaluate("window.ran")).toBeUndefined();
    await expect.poll(() => errors.filter((error) => /Content Security Policy/i.test(error)).length).toBeGreaterThanOrEqual(2);
    await page.close();
  });
});
