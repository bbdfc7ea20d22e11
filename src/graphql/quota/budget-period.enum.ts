import "reflect-metadata";
import { registerEnumType } from "type-graphql";

export const budgetPeriodEnum = { DAY: "DAY", MONTH: "MONTH" } as const;
registerEnumType(budgetPeriodEnum, { name: "BudgetPeriod", description: "A period of a budget, in UTC." });
