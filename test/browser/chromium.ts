/** Debian's Chromium without a network: what a page asks of anyone but the server is refused and remembered. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";

export const chromiumPath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

/** Said instead of passed over, so that a run without a browser is seen to be one. */
export function browserIsThere(): boolean {
  const there = existsSync(chromiumPath);
  if (!there) process.stdout.write(`No browser at ${chromiumPath}: the browser suites are skipped; set CHROMIUM\n`);
  return there;
}

export interface Visit {
  readonly page: Page;
  /** Addresses outside the server that the page asked for; none was answered. */
  readonly outside: string[];
  /** What the console said at the level of an error, and errors nobody caught. */
  readonly errors: string[];
}

export class Browser {
  private constructor(private readonly context: BrowserContext, private readonly profile: string) {}

  static async start(): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), "bulkhead-chromium-"));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: chromiumPath,
      headless: true,
      viewport: { width: 1_280, height: 800 },
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    return new Browser(context, profile);
  }

  /** `prepare` is run before anything is loaded. */
  async visit(url: string, path: string, prepare?: (page: Page) => Promise<unknown>): Promise<Visit> {
    const page = await this.context.newPage();
    const outside: string[] = [];
    const errors: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    page.on("pageerror", (error) => errors.push(error.message));
    await page.route((asked) => asked.protocol.startsWith("http") && asked.origin !== url, async (route) => {
      outside.push(route.request().url());
      await route.abort("internetdisconnected");
    });
    await prepare?.(page);
    await page.goto(`${url}${path}`, { waitUntil: "domcontentloaded" });
    return { page, outside, errors };
  }

  async stop(): Promise<void> {
    await this.context.close();
    rmSync(this.profile, { recursive: true, force: true });
  }
}
