/** What a newcomer reads when the server is ready: enough to ask, to see a quota and to upgrade a tenant by pasting. */
export interface Welcome {
  readonly url: string;
  readonly embeddedEngine: boolean;
  readonly coverage: string;
  readonly tokens: readonly { readonly who: string; readonly token: string }[];
  readonly question: string;
  readonly upgrade: { readonly tenantId: string; readonly tier: string } | undefined;
}

export function welcomeText(welcome: Welcome): string {
  const lines = [
    "",
    welcome.coverage,
    "",
    "Bulkhead is ready",
    "",
    `  Console              ${welcome.url}/console`,
    `  GraphQL and Sandbox  ${welcome.url}/graphql`,
    `  Offline IDE          ${welcome.url}/ide`,
    `  Health, metrics      ${welcome.url}/health/ready  ${welcome.url}/metrics`,
    `  Database             ${welcome.embeddedEngine ? "embedded engine (set MONGODB_URI for Atlas)" : "MONGODB_URI"}`,
  ];
  if (welcome.tokens.length > 0) lines.push("", ...firstSteps(welcome));
  return `${lines.join("\n")}\n`;
}

function firstSteps(welcome: Welcome): string[] {
  const admin = welcome.tokens[0];
  const operator = welcome.tokens.at(-1);
  return [
    "Development tokens (header: Authorization: Bearer TOKEN)",
    "",
    ...welcome.tokens.map(({ who, token }) => `  ${who}\n  ${token}\n`),
    `First question, as ${admin?.who ?? "a tenant"}; paste it into a shell:`,
    "",
    curl(welcome.url, admin?.token ?? "", `mutation First { ask(input: { question: "${welcome.question}" }) { ... on Answer { text citations { document { title } snippet } usage { promptTokens completionTokens costMicroUsd } latency { totalMs } } ... on Refusal { code message retryAfterMs } } }`),
    "",
    "What is left of the quota:",
    "",
    curl(welcome.url, admin?.token ?? "", "query { viewer { tenant { id name } tier placement } quota { requests { limit remaining resetsAt } tokens { limit remaining resetsAt } } }"),
    ...(welcome.upgrade === undefined
      ? []
      : [
          "",
          `Upgrade ${welcome.upgrade.tenantId} into a database of its own, as the operator:`,
          "",
          curl(welcome.url, operator?.token ?? "", `mutation { changeTier(input: { tenantId: "${welcome.upgrade.tenantId}", tier: ${welcome.upgrade.tier} }) { tenant { id tier placement } placementMove { id phase } } }`),
        ]),
    "",
    "Ctrl-C drains and stops; the next start keeps everything.",
  ];
}

/** No single quote occurs in what is pasted, so the shell takes it as it stands. */
function curl(url: string, token: string, query: string): string {
  return `curl -s ${url}/graphql -H 'content-type: application/json' -H 'authorization: Bearer ${token}' -d '${JSON.stringify({ query }).replaceAll("'", "’")}'`;
}
