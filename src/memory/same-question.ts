/**
 * Whether two questions are one, by their words. Vectors cannot tell: "with a doctor's note" and
 * "without a doctor's note", six weeks and eight, Rotterdam and Antwerp lie closer together than most
 * paraphrases. So nearness only proposes an answer, and what is here decides. It errs towards "no":
 * that costs a model call, the other error tells somebody what is not so.
 */
import type { Asked } from "./asked-for.js";
import { formOf, type QuestionForm, type Tie } from "./question-form.js";
import { amountNouns, dateNouns, durationNouns } from "./question-words.js";
import { baseOf } from "./word-forms.js";

export function sameQuestion(x: QuestionForm, y: QuestionForm): boolean {
  if (!sameList(x.numbers, y.numbers)) return false;
  // Names are told by their capitals, which `plain` has not: "us" is not "US".
  if (x.plain === y.plain) return sameList(x.content, y.content);
  return (
    x.content.length > 0 &&
    sameKind(x, y) &&
    x.tense === y.tense &&
    x.isObligation === y.isObligation &&
    sameActor(x, y) &&
    sameList(x.marks, y.marks) &&
    sameWords(x.content, y.content) &&
    x.content.every((word) => areTiedAlike(x.ties.get(word), y.ties.get(word))) &&
    sameRoles(x, y)
  );
}

/** For callers that have the texts alone. */
export function areSameQuestion(x: string, y: string): boolean {
  return sameQuestion(formOf(x), formOf(y));
}

/** In order: "two of three" is not "three of two". */
function sameList(x: readonly string[], y: readonly string[]): boolean {
  return x.length === y.length && x.every((item, at) => item === y[at]);
}

/** Every word, of names, places, opposites and times alike: one that only one side has is what the question turns on. */
function sameWords(x: readonly string[], y: readonly string[]): boolean {
  const words = new Set(y);
  return x.length === y.length && x.every((word) => words.has(word));
}

const nounsOf: Partial<Record<Asked, ReadonlySet<string>>> = { AMOUNT: basesOf(amountNouns), DURATION: basesOf(durationNouns), WHEN: basesOf(dateNouns) };

/** The same kind of answer, or one that the noun asks for as well: "what is the fee", "how much is the fee". */
function sameKind(x: QuestionForm, y: QuestionForm): boolean {
  if (x.asked === y.asked) return true;
  const [what, other] = x.asked === "WHAT" ? [x, y] : [y, x];
  return what.asked === "WHAT" && what.content.some((word) => nounsOf[other.asked]?.has(word) === true);
}

/** "May I cancel it" and "may you cancel it". In instructions "you" is anybody. */
function sameActor(x: QuestionForm, y: QuestionForm): boolean {
  return x.actor === undefined || y.actor === undefined || x.actor === y.actor || x.asked === "HOW";
}

/** "Paid by the guest" is not "pay the guest", nor "letters to" "letters about"; "fee of", "fee for" and "fee in" are one. */
function areTiedAlike(x: Tie | undefined, y: Tie | undefined): boolean {
  if (x === y) return true;
  if (x === "with" || y === "with") return false;
  const [weak, strong] = x === undefined || x === "OTHER" ? [x, y] : [y, x];
  if (weak === undefined) return strong !== "by" && strong !== "TO_NOUN";
  return weak === "OTHER" || (weak === "to" && strong === "TO_NOUN") || (weak === "TO_NOUN" && strong === "to");
}

/** Who pays the seller is not whom the seller pays: there the order of two neighbours is the question. */
function sameRoles(x: QuestionForm, y: QuestionForm): boolean {
  if (sameList(x.content, y.content)) return true;
  if (x.asked === "WHO") return x.content.length > 2 && isRotated(x.content, y.content);
  return isRotated(x.content, y.content) || !swapsRoles(x.content, y.content);
}

/** "At Acme, who is responsible" and "who is responsible at Acme": one part was put in front of the rest. */
function isRotated(x: readonly string[], y: readonly string[]): boolean {
  const at = y.indexOf(x[0] ?? "");
  return sameList(x, [...y.slice(at), ...y.slice(0, at)]);
}

/**
 * "Late payment fee" and "fee for a late payment" change the order of neighbours; "may a manager
 * overrule a clerk" and "may a clerk overrule a manager" that of words with another between them.
 */
function swapsRoles(x: readonly string[], y: readonly string[]): boolean {
  const places = new Map(y.map((word, at) => [word, at]));
  const order = x.map((word) => places.get(word) ?? 0);
  return order.some((place, first) => order.slice(first + 2).some((other) => other <= place - 2));
}

function basesOf(words: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...words].map(baseOf));
}
