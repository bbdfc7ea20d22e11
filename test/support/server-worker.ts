/** The whole server, as `src/main.ts` starts it, with tiers of a test: limits that its load does not reach, and no hour of observation. */
import { startApp } from "../../src/app.js";
import { parseConfig } from "../../src/config.js";

const [tenantsFolder = ""] = process.argv.slice(2);
const app = await startApp(parseConfig(process.env), () => {}, { tenantsFolder, observeMs: 0 });
process.stdout.write(`serving ${app.url}\n`);
