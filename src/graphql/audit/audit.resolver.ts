import "reflect-metadata";
import { Arg, Args, Ctx, ID, Int, Mutation, Query, Resolver } from "type-graphql";
import { badUserInput, notFound } from "../../kernel/errors.js";
import type { IsolationReportRow } from "../../storage/control/isolation-report-rows.js";
import { PageArgs, parseFirst, parsePageRequest, toConnection, type Connection } from "../connection.js";
import { asOperator, type RequestContext } from "../request-context.js";
import type { AlarmView } from "../services.js";
import { AlarmType } from "./alarm.type.js";
import { IsolationReportConnectionType, IsolationReportType, RunIsolationAuditInput, RunIsolationAuditPayloadType } from "./isolation-report.type.js";

const probesMax = 1_000_000;
/** An alarm's facts are names and numbers; a longer text is none. */
const valueCharsMax = 300;

@Resolver()
export class AuditResolver {
  @Query(() => IsolationReportType, { nullable: true, description: "One isolation audit's report; without `id` the latest that has ended. `NOT_FOUND` when there is none. For operators." })
  async isolationReport(@Arg("id", () => ID, { nullable: true }) id: string | null | undefined, @Ctx() context: RequestContext): Promise<IsolationReportRow> {
    const { audits } = asOperator(context).services;
    const report = id === null || id === undefined ? await audits.latest() : await audits.find(id);
    if (report === undefined) throw notFound("IsolationReport");
    return report;
  }

  @Query(() => IsolationReportConnectionType, { nullable: true, description: "Reports of isolation audits, newest first. Kept for 90 days. For operators." })
  async isolationReports(@Args(() => PageArgs) args: PageArgs, @Ctx() context: RequestContext): Promise<Connection<IsolationReportRow>> {
    const request = parsePageRequest(args);
    return toConnection(await asOperator(context).services.audits.page(request), request);
  }

  @Query(() => [AlarmType], { nullable: true, description: "Alarms of the server that answers, newest first, from its latest 200. For operators." })
  alarms(@Arg("first", () => Int, { nullable: true, description: "How many, 1 to 100. 20 when left out." }) first: number | null | undefined, @Ctx() context: RequestContext): readonly AlarmType[] {
    const alarms = asOperator(context).services.alarms.recentAlarms();
    return alarms.toReversed().slice(0, parseFirst(first)).map(toAlarm);
  }

  @Mutation(() => RunIsolationAuditPayloadType, { nullable: true, description: "Begins an isolation audit, or gives the one under way. It attacks tenants that it makes for itself, by every path there is, and takes seconds. For operators." })
  async runIsolationAudit(@Arg("input", () => RunIsolationAuditInput, { nullable: true }) input: RunIsolationAuditInput | null | undefined, @Ctx() context: RequestContext): Promise<{ report: IsolationReportRow }> {
    const probes = input?.probes ?? undefined;
    if (probes !== undefined && (probes < 1 || probes > probesMax)) throw badUserInput("probes", String(probes), `1 to ${probesMax}`);
    return { report: await asOperator(context).services.audits.begin("MANUAL", probes) };
  }
}

function toAlarm({ name, at, fields }: ReturnType<AlarmView["recentAlarms"]>[number]): AlarmType {
  return { name, at, fields: Object.entries(fields).map(([field, value]) => ({ name: field, value: valueOf(value) })) };
}

function valueOf(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  return text.length > valueCharsMax ? `${text.slice(0, valueCharsMax)}…` : text;
}
