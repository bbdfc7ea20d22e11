import "reflect-metadata";
import { Field, ID, InputType, Int, ObjectType } from "type-graphql";
import type { AdapterOrigin, AdapterState } from "../../storage/adapter-rows.js";
import { connectionType } from "../connection.js";
import { adapterOriginEnum, adapterStateEnum } from "../enums.js";
import { dateTime, safeInt } from "../scalars.js";

@ObjectType("AdapterFailure", { simpleResolvers: true, description: "Why an adapter could not be made." })
export class AdapterFailureType {
  @Field(() => String, { description: "A code of the error catalogue." })
  code!: string;

  @Field(() => String, { description: "The reason in words." })
  message!: string;
}

@ObjectType("AdapterWeights", { simpleResolvers: true, description: "A file of weights that was imported." })
export class AdapterWeightsType {
  @Field(() => safeInt, { description: "Size of the file as it was sent." })
  bytes!: number;

  @Field(() => String, { description: "SHA-256 of the file, in hexadecimal." })
  sha256!: string;
}

@ObjectType("Adapter", { simpleResolvers: true, description: "A model of the tenant's own: a base model trained further on this tenant's feedback and nothing else." })
export class AdapterType {
  @Field(() => ID, { description: "Give it to `ask` as `adapterId`. Opaque." })
  id!: string;

  @Field(() => String, { description: "The name it was given." })
  name!: string;

  @Field(() => String, { description: "The model it is made from, and priced as." })
  baseModel!: string;

  @Field(() => adapterOriginEnum, { description: "Where it comes from." })
  origin!: AdapterOrigin;

  @Field(() => adapterStateEnum, { description: "How far it has come." })
  state!: AdapterState;

  @Field(() => AdapterFailureType, { nullable: true, description: "Why it is `FAILED`; null in any other state." })
  failure?: AdapterFailureType;

  @Field(() => Int, { description: "Number of examples it is trained on; 0 until they are gathered, and for a file." })
  examples!: number;

  @Field(() => AdapterWeightsType, { nullable: true, description: "The file it was imported from; null when it was trained here." })
  weights?: AdapterWeightsType;

  @Field(() => dateTime, { description: "When it was asked for." })
  createdAt!: Date;

  @Field(() => dateTime, { description: "When its state last changed." })
  updatedAt!: Date;
}

export const AdapterConnectionType = connectionType("Adapter", () => AdapterType);

@InputType("TrainAdapterInput", { description: "What to train." })
export class TrainAdapterInput {
  @Field(() => String, { description: "A name of 1 to 100 characters." })
  name!: string;

  @Field(() => String, { description: "A model that the tier allows and whose server is the one that trains." })
  baseModel!: string;
}

@InputType("DeleteAdapterInput", { description: "Which adapter to delete." })
export class DeleteAdapterInput {
  @Field(() => ID, { description: "The adapter's id." })
  adapterId!: string;
}

@ObjectType("TrainAdapterPayload", { simpleResolvers: true, description: "The adapter that will be trained." })
export class TrainAdapterPayloadType {
  @Field(() => AdapterType, { description: "Follow it by its `state`." })
  adapter!: AdapterType;
}

@ObjectType("DeleteAdapterPayload", { simpleResolvers: true, description: "What was deleted." })
export class DeleteAdapterPayloadType {
  @Field(() => ID, { description: "The id of the adapter that is gone, with its weights, its training and its file at the provider." })
  adapterId!: string;
}
