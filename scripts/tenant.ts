/** `npm run tenant`: a tenant's life cycle from a shell, against a running server, as a development operator. */
import { parseArgs } from "node:util";
import { parseConfig } from "../src/config.js";
import { badUserInput, BulkheadError } from "../src/kernel/errors.js";
import { tiers, type Tier } from "../src/tenancy/tier-policy.js";
import { followErasure } from "./tenant/follow-erasure.js";
import { followMove, MoveProgress, patiently } from "./tenant/follow-move.js";
import { OperatorApi, type MoveView, type TenantView } from "./tenant/operator-api.js";
import { developmentToken, lineOf, urlOf } from "./tenant/operator-session.js";

const usage = `Usage: npm run tenant -- create NAME [--tier FREE|PRO|ENTERPRISE] [--cluster CLUSTER] [--name "NAME FOR PEOPLE"]
       npm run tenant -- upgrade|downgrade NAME [--tier FREE|PRO|ENTERPRISE] [--cluster CLUSTER]
       npm run tenant -- cancel|revert NAME            the move under way: before its switch, or while it is observed
       npm run tenant -- suspend|reactivate NAME
       npm run tenant -- rotate-key NAME
       npm run tenant -- erase NAME --yes              for good; prints the receipt
       each with [--url http://127.0.0.1:4000] [--token TOKEN]`;

interface Order {
  readonly verb: string;
  readonly id: string;
  readonly tier: Tier | undefined;
  readonly name: string | undefined;
  readonly cluster: string | undefined;
  readonly yes: boolean;
}

const verbs: Readonly<Record<string, (api: OperatorApi, order: Order) => Promise<void>>> = {
  create,
  upgrade: (api, order) => changeTier(api, order, 1),
  downgrade: (api, order) => changeTier(api, order, -1),
  suspend: async (api, { id }) => say(describe(await api.suspend(id))),
  reactivate: async (api, { id }) => say(describe(await api.reactivate(id))),
  cancel: (api, order) => callBack(api, order, (moveId) => api.cancelMove(moveId)),
  revert: (api, order) => callBack(api, order, (moveId) => api.revertMove(moveId)),
  "rotate-key": rotateKey,
  erase,
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { tier: { type: "string" }, name: { type: "string" }, cluster: { type: "string" }, yes: { type: "boolean" }, url: { type: "string" }, token: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    say(usage);
    return 0;
  }
  const [verb = "", id, ...rest] = positionals;
  const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined;
  if (run === undefined) throw badUserInput("command", JSON.stringify(verb), Object.keys(verbs).join(", "));
  if (id === undefined || rest.length > 0) throw badUserInput("NAME", id === undefined ? "nothing" : `${positionals.length - 1} names`, "one tenant");
  const config = parseConfig(process.env);
  const api = new OperatorApi(urlOf(values.url ?? `http://127.0.0.1:${config.port}`), values.token ?? (await developmentToken(config)));
  await run(api, { verb, id, tier: tierOf(values.tier), name: values.name, cluster: values.cluster, yes: values.yes === true });
  return 0;
}

async function create(api: OperatorApi, { id, name, tier, cluster }: Order): Promise<void> {
  const created = await api.create({ id, name: name ?? id, tier: tier ?? "FREE", ...(cluster === undefined ? {} : { cluster }) });
  // A tenant of a tier with a silo begins in the pool and moves at once; it is ready when it has arrived.
  await arrive(api, created, created.latestMove);
}

async function arrive(api: OperatorApi, tenant: TenantView, move: MoveView | null): Promise<void> {
  if (move === null) return say(describe(tenant));
  say(`${tenant.id}: moving from ${move.from} to ${move.to} as ${tenant.tier} (${move.id})`);
  await followMove(api, move, new MoveProgress(process.stdout));
  say(describe(await patiently(() => api.tenant(tenant.id))));
}

/** The move that is under way, whose id nobody has to know. */
async function callBack(api: OperatorApi, { verb, id }: Order, ask: (moveId: string) => Promise<MoveView>): Promise<void> {
  const { latestMove } = await api.tenant(id);
  if (latestMove === null) throw badUserInput("NAME", `${id}, which has never moved`, `a tenant with a move to ${verb}`);
  const move = await ask(latestMove.id);
  await followMove(api, move, new MoveProgress(process.stdout));
  say(describe(await patiently(() => api.tenant(id))));
}

async function rotateKey(api: OperatorApi, { id }: Order): Promise<void> {
  for (;;) {
    const { finished, keyVersion, rowsResealed } = await api.rotateKey(id);
    if (finished) return say(`${id}: ${rowsResealed} rows are sealed with key version ${keyVersion}, and the old key is destroyed`);
    say(`${id}: the rotation goes on`);
  }
}

async function erase(api: OperatorApi, { id, yes }: Order): Promise<void> {
  // Asked for by name: what a shell's history repeats must not be an erasure.
  if (!yes) throw badUserInput("--yes", "nothing", `--yes, since nothing of ${id} can be brought back`);
  await followErasure(api, id, await api.erase(id), process.stdout);
}

async function changeTier(api: OperatorApi, { verb, id, tier, cluster }: Order, step: 1 | -1): Promise<void> {
  const before = await api.tenant(id);
  const target = tier ?? tiers[tiers.indexOf(before.tier) + step];
  if (target === undefined) throw badUserInput("NAME", `${id}, which is ${before.tier}`, `a tenant with a ${step === 1 ? "higher" : "lower"} tier left to go to`);
  // The same tier is let through: it starts a move again that was given up.
  if ((tiers.indexOf(target) - tiers.indexOf(before.tier)) * step < 0) throw badUserInput("--tier", target, `a tier that is no ${step === 1 ? "lower" : "higher"} than ${before.tier} for ${verb}`);
  const { tenant, placementMove } = await api.changeTier(id, target, cluster);
  await arrive(api, tenant, placementMove);
}

function describe({ id, name, tier, state, placement, isolation }: TenantView): string {
  const apart = isolation === null ? "" : ` (${isolation.credential === "OWN" ? "own credential" : "shared credential"}, key version ${isolation.keyVersion}${isolation.cluster === null ? "" : `, cluster ${isolation.cluster}`})`;
  return `${id} (${name}): ${tier}, ${state}, ${placement}${apart}`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function tierOf(text: string | undefined): Tier | undefined {
  if (text === undefined) return undefined;
  const tier = tiers.find((known) => known === text.toUpperCase());
  if (tier === undefined) throw badUserInput("--tier", JSON.stringify(text), tiers.join(", "));
  return tier;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${lineOf(error).split("\n")[0]}\n`);
  if (error instanceof TypeError || (error instanceof BulkheadError && error.details.field === "command")) process.stderr.write(`${usage}\n`);
  process.exitCode = 1;
}
