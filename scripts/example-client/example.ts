/**
 * `npx tsx scripts/example-client/example.ts`: asks, asks again word by word, and pages through the documents.
 * BULKHEAD_URL (default http://127.0.0.1:4000) and BULKHEAD_TOKEN (`npm run token -- --tenant acme`) say where and who.
 */
import { BulkheadClient } from "./client.js";
import { runExample } from "./run-example.js";

const { BULKHEAD_URL: url = "http://127.0.0.1:4000", BULKHEAD_TOKEN: token } = process.env;
if (token === undefined) {
  process.stderr.write("BULKHEAD_TOKEN: got nothing, expected a token, such as npm run token prints\n");
  process.exit(1);
}
const question = process.argv[2] ?? "How many days of annual leave does a full-time employee have?";
await runExample(new BulkheadClient({ url, token: () => token }), question, (line) => void process.stdout.write(`${line}\n`));
