import { askedBy, type Asked } from "./asked-for.js";
import { contractions, determiners, emptyInAmounts, emptyWords, focusWords, momentLeads, momentWords, negations, obligations, phrases, timeUnits } from "./question-words.js";
import { namesOf, numberOf, stemOf } from "./word-forms.js";

export type Tense = "PAST" | "PRESENT" | "FUTURE";
/** The word that ties a word to the rest. `TO_NOUN`: it cannot stand before a verb. */
export type Tie = "by" | "with" | "about" | "to" | "TO_NOUN" | "OTHER";

/** A question without the words that change nothing in it. */
export interface QuestionForm {
  /** Its words alone, in lower case. */
  readonly plain: string;
  readonly asked: Asked;
  readonly tense: Tense;
  readonly isObligation: boolean;
  /** Who acts, where it is one of the two who talk. */
  readonly actor: "ASKER" | "ASKED" | undefined;
  /** Numbers, names that bear digits, and signs, in order. */
  readonly numbers: readonly string[];
  /** Names, and everything else that says what is asked about, in order and once each. */
  readonly content: readonly string[];
  /** Negations, conditions and words of degree, each with the word it stands before. */
  readonly marks: readonly string[];
  readonly ties: ReadonlyMap<string, Tie>;
  /** It hangs on the moment it is asked in. */
  readonly isOfMoment: boolean;
}

/** Words with their marks and inner signs, so that `C++`, `AF-720` and `10.5%` hold together; and signs that stand alone. */
const wordPattern = /[\p{L}\p{N}\p{M}]+(?:['’.,:/_-][\p{L}\p{N}\p{M}]+)*[%°+#]*|[<>]=?|[-–](?=\s*\p{N})|[\p{S}*/&@#^\\]/gu;
const signPattern = /^[^\p{L}\p{N}\p{M}]+$/u;

export function formOf(question: string): QuestionForm {
  const text = contractions.reduce((so, [pattern, instead]) => so.replace(pattern, instead), question.normalize("NFKC").trim());
  const names = namesOf(text);
  const lower = phrases.reduce((so, [pattern, instead]) => so.replace(pattern, instead).trim(), text.toLowerCase());
  const words = lower.match(wordPattern) ?? [];
  const asked = askedBy(lower);
  return {
    plain: words.join(" "),
    asked,
    tense: tenseOf(words),
    isObligation: asked !== "HOW" && words.some((word) => obligations.has(word)),
    actor: actorOf(words),
    isOfMoment: words.some((word, at) => momentWords.has(word) || (momentLeads.has(word) && timeUnits.has(stemOf(words[at + 1] ?? "")))),
    ...partsOf(words, names, asked),
  };
}

function partsOf(words: readonly string[], names: ReadonlySet<string>, asked: Asked): Pick<QuestionForm, "numbers" | "content" | "marks" | "ties"> {
  const isAmount = asked === "COUNT" || asked === "AMOUNT" || asked === "DURATION" || asked === "FREQUENCY";
  // "From here to there" and "from there to here" differ in these words' places alone.
  const isDirected = words.includes("from");
  const numbers: string[] = [];
  const content = new Set<string>();
  const marks: string[] = [];
  const ties = new Map<string, Tie>();
  let open: string[] = [];
  let tie: Tie | undefined;
  for (const [at, word] of words.entries()) {
    const number = signPattern.test(word) ? word : numberOf(word);
    if (number !== undefined) numbers.push(number);
    else if (!names.has(word) && (negations.has(word) || focusWords.has(word))) open.push(word);
    else if (!names.has(word) && at > 0 && (word === "if" || word === "when")) open.push("if");
    else if (!names.has(word) && emptyWords.has(word) && !(isDirected && word === "to")) tie = tieOf(word, words[at + 1] ?? "") ?? tie;
    else if (names.has(word) || !(obligations.has(word) || askedWords.has(word))) {
      const stem = names.has(word) ? nameOf(word) : stemOf(word);
      if (isAmount && emptyInAmounts.has(stem)) continue;
      content.add(stem);
      if (tie !== undefined && !ties.has(stem)) ties.set(stem, tie);
      marks.push(...open.map((mark) => `${mark} ${stem.slice(0, markCharsMax)}`));
      open = [];
      tie = undefined;
    }
  }
  return { numbers, content: [...content], marks: [...marks, ...open].toSorted(), ties };
}

/** A mark repeats its word: without a bound a question of thousands of negations in front of one endless word would hold a hundred times its length. */
const markCharsMax = 40;

/** Stand in `asked` already. */
const askedWords: ReadonlySet<string> = new Set(["many", "much", "long", "often"]);
const strongTies: ReadonlySet<string> = new Set(["by", "with", "about"]);
const weakTies: ReadonlySet<string> = new Set(["of", "for", "in", "on", "at", "as"]);

function tieOf(word: string, next: string): Tie | undefined {
  if (strongTies.has(word)) return word as Tie;
  if (word === "to") return determiners.has(next) ? "TO_NOUN" : "to";
  return weakTies.has(word) ? "OTHER" : undefined;
}

/** Written small elsewhere it is still the name, unless it is a letter or a word that would be dropped. */
function nameOf(word: string): string {
  return word.length === 1 || emptyWords.has(word) || negations.has(word) || obligations.has(word) || focusWords.has(word) ? `name ${word}` : stemOf(word);
}

function tenseOf(words: readonly string[]): Tense {
  if (words.some((word) => word === "was" || word === "were" || word === "did" || word === "had")) return "PAST";
  return words.some((word) => word === "will" || word === "shall") ? "FUTURE" : "PRESENT";
}

function actorOf(words: readonly string[]): QuestionForm["actor"] {
  const actor = words.find((word) => word === "i" || word === "we" || word === "you");
  return actor === undefined ? undefined : actor === "you" ? "ASKED" : "ASKER";
}
