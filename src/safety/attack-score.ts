import { attackThreshold, markRules, type AttackFamily, type MarkRule } from "./attack-rules.js";
import { leads, rulesFrom, toId, yous, type CompiledRule } from "./attack-words.js";
import { foldText } from "./fold-text.js";
import { hiddenTexts } from "./hidden-text.js";
import { scanWords, type WordScan } from "./word-scan.js";

export interface AttackScore {
  /** Sum of the weights of all rules met. */
  readonly score: number;
  readonly isAttack: boolean;
  /** The family that gave most of it. For metrics: says what was tried, never what was written. */
  readonly family?: AttackFamily;
}

/** A rule met in a text that had to be decoded first: hiding it is a sign of its own. */
const hiddenWeight = 6;
/** From here on what is decoded counts as an instruction and not as chance. */
const hiddenRuleWeightMin = 4;
const floodWeight = 10;

/** How much of an attack a text looks like. Linear in its length: rules have bounded reach. */
export function scoreAttack(text: string): AttackScore {
  const folded = foldText(text);
  const scan = scanWords(folded);
  const sum = new Sum();
  sum.look(folded, scan);
  if (scan.isFlood) sum.add("context_flood", floodWeight);
  for (const hidden of hiddenTexts(text, folded, scan)) {
    const before = sum.heaviest;
    sum.heaviest = 0;
    sum.look(hidden, scanWords(hidden));
    if (sum.heaviest >= hiddenRuleWeightMin) sum.addHidden();
    sum.heaviest = Math.max(before, sum.heaviest);
  }
  return sum.result();
}

class Sum {
  // Made when first needed: most texts meet no rule.
  #met: Set<CompiledRule | MarkRule> | undefined;
  readonly #families = new Map<AttackFamily, number>();
  #score = 0;
  #isHidden = false;
  heaviest = 0;

  look(folded: string, { ids, breaks, hasMarks }: WordScan): void {
    for (let at = 0; at < ids.length; at += 1) {
      const rules = rulesFrom[ids[at] ?? 0];
      if (rules === undefined) continue;
      for (const rule of rules) {
        if (this.#met?.has(rule) === true) continue;
        if (rule.isCommand && !isCommandPlace(ids, breaks, at)) continue;
        if (follows(rule, 1, ids, breaks, at)) this.#meet(rule);
      }
    }
    if (!hasMarks) return;
    for (const rule of markRules) if (this.#met?.has(rule) !== true && rule.pattern.test(folded)) this.#meet(rule);
  }

  #meet(rule: CompiledRule | MarkRule): void {
    (this.#met ??= new Set()).add(rule);
    this.heaviest = Math.max(this.heaviest, rule.weight);
    this.add(rule.family, rule.weight);
  }

  add(family: AttackFamily, weight: number): void {
    this.#score += weight;
    this.#families.set(family, (this.#families.get(family) ?? 0) + weight);
  }

  addHidden(): void {
    if (!this.#isHidden) this.#score += hiddenWeight;
    this.#isHidden = true;
  }

  result(): AttackScore {
    let family: AttackFamily | undefined;
    for (const [name, weight] of this.#families) if (family === undefined || weight > (this.#families.get(family) ?? 0)) family = name;
    return { score: this.#score, isAttack: this.#score >= attackThreshold, ...(family === undefined ? {} : { family }) };
  }
}

/** At the beginning of a sentence or clause, after "please", "you must" and their like, or after "you ... to". */
function isCommandPlace(ids: readonly number[], breaks: readonly number[], at: number): boolean {
  if (at === 0 || (breaks[at] ?? 0) > 0) return true;
  const before = ids[at - 1] ?? 0;
  if (leads[before] === 1) return true;
  if (before !== toId) return false;
  for (let back = at - 2; back >= 0 && back >= at - 5 && (breaks[back + 1] ?? 0) < 2; back -= 1) if (yous[ids[back] ?? 0] === 1) return true;
  return false;
}

/** Whether the rule's steps from the given one on follow the word at `at`, within their gaps and its sentence. */
function follows(rule: CompiledRule, step: number, ids: readonly number[], breaks: readonly number[], at: number): boolean {
  const wanted = rule.steps[step];
  if (wanted === undefined) return true;
  const last = Math.min(ids.length - 1, at + 1 + wanted.gapMax);
  for (let next = at + 1; next <= last; next += 1) {
    if (breaks[next] === 2) return false;
    if (wanted.words[ids[next] ?? 0] === 1 && follows(rule, step + 1, ids, breaks, next)) return true;
  }
  return false;
}
