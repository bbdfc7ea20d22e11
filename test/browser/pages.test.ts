import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestServer } from "../acceptance/server.js";
import { Browser, browserIsThere } from "./chromium.js";

const handbook = "# Leave\n\nA full-time employee of Hazel has 29 days of annual leave.";

/** Where pictures of the pages go, for a person to look at; without it none are taken. */
const pictures = process.env["BROWSER_PICTURES"];
const picture = (name: string): { path?: string } => (pictures === undefined ? {} : { path: join(pictures, `${name}.png`) });

describe.skipIf(!browserIsThere())("in a browser without a network", () => {
  let server: TestServer;
  let browser: Browser;
  const admin = { tenant: "hazel" } as const;

  beforeAll(async () => {
    server = await TestServer.start();
    await server.createTenant("hazel", "PRO");
    await server.ingest(admin, "Handbook", handbook);
    browser = await Browser.start();
  });
  afterAll(async () => {
    await browser.stop();
    await server.stop();
  });

  test("/ide loads from this server alone, with the first query in it and the schema read without a token", async () => {
    const { page, outside, errors } = await browser.visit(server.url, "/ide");
    await page.getByText("(Send mutation FirstQuestion)").waitFor();
    await page.getByRole("button", { name: "Docs" }).click();
    await page.getByText("Mutation", { exact: true }).first().waitFor();
    await page.screenshot(picture("ide"));
    expect(await page.locator(".cm-content").filter({ hasText: "FirstQuestion" }).innerText()).toContain("How many days of annual leave");
    // No banner and no notice of a failed request lies over the page.
    expect(await page.getByText(/Altair AI|failed/i).count()).toBe(0);
    expect(outside).toEqual([]);
    expect(errors).toEqual([]);
    await page.close();
  });

  // Before the next one: the page keeps the headers of its tabs.
  test("/ide without a token shows UNAUTHENTICATED and no more", async () => {
    const { page, outside } = await browser.visit(server.url, "/ide");
    await page.getByText("(Send mutation FirstQuestion)").waitFor();
    await page.getByRole("button", { name: "Send Request" }).click();
    await page.getByText("UNAUTHENTICATED").first().waitFor();
    expect(await page.locator("body").innerText()).not.toMatch(/node_modules|at async/);
    expect(outside).toEqual([]);
    await page.close();
  });

  test("/ide runs the first query under a token that is pasted into its headers, and shows the answer", async () => {
    const { page, outside, errors } = await browser.visit(server.url, "/ide");
    await page.getByText("(Send mutation FirstQuestion)").waitFor();
    await page.locator('[track-id="show_set_headers"]').click();
    await page.locator('[aria-placeholder="Header value"]').first().click();
    await page.keyboard.press("Control+A");
    await page.keyboard.insertText(`Bearer ${await server.token(admin)}`);
    await page.screenshot(picture("ide-headers"));
    // By its dialog: a notice of the page may offer a button of that name too.
    await page.locator(".ant-modal").getByRole("button", { name: "Close" }).click();
    await page.getByRole("button", { name: "Send Request" }).click();
    await page.getByText("29 days of annual leave", { exact: false }).first().waitFor();
    await page.screenshot(picture("ide-answer"));
    expect(outside).toEqual([]);
    expect(errors).toEqual([]);
    await page.close();
  });

  test("/graphql, whose page is Apollo's and comes from its CDN, says that it cannot load and leads to /ide by a click", async () => {
    const { page, outside, errors } = await browser.visit(server.url, "/graphql");
    const link = page.getByRole("link", { name: "offline IDE" });
    await link.waitFor();
    // Apollo fades its notice in over the second second.
    await expect.poll(() => page.locator(".fallback").evaluate((notice) => notice.computedStyleMap().get("opacity")?.toString()), { timeout: 10_000 }).toBe("1");
    await page.screenshot(picture("landing"));
    expect(await page.locator("body").innerText()).toContain("Apollo Sandbox cannot be loaded");
    expect(outside.some((url) => url.startsWith("https://embeddable-sandbox.cdn.apollographql.com/"))).toBe(true);
    // Missing files are what offline means; a page that broke its own policy would be ours to mend.
    expect(errors.filter((error) => /Content Security Policy/i.test(error))).toEqual([]);
    await link.click();
    await page.getByText("(Send mutation FirstQuestion)").waitFor();
    expect(new URL(page.url()).pathname).toBe("/ide/");
    await page.close();
  });

  test.each([["/health/live", "live"], ["/health/ready", "ready"]])("%s shows the word %s and nothing more", async (path, word) => {
    const { page, outside } = await browser.visit(server.url, path);
    expect((await page.locator("body").innerText()).trim()).toBe(word);
    expect(outside).toEqual([]);
    await page.close();
  });
});
