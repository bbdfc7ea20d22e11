import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { TestServer, until, type As } from "../acceptance/server.js";
import { CuttableProxy } from "../support/cuttable-proxy.js";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";
import { Browser, browserIsThere, type Visit } from "./chromium.js";
import { buildConsole, openAs } from "./console-world.js";

const handbook = "# Notice\n\nThe notice period at Hazel is six weeks.";
const admin: As = { tenant: "hazel" };

async function ask(page: Page, question: string): Promise<void> {
  await page.getByRole("textbox", { name: "Question" }).fill(question);
  await page.keyboard.press("Enter");
}

describe.skipIf(!browserIsThere())("what one does in the console", () => {
  let server: TestServer;
  let browser: Browser;
  let model: StubModelServer;
  let visit: Visit | undefined;

  const open = async (as: As, path: string, url?: string): Promise<Page> => {
    visit = await openAs(browser, server, as, path, url);
    return visit.page;
  };

  beforeAll(async () => {
    buildConsole();
    model = await startStubModelServer();
    server = await TestServer.start({ MODEL_BASE_URL: model.baseUrl, MODEL_NAME: "stub", MODEL_API_KEY: "k" });
    await server.createTenant("hazel", "PRO");
    await server.createTenant("alder", "FREE");
    await server.ingest(admin, "Handbook", handbook);
    browser = await Browser.start();
  });
  afterEach(async () => {
    model.behave("ok");
    const { page, outside } = visit ?? {};
    visit = undefined;
    await page?.close();
    expect(outside ?? []).toEqual([]);
  });
  afterAll(async () => {
    await browser?.stop();
    await server?.stop();
    await model?.close();
  });

  test("a pasted token signs in, is kept for the tab alone, and signing out forgets it", async () => {
    visit = await browser.visit(server.url, "/console/usage");
    const { page } = visit;
    await page.getByLabel("Token").fill(`Bearer ${await server.token(admin)}`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Usage" }).waitFor();
    expect(await page.evaluate("[Object.keys(sessionStorage).length, JSON.stringify(localStorage).includes('eyJ'), document.cookie]")).toEqual([1, false, ""]);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Token").waitFor();
    expect(await page.evaluate("Object.keys(sessionStorage).length")).toBe(0);
  });

  test("what is no token is said at once, and a token that the server refuses leads back with the server's reason", async () => {
    visit = await browser.visit(server.url, "/console/");
    const { page } = visit;
    await page.getByLabel("Token").fill("not a token");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "This is not a token" }).waitFor();
    const [head, body] = (await server.token(admin)).split(".");
    await page.getByLabel("Token").fill(`${head}.${body}.${"A".repeat(86)}`);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "UNAUTHENTICATED" }).waitFor();
    expect(await page.evaluate("Object.keys(sessionStorage).length")).toBe(0);
  });

  test("in development one picks who to be", async () => {
    visit = await browser.visit(server.url, "/console/");
    await visit.page.getByRole("button", { name: "Operator of the platform" }).click();
    await visit.page.getByRole("heading", { name: "Tenants" }).waitFor();
  });

  test("by the keyboard alone: skip the navigation, ask, open the citation, close it with Escape, and be back where one was", async () => {
    const page = await open(admin, "/chat");
    await page.getByText("Nothing asked yet").waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the page");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.tagName")).toBe("TEXTAREA");
    await page.keyboard.type("How long is");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("the notice period?");
    await page.keyboard.press("Enter");
    const chip = page.getByRole("button", { name: "Citation 1: Handbook" });
    await chip.waitFor();
    expect(await page.locator(".question").innerText()).toContain("How long is\nthe notice period?");
    const isOnChip = (): Promise<unknown> => page.evaluate("document.activeElement.matches('.chip')");
    // Backwards out of the field: feedback, facts, the list of citations, the number in the text.
    for (let step = 0; step < 12 && !(await isOnChip()); step += 1) await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await page.locator(".passage-cited").filter({ hasText: "The notice period at Hazel is six weeks." }).waitFor();
    expect(await page.evaluate("document.activeElement.closest('aside') !== null")).toBe(true);
    await page.keyboard.press("Escape");
    await expect.poll(() => page.locator("aside").count()).toBe(0);
    expect(await isOnChip()).toBe(true);
  });

  test("an answer grows word by word, and Stop ends the model's call", async () => {
    // Some forty seconds long. An endless one without pauses may reach the tier's bound before a busy machine's click.
    model.behave("slow", "word ".repeat(900));
    const page = await open(admin, "/chat");
    await ask(page, "Say it without an end");
    await expect.poll(async () => (await page.locator(".answer-text").innerText().catch(() => "")).length).toBeGreaterThan(5);
    const before = model.dropped();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("What came is not the whole answer").waitFor();
    await until(() => Promise.resolve(model.dropped() > before ? true : undefined));
  });

  test("a connection that breaks in the middle is opened again, and the answer comes whole, asked and paid for once", async () => {
    const proxy = await CuttableProxy.start(server.url);
    model.behave("slow", `${"word ".repeat(200)}end [1].`);
    const asked = model.requests.length;
    const page = await open(admin, "/chat", proxy.uri);
    await ask(page, "How long is the notice period, slowly?");
    await expect.poll(async () => (await page.locator(".answer-text").innerText().catch(() => "")).split("word").length, { timeout: 10_000 }).toBeGreaterThan(5);
    // Heard again from its first word: what was shown before the break must not stand before it.
    await page.evaluate("window.most = 0; setInterval(() => { window.most = Math.max(window.most, (document.querySelector('.answer-text')?.textContent.match(/word/g) ?? []).length); }, 10)");
    proxy.cut(300);
    await page.locator(".facts").waitFor({ timeout: 60_000 });
    expect((await page.locator(".answer-text").innerText()).match(/word/g)?.length).toBe(200);
    expect(await page.evaluate("window.most")).toBe(200);
    expect(model.requests.length - asked).toBe(1);
    expect(proxy.cutSockets).toBeGreaterThan(0);
    await page.close();
    await proxy.close();
  });

  test("an answer can be rated, its conversation opened again, rated there, and cleared for good", async () => {
    const page = await open(admin, "/chat");
    await ask(page, "What is the notice period to rate?");
    await page.getByRole("button", { name: "Good answer" }).click();
    await page.getByText("Noted").waitFor();
    await page.getByRole("link", { name: "Conversations" }).click();
    await page.getByRole("link", { name: "What is the notice period to rate?" }).click();
    await page.locator(".answer-text").filter({ hasText: "six weeks" }).waitFor();
    await page.getByRole("button", { name: "Bad answer" }).click();
    await page.getByText("Noted").waitFor();
    await page.getByRole("link", { name: "Conversations" }).click();
    await page.getByRole("button", { name: "Clear What is the notice period to rate?" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Clear" }).click();
    await expect.poll(() => page.getByRole("link", { name: "What is the notice period to rate?" }).count()).toBe(0);
  });

  test("a file is uploaded by the picker, is ready without a reload, and is deleted only after a second yes", async () => {
    const page = await open(admin, "/documents");
    await page.getByText("Handbook").waitFor();
    await page.locator("input[type=file]").setInputFiles({ name: "travel.md", mimeType: "", buffer: Buffer.from("# Travel\n\nThe meal allowance is 38 EUR a day.") });
    const row = page.getByRole("row").filter({ hasText: "travel" });
    await row.getByText("Ready").waitFor();
    await page.locator("input[type=file]").setInputFiles({ name: "picture.exe", mimeType: "application/x-msdownload", buffer: Buffer.from([0, 1, 2]) });
    await page.locator(".uploads").getByText("BAD_USER_INPUT").waitFor();
    await page.getByLabel("Title contains").fill("TRAV");
    await expect.poll(() => page.getByRole("row").filter({ hasText: "Handbook" }).count()).toBe(0);
    await row.getByRole("button", { name: /^Delete/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    expect(await row.count()).toBe(1);
    await row.getByRole("button", { name: /^Delete/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await page.getByText("No document matches").waitFor();
  });

  test("usage is exported as the ledger has it", async () => {
    const page = await open(admin, "/usage");
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export CSV" }).click()]);
    const { readFile } = await import("node:fs/promises");
    const lines = (await readFile(await file.path(), "utf8")).trim().split(/\r?\n/);
    expect(file.suggestedFilename()).toMatch(/^usage-from-\d{4}-\d\d-\d\d\.csv$/);
    expect(lines[0]).toMatch(/model/);
    expect(lines.length).toBeGreaterThan(1);
    await page.getByText(`${lines.length - 1} rows`).waitFor();
  });

  test("a refusal says its code and counts down to when it is worth asking again", async () => {
    await server.must({ tenant: "alder" }, "mutation { setBudget(input: { day: 1 }) { quota { budget { day { limit } } } } }");
    const page = await open({ tenant: "alder" }, "/chat");
    await ask(page, "How long is the notice period?");
    await page.getByRole("alert").filter({ hasText: "BUDGET_EXCEEDED" }).waitFor();
    await page.getByText(/Worth asking again in \d/).waitFor();
    expect(await page.getByRole("button", { name: "Ask again" }).isDisabled()).toBe(true);
    expect(await page.locator(".facts").count()).toBe(0);
  });

  test("an operator adds a tenant, moves it with its progress live, suspends it, brings it back, and erases it by typing its id", async () => {
    const page = await open("operator", "/tenants");
    await page.getByRole("button", { name: "Add a tenant" }).click();
    await page.getByLabel("Id").fill("willow");
    await page.getByLabel("Name", { exact: true }).fill("Willow Works");
    await page.getByRole("dialog").getByRole("button", { name: "Add" }).click();
    await page.getByRole("heading", { name: "Willow Works" }).waitFor();
    const act = async (item: string): Promise<void> => {
      await page.getByRole("button", { name: "Actions" }).click();
      await page.getByRole("menuitem", { name: item }).click();
    };
    await act("Change to Enterprise");
    await page.getByRole("dialog").getByRole("button", { name: "Change tier" }).click();
    // By the subscription alone: nothing here asks again.
    await page.locator(".panel").filter({ hasText: "Latest move" }).locator(".badge").filter({ hasText: "Done" }).waitFor();
    await page.locator(".figures").getByText("Silo").waitFor();
    await act("Suspend …");
    await page.getByRole("dialog").getByRole("button", { name: "Suspend" }).click();
    await page.locator(".figures").getByText("Suspended").waitFor();
    await act("Reactivate");
    await page.locator(".figures").getByText("Active").waitFor();
    await act("Erase …");
    const erase = page.getByRole("dialog").getByRole("button", { name: "Erase" });
    await page.getByLabel(/^Type willow/).fill("willo");
    expect(await erase.isDisabled()).toBe(true);
    await page.getByLabel(/^Type willow/).fill("willow");
    await erase.click();
    await page.locator(".figures").getByText("Erased").waitFor();
    await page.getByRole("heading", { name: "Erasure" }).waitFor();
  });

  test("an operator reads the heatmap by the keyboard, and the verdict before the figures", async () => {
    const page = await open("operator", "/heatmap");
    await page.getByText("Requests", { exact: true }).click();
    const says = page.locator(".heat-says");
    await says.filter({ hasText: "Tenant" }).waitFor();
    await page.locator(".heat-cell[tabindex='0']").focus();
    const before = await says.innerText();
    await page.keyboard.press("ArrowLeft");
    await expect.poll(() => says.innerText()).not.toBe(before);
    expect(await page.locator(".heat-cell[tabindex='0']").count()).toBe(1);
    await page.getByRole("link", { name: "Latency" }).click();
    expect((await page.locator(".verdict-summary").innerText()).length).toBeGreaterThan(10);
  });

  test("an audit is begun from the page, and its report follows it", async () => {
    const page = await open("operator", "/isolation");
    await page.getByRole("button", { name: "Run an audit" }).click();
    await page.getByRole("heading", { name: /^Report of/ }).waitFor();
    await page.getByRole("button", { name: "Auditing …" }).waitFor();
  });
});
