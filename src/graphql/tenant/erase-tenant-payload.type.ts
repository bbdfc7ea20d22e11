import "reflect-metadata";
import { Field, ObjectType } from "type-graphql";
import { ErasureReceiptType } from "../erasure/erasure.type.js";
import { TenantType } from "./tenant.type.js";

@ObjectType("EraseTenantPayload", { simpleResolvers: true, description: "The tenant and the receipt of its erasure, as they stand." })
export class EraseTenantPayloadType {
  @Field(() => TenantType, { description: "The tenant; `ERASED` when all of it is gone." })
  tenant!: TenantType;

  @Field(() => ErasureReceiptType, { description: "What was removed, what is kept, and what could not be reached." })
  receipt!: ErasureReceiptType;
}
