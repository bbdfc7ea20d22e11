/**
 * The set that retrieval is measured on, all of it written for this: passages of thirty-two
 * documents in pairs that resemble each other, and questions with the one passage that answers each.
 */
import { readFileSync } from "node:fs";

export const questionKinds = ["PARAPHRASED", "KEYWORD"] as const;
/** `PARAPHRASED` shares few words with its passage, `KEYWORD` is a name or code and little else. */
export type QuestionKind = (typeof questionKinds)[number];

export interface Passage {
  readonly id: string;
  /** Of the document, the same for all of its passages. */
  readonly title: string;
  readonly text: string;
}

export interface Question {
  readonly kind: QuestionKind;
  readonly text: string;
  /** The id of the passage that answers it. */
  readonly passage: string;
}

export function readPassages(): readonly Passage[] {
  return JSON.parse(readFileSync(new URL("./passages.json", import.meta.url), "utf8")) as Passage[];
}

export function readQuestions(): readonly Question[] {
  return JSON.parse(readFileSync(new URL("./questions.json", import.meta.url), "utf8")) as Question[];
}
