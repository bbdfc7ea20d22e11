/** `npm run rerate`: prices model calls anew with the price book of the running server, as a development operator. */
import { parseArgs } from "node:util";
import { parseConfig } from "../src/config.js";
import { formatMicroUsd } from "../src/graphql/money.js";
import { badUserInput, BulkheadError } from "../src/kernel/errors.js";
import { OperatorApi, type RerateView } from "./tenant/operator-api.js";
import { developmentToken, lineOf, urlOf } from "./tenant/operator-session.js";

const usage = `Usage: npm run rerate -- --from DATE --to DATE [--tenant TENANT] [--dry-run] [--url http://127.0.0.1:4000] [--token TOKEN]
       DATE is a day or a moment in UTC, such as 2026-03-01 or 2026-03-01T12:00:00Z; --to is not included`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { from: { type: "string" }, to: { type: "string" }, tenant: { type: "string" }, "dry-run": { type: "boolean" }, url: { type: "string" }, token: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    say(usage);
    return 0;
  }
  const span = { from: momentOf("--from", values.from), to: momentOf("--to", values.to) };
  const dryRun = values["dry-run"] === true;
  const config = parseConfig(process.env);
  const api = new OperatorApi(urlOf(values.url ?? `http://127.0.0.1:${config.port}`), values.token ?? (await developmentToken(config)));
  const { calls, corrected, differenceMicroUsd } = await rerateAll(api, { ...span, dryRun, ...(values.tenant === undefined ? {} : { tenantId: values.tenant }) });
  say(`${calls} calls, ${corrected} ${dryRun ? "would be" : "were"} corrected, ${formatMicroUsd(differenceMicroUsd)} in all`);
  return 0;
}

/** One request prices as much as its deadline allows; the next one goes on from there. */
async function rerateAll(api: OperatorApi, order: Parameters<OperatorApi["rerate"]>[0]): Promise<Omit<RerateView, "next">> {
  const sum = { calls: 0, corrected: 0, differenceMicroUsd: 0 };
  for (let after: string | null | undefined; after !== null; ) {
    const part: RerateView = await api.rerate(after === undefined ? order : { ...order, after });
    sum.calls += part.calls;
    sum.corrected += part.corrected;
    sum.differenceMicroUsd += part.differenceMicroUsd;
    after = part.next;
    if (after !== null) say(`${sum.calls} calls so far, ${sum.corrected} of another price`);
  }
  return sum;
}

function momentOf(option: string, text: string | undefined): string {
  const moment = text !== undefined && /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z)?$/.test(text) ? new Date(text) : undefined;
  if (moment === undefined || Number.isNaN(moment.getTime())) throw badUserInput(option, text === undefined ? "nothing" : JSON.stringify(text), "a day or a moment in UTC, such as 2026-03-01");
  return moment.toISOString();
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${lineOf(error).split("\n")[0]}\n`);
  if (error instanceof TypeError || (error instanceof BulkheadError && error.details.field?.startsWith("--") === true)) process.stderr.write(`${usage}\n`);
  process.exitCode = 1;
}
