import "reflect-metadata";
import { registerEnumType } from "type-graphql";
import type { AuditState, AuditTrigger } from "../../storage/control/isolation-report-rows.js";

export const auditTriggerEnum = { MANUAL: "MANUAL", SCHEDULE: "SCHEDULE", AFTER_MOVE: "AFTER_MOVE" } as const satisfies Record<AuditTrigger, AuditTrigger>;
registerEnumType(auditTriggerEnum, { name: "AuditTrigger", description: "What began an isolation audit." });

export const auditStateEnum = { RUNNING: "RUNNING", PASSED: "PASSED", LEAKED: "LEAKED", FAILED: "FAILED" } as const satisfies Record<AuditState, AuditState>;
registerEnumType(auditStateEnum, {
  name: "AuditState",
  description: "How an isolation audit stands.",
  valuesConfig: {
    PASSED: { description: "No leak, every canary found by its owner, every field covered." },
    LEAKED: { description: "Something of one tenant reached another. `/health/ready` fails by policy until an operator's next audit passes." },
    FAILED: { description: "No leak was seen, and the audit proves nothing: it was cut short, did not find its own canaries, or left a field out." },
  },
});
