/** The console on a whole server, as somebody signed in. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import type { Page } from "playwright-core";
import type { As, TestServer } from "../acceptance/server.js";
import type { Browser, Visit } from "./chromium.js";

const root = resolve(import.meta.dirname, "../..");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const pictures = process.env["BROWSER_PICTURES"];

/** Builds when a source is newer than the build, as `npm start` does. */
export function buildConsole(): void {
  const { status, stderr } = spawnSync(process.execPath, [join(root, "scripts/build-console.mjs")], { encoding: "utf8", env: { ...process.env, NODE_ENV: "production" } });
  if (status !== 0) throw new Error(`The console's build failed: ${stderr}`);
}

/** Opens a page of the console with the caller's token where the sign-in would have put it. */
export async function openAs(browser: Browser, server: TestServer, as: As, path: string, url = server.url): Promise<Visit> {
  const token = await server.token(as);
  return browser.visit(url, `/console${path}`, (page) => page.addInitScript({ content: `sessionStorage.setItem("bulkhead.token", ${JSON.stringify(token)})` }));
}

export const looks = [
  { theme: "light", width: 1_280 },
  { theme: "dark", width: 1_280 },
  { theme: "light", width: 390 },
  { theme: "dark", width: 390 },
] as const;

export interface Fault {
  readonly look: string;
  readonly what: string;
}

/** What axe-core calls serious or critical, and a page wider than the screen, in each look. */
export async function faultsOf(page: Page, name: string): Promise<readonly Fault[]> {
  // By the debugger's way in: the page's policy refuses a script that is put into it, as it should.
  await page.evaluate(axe);
  const faults: Fault[] = [];
  for (const { theme, width } of looks) {
    await page.setViewportSize({ width, height: width < 500 ? 844 : 800 });
    await page.emulateMedia({ colorScheme: theme, reducedMotion: "reduce" });
    // Not by a function: a page under this policy evaluates no text, a test's neither.
    await page.locator(`html[data-theme="${theme}"]`).waitFor({ state: "attached" });
    const look = `${name}, ${theme}, ${width} px`;
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, `console-${name.replaceAll(/\W+/g, "-")}-${theme}-${width}.png`) });
    // What a theme changes is its colours: the rest is looked at once a width.
    const options = { resultTypes: ["violations"], ...(theme === "dark" ? { runOnly: ["color-contrast", "link-in-text-block"] } : {}) };
    const violations = (await page.evaluate(`axe.run(document, ${JSON.stringify(options)}).then(({ violations }) => violations.map(({ id, impact, nodes }) => ({ id, impact, at: nodes.map(({ html, failureSummary }) => html.slice(0, 120) + ' ' + (failureSummary ?? '').slice(0, 200)) })))`)) as readonly { id: string; impact: string; at: readonly string[] }[];
    for (const { id, impact, at } of violations) if (impact === "serious" || impact === "critical") faults.push({ look, what: `${impact} ${id}: ${at.slice(0, 3).join(" | ")}` });
    const over = Number(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"));
    if (over > 0) faults.push({ look, what: `${over} px wider than the screen` });
  }
  return faults;
}
