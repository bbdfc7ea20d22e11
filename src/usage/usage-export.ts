import { systemClock, type Clock } from "../kernel/clock.js";
import type { Deadline } from "../kernel/deadline.js";
import type { UsageListing, UsageRow } from "../storage/control/usage-rows.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { csvLine, type CsvCell } from "./csv.js";
import { usageRange, type UsageRange } from "./usage-range.js";
import type { UserPseudonyms } from "./user-pseudonyms.js";

export interface UsageExport {
  /** RFC 4180, with a line of names first. */
  readonly csv: string;
  /** Lines after the first. */
  readonly rows: number;
  /** There are more rows than one export holds: the next one begins at the time of the last line. */
  readonly truncated: boolean;
}

/** About 10 MB of text: as much as one answer should carry. */
const rowsMaxDefault = 50_000;

const columns: Readonly<Record<string, (row: UsageRow) => CsvCell>> = {
  id: (row) => row.id,
  at: (row) => row.at.toISOString(),
  user: (row) => row.userPseudonym,
  kind: (row) => row.kind,
  operation: (row) => row.operation,
  model: (row) => row.model,
  request_id: (row) => row.requestId,
  path: (row) => row.path,
  call_number: (row) => row.callNumber,
  prompt_tokens: (row) => row.promptTokens,
  cached_prompt_tokens: (row) => row.cachedPromptTokens ?? 0,
  completion_tokens: (row) => row.completionTokens,
  reasoning_tokens: (row) => row.reasoningTokens ?? 0,
  price_version: (row) => row.priceVersion,
  cost_micro_usd: (row) => row.costMicroUsd,
  outcome: (row) => row.outcome,
  corrects: (row) => row.corrects ?? "",
};

/** The ledger's rows as a table: all of the tenant for an admin, one's own for a member. */
export class ExportUsage {
  constructor(
    private readonly rowsOf: (context: TenantContext) => UsageListing,
    private readonly pseudonyms: UserPseudonyms,
    private readonly clock: Clock = systemClock,
    private readonly rowsMax = rowsMaxDefault,
  ) {}

  /** Throws `BAD_USER_INPUT` for a range that is none, and the deadline's reason when the ledger takes longer. */
  async run(context: TenantContext, deadline: Deadline, input: UsageRange): Promise<UsageExport> {
    const { from, to } = usageRange(input, this.clock);
    deadline.throwIfOver();
    const user = context.roles.includes("admin") ? undefined : await this.pseudonyms.inLedger(context);
    const found = await this.rowsOf(context).list(from, to, this.rowsMax + 1, user);
    deadline.throwIfOver();
    const rows = found.slice(0, this.rowsMax);
    const print = Object.values(columns);
    const lines = rows.map((row) => csvLine(print.map((cell) => cell(row))));
    return { csv: csvLine(Object.keys(columns)) + lines.join(""), rows: rows.length, truncated: found.length > rows.length };
  }
}
