import "reflect-metadata";
import { Field, Int, ObjectType } from "type-graphql";

@ObjectType("UsageExport", { simpleResolvers: true, description: "Rows of the usage ledger as a table. An admin gets the whole tenant's, a member their own." })
export class UsageExportType {
  @Field(() => String, { description: "Comma-separated as RFC 4180 says, with a line of names first. Text that a spreadsheet would run as a formula begins with an apostrophe." })
  csv!: string;

  @Field(() => Int, { description: "Lines after the first: one for each model call, and one for each correction of a price." })
  rows!: number;

  @Field(() => Boolean, { description: "True when there are more rows than the 50,000 that one export holds. Go on with `from` at the time of the last line; `id` tells which rows you have." })
  truncated!: boolean;
}
