import "reflect-metadata";
import { Field, Float, ID, InputType, Int, ObjectType } from "type-graphql";
import type { AuditState, AuditTrigger } from "../../storage/control/isolation-report-rows.js";
import { connectionType } from "../connection.js";
import { dateTime, safeInt } from "../scalars.js";
import { auditStateEnum, auditTriggerEnum } from "./audit.enums.js";

@ObjectType("AuditedSurface", { simpleResolvers: true, description: "One way by which a tenant's data could reach another." })
export class AuditedSurfaceType {
  @Field(() => String, { description: "Its name." })
  name!: string;

  @Field(() => safeInt, { description: "Attempts to cross it." })
  probes!: number;

  @Field(() => safeInt, { description: "Attempts that got through, or were stopped by an inner wall alone." })
  leaks!: number;

  @Field(() => Float, { nullable: true, description: "The part of what is planted here that its owner found, 0 to 1; null where nothing is planted." })
  recall?: number;
}

@ObjectType("AuditCoverage", { simpleResolvers: true, description: "Which fields of the schema an audit knew how to attack." })
export class AuditCoverageType {
  @Field(() => Int, { description: "Root fields, and fields below them that take arguments." })
  fields!: number;

  @Field(() => Int, { description: "Those that were probed." })
  covered!: number;

  @Field(() => [String], { description: "The others, each with the reason. One of them is enough for the audit to fail." })
  uncovered!: string[];
}

@ObjectType("LeakFinding", { simpleResolvers: true, description: "A leak that an audit found. It names the operation and the surface, never what leaked." })
export class LeakFindingType {
  @Field(() => String, { description: "Where." })
  surface!: string;

  @Field(() => String, { description: "The operation that was tried, as `Type.field(argument)`." })
  operation!: string;

  @Field(() => String, { description: "What came of it." })
  description!: string;

  @Field(() => dateTime, { description: "When it was seen." })
  at!: Date;
}

@ObjectType("IsolationReport", { simpleResolvers: true, description: "What an isolation audit tried, and what came of it. For operators." })
export class IsolationReportType {
  @Field(() => ID, { description: "Opaque." })
  id!: string;

  @Field(() => auditTriggerEnum, { description: "What began it." })
  trigger!: AuditTrigger;

  @Field(() => auditStateEnum, { description: "How it stands." })
  state!: AuditState;

  @Field(() => dateTime, { description: "When it began." })
  startedAt!: Date;

  @Field(() => dateTime, { nullable: true, description: "When it ended; null while it runs." })
  finishedAt?: Date;

  @Field(() => safeInt, { description: "Attempts to cross from one tenant to another. While it runs, so far." })
  probes!: number;

  @Field(() => safeInt, { description: "Attempts that got through, or were stopped by an inner wall alone." })
  leaks!: number;

  @Field(() => Float, { nullable: true, description: "The part of all canaries that their owners found by the same paths, 0 to 1: to deny everything also leaks nothing." })
  recall?: number;

  @Field(() => [AuditedSurfaceType], { description: "The same by surface." })
  surfaces!: AuditedSurfaceType[];

  @Field(() => AuditCoverageType, { description: "Which fields of the schema were probed." })
  coverage!: AuditCoverageType;

  @Field(() => [LeakFindingType], { description: "The first leaks that were found, at most 100." })
  findings!: LeakFindingType[];

  @Field(() => String, { nullable: true, description: "Why it is `FAILED`." })
  failure?: string;
}

export const IsolationReportConnectionType = connectionType("IsolationReport", () => IsolationReportType);

@InputType("RunIsolationAuditInput", { description: "How thorough an audit is." })
export class RunIsolationAuditInput {
  @Field(() => Int, { nullable: true, description: "At least so many probes, 1 to 1,000,000. 2,000 when left out." })
  probes?: number | null;
}

@ObjectType("RunIsolationAuditPayload", { simpleResolvers: true, description: "The audit that was begun, or the one that is under way." })
export class RunIsolationAuditPayloadType {
  @Field(() => IsolationReportType, { description: "Its report; ask for it again until its state is not `RUNNING`." })
  report!: IsolationReportType;
}
