/*
 * What an expression is compiled to and evaluated on; shared by expression.ts and the families of operators.
 */
import type { Doc } from "./bson-codec.js";

/** Scores carried beside a document, never inside it. */
export interface DocMeta {
  vectorSearchScore?: number;
  searchScore?: number;
}

export type Variables = Readonly<Record<string, unknown>>;

/** What an expression is evaluated on. */
export interface Frame {
  root: Doc;
  vars: Variables;
  meta?: DocMeta | undefined;
}

/** `undefined` stands for a missing value. */
export type Evaluate = (frame: Frame) => unknown;
/** `names` are the variables that the expression may use beside those around it. */
export type Compile = (expression: unknown, names?: readonly string[]) => Evaluate;
/** Turns the operand of `{$name: operand}` into a function; runs once per query. */
export type OperatorBuilder = (operand: unknown, compile: Compile, name: string) => Evaluate;
