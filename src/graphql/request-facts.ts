import type { OperationDefinitionNode } from "graphql";
import type { Refusal } from "../kernel/refusal.js";
import type { Answered } from "./services.js";

/** What the line of a request in the log says of what it did. Filled in as the request goes; no text of a user. */
export interface RequestFacts {
  operation?: string;
  operationType?: string;
  /** SHA-256 of the document, cut short: which of two operations of one name it was. */
  documentHash?: string;
  /** Codes of errors and refusals, in order, the first few. */
  readonly codes: string[];
  /** Questions of the request together. */
  promptTokens?: number;
  completionTokens?: number;
  costMicroUsd?: number;
  cached?: boolean;
  replayed?: boolean;
  model?: string;
}

/** 64 bits tell the operations of a deployment apart. */
const hashCharsMax = 16;

/** A log and a trace need no more of a name; `queryLimits` lets longer ones through. */
const operationCharsMax = 64;

/** One document may fail in dozens of fields. */
const codesMax = 10;

/** An operation's name as logs and traces have it. GraphQL's names are `[_A-Za-z][_0-9A-Za-z]*` and no more, so none breaks a line or is cut within a character. */
export function toldName({ name }: OperationDefinitionNode): string | undefined {
  return name?.value.slice(0, operationCharsMax);
}

export function noteOperation(facts: RequestFacts | undefined, operation: OperationDefinitionNode, hash: string): void {
  if (facts === undefined) return;
  facts.operationType = operation.operation;
  facts.documentHash = hash.slice(0, hashCharsMax);
  const name = toldName(operation);
  if (name !== undefined) facts.operation = name;
}

export function noteCode(facts: RequestFacts | undefined, code: string): void {
  if (facts !== undefined && facts.codes.length < codesMax) facts.codes.push(code);
}

/** What was replayed was paid for by the request before. */
export function noteAnswer(facts: RequestFacts | undefined, answer: Answered | Refusal): void {
  if (facts === undefined) return;
  if (answer.kind === "REFUSAL") return noteCode(facts, answer.code);
  const { usage, cached, replayed, model } = answer;
  if (!replayed) {
    facts.promptTokens = (facts.promptTokens ?? 0) + usage.promptTokens;
    facts.completionTokens = (facts.completionTokens ?? 0) + usage.completionTokens;
    facts.costMicroUsd = (facts.costMicroUsd ?? 0) + usage.costMicroUsd;
  }
  Object.assign(facts, { cached, replayed, model });
}
