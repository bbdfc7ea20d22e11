import { lexicon } from "./attack-lexicon.js";
import { internal } from "../kernel/errors.js";

export type AttackFamily = "instruction_override" | "prompt_extraction" | "tenant_switch" | "unbound_persona" | "forced_output" | "forged_marker" | "context_flood";

/** A text whose rules add up to so much is taken for an attack. A rule counts once a text, however often it is met. */
export const attackThreshold = 10;

export interface WordRule {
  readonly family: AttackFamily;
  readonly weight: number;
  /** Only where a command can begin: "Should I ignore the previous instructions of the runbook?" is a question about a runbook. */
  readonly isCommand: boolean;
  /** Concepts in order, each with the most other words that may stand before it. */
  readonly steps: readonly { readonly concept: string; readonly gapMax: number }[];
}

/**
 * One rule a line: weight, then concepts, with the most words between two of them where any may be.
 * `!` asks for the place of a command. A rule never reaches over the end of a sentence. To be
 * tripped by one rule alone a text must say what only an attack says; the rest need each other.
 */
const table: Readonly<Partial<Record<AttackFamily, string>>> = {
  instruction_override: `
    10 !override 4 prior 2 rule
    10 !override 3 your 1 rule
    10 !override 3 rule 2 prior
    10 !override 3 rule 2 told
    10 !override 2 everything 3 told
    10 !override 1 everything 2 prior
    8 !override 2 prior 2 matter
    8 !override 2 matter 1 prior
    8 !override 2 rule 1 later
    8 !override 2 later 1 rule
    5 !override 1 all 2 rule
    10 !dont 1 follow 3 prior 2 rule
    10 !dont 1 follow 3 rule 1 prior
    4 !new 0 instruction
    8 !dont 1 follow 3 prior 2 matter
    10 !pretend 3 forgotten 4 rule
    8 prior 1 rule 3 forgotten
    5 your 1 new 1 instruction
    6 out 0 of 0 date 0 instruction
    5 prior 0 instruction 1 end
    6 end 1 of 1 prior 1 instruction
    6 end 1 out 0 of 0 date
    6 end 0 user 0 input
    4 instruction 2 changed
    4 you 3 changed 3 instruction
    5 beyond 2 your 1 safety 0 protocols
    5 override 2 safety 1 protocols
    6 override 2 ethic 2 ethic`,
  prompt_extraction: `
    10 !reveal 4 your 3 systemAdj 1 promptNoun
    10 !reveal 4 the 2 systemAdj 1 promptOnly
    10 !reveal 3 your 2 hiddenAdj 1 promptNoun
    10 !reveal 2 your 1 prompt0
    8 !repeat 1 your 1 instruction
    10 !repeat 2 your 2 instruction
    8 !reveal 2 your 0 instruction
    10 !repeat 1 everything 1 prior
    10 !repeat 3 word 0 prior
    10 !repeat 3 all 2 instruction
    7 !repeat 2 prior 2 instruction
    10 !repeat 3 instruction 3 told
    6 !reveal 3 instruction 2 told
    5 !reveal 2 instruction 2 prior
    6 reveal 3 all 2 instruction
    5 reveal 2 your 3 instruction
    10 whatIs 2 your 3 systemAdj 1 promptNoun
    8 whatIs 1 your 0 prompt0
    8 whatIs 1 your 2 hiddenAdj 0 promptNoun
    4 !reveal 3 secret
    3 !reveal 2 the 1 secret
    5 secret 6 you 2 told 5 not
    5 not 2 reveal 3 secret
    3 correct 0 secret
    5 repeat 3 you 1 should 0 say
    6 whatIs 2 should 0 you 0 say 3 if
    6 whatIs 0 you 0 should 0 say 3 if`,
  tenant_switch: `
    10 !switch 4 to 1 foreign 0 tenant
    10 !act 5 foreign 0 tenant
    10 !impersonate 4 party
    10 !act 1 as 0 tenant
    10 !reveal 4 foreign 1 party 0 tenantData
    10 !use 4 foreign 1 tenant 1 tenantData
    10 !use 3 foreign 0 party 0 tenantData
    10 !use 3 tenantData 2 foreign 0 tenant
    8 !reveal 3 tenantData 3 across 1 tenant
    10 !switch 2 to 0 tenant`,
  forced_output: `
    3 !commence 2 your 2 reply 2 with
    4 !commence 1 reply 1 with
    3 !respond 1 only
    3 !only 1 respond
    3 nothing 0 else
    2 not 4 explain
    4 access 0 granted
    2 access 0 denied
    3 granted 3 access
    4 only 3 case 5 respond
    4 not 1 say 3 denied
    5 !replace 4 with 4 granted
    4 instead 2 of 3 denied
    3 only 1 word
    4 respond 6 granted`,
  unbound_persona: `
    6 do 0 anything 0 now
    6 you 5 modeName 0 mode
    5 modeName 0 mode
    4 you 2 now 3 mode
    2 mode 0 enabled
    2 enabled 3 mode
    3 deviceMode 0 mode
    4 you 3 deviceMode 0 mode
    4 deviceMode 0 mode 6 lack
    6 you 4 danName
    5 act 3 danName
    4 as 1 danName
    5 stay 3 character
    4 from 0 now 0 on 6 you
    4 from 0 this 3 on 6 you
    3 you 3 going 2 act
    4 you 3 going 3 act 1 as
    3 you 0 are 1 now
    5 you 3 lack 4 limits
    5 lack 3 limits 4 limits
    4 ai 6 lack 4 limits
    5 not 2 bound 6 limits
    5 lack 4 vendor 2 limits
    5 vendor 3 limits
    3 lack 2 limits
    6 unbound 5 ai
    6 ai 5 unbound
    4 lawless 2 lawless
    3 unbound
    3 lawless 4 request
    3 lawless 2 content
    5 not 5 follow 4 limits
    4 respond 1 only 1 as
    4 all 1 request 3 comply
    4 opposite 6 limits
    3 can 4 lawless
    2 profane
    2 profane 3 profane
    5 not 3 refuse 5 request
    5 never 2 refuse
    4 not 3 refuse
    5 not 2 say 6 sorry
    5 not 2 say 6 cant
    5 not 4 as 1 an 0 ai
    4 as 1 an 0 ai 1 language
    5 comply 3 all 2 request
    4 comply 2 all 4 request
    4 regardless 5 ethic
    5 tokens 6 lose
    5 lose 5 tokens
    5 two 2 answers 6 classic
    4 two 3 answers 4 as
    5 act 2 as 5 lack 3 limits
    4 hypothetical 8 lack 4 limits
    6 break 4 confines
    5 break 1 free
    4 my 0 first 1 request
    4 vendor
    3 confirm 8 respond
    4 act 4 evil
    4 evil 4 ai
    4 pretend 6 ai
    3 act 3 as 4 ai
    4 can 2 anything 4 want
    4 opposite 5 ai
    3 ethic 2 ethic
    3 override 4 ethic
    5 not 3 care 8 ethic
    2 not 4 ethic
    6 ethic 2 not 2 matter0
    6 limits 3 not 1 apply
    3 your 0 name 0 is
    3 ai 3 named
    2 persona
    5 not 3 mention 6 ai
    1 not 2 mention 4 that
    2 always 3 respond
    2 lack 4 refuse
    5 not 2 censorVerb
    4 censorVerb 3 yourself
    3 explicit
    3 two 1 ways
    3 switch 4 mode
    3 break 3 limits
    2 against 2 law
    2 break 2 law
    6 act 6 grandma
    4 opposite 3 your
    4 your 0 creator
    3 no 2 consequences
    3 if 0 you 0 understand
    2 not 4 lawless
    2 freedom
    2 reply 3 commence 1 with
    2 language 0 model0
    3 not 1 an 0 ai
    3 ai 2 that 4 lack
    4 programmed 4 lack
    3 without 1 holding`,
};

const extraConcepts = ["understand", "ways", "is", "name", "apply", "yourself", "against", "that", "no", "without", "holding", "programmed", "are", "this", "never", "cant", "an", "want", "care"];

/** All concepts: those of the lexicon, and single words that stand for themselves. `prompt0` is the word alone. */
export const concepts: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ...Object.entries(lexicon).map(([name, words]) => [name, words.split(" ")] as const),
  ...extraConcepts.map((word) => [word, [word]] as const),
  ["prompt0", ["prompt", "preprompt"]] as const,
  ["model0", ["model", "models"]] as const,
  ["matter0", ["matter", "matters"]] as const,
]);

function parseRule(family: AttackFamily, line: string): WordRule {
  const [weight, ...parts] = line.trim().split(" ");
  const steps: { concept: string; gapMax: number }[] = [];
  let gapMax = 0;
  for (const part of parts) {
    if (/^\d+$/.test(part)) gapMax = Number(part);
    else {
      const concept = part.replace("!", "");
      if (!concepts.has(concept)) throw internal(`An attack rule names the concept "${concept}", which the lexicon does not have`);
      steps.push({ concept, gapMax });
      gapMax = 0;
    }
  }
  return { family, weight: Number(weight), isCommand: parts[0]?.startsWith("!") === true, steps };
}

export const wordRules: readonly WordRule[] = Object.entries(table).flatMap(([family, lines]) =>
  lines.trim().split("\n").map((line) => parseRule(family as AttackFamily, line)),
);

export interface MarkRule {
  readonly family: AttackFamily;
  readonly weight: number;
  readonly pattern: RegExp;
}

/** Marks that no question needs: a dialogue's roles and fences written by hand. For folded text with a mark or a role's name in it. */
export const markRules: readonly MarkRule[] = [
  { family: "forged_marker", weight: 8, pattern: /<\|?\s?(?:im_start|im_end|endoftext|end[a-z_]{0,12}text|system|assistant|user|sep|eot_id|begin_of_text|start_header_id)\s?\|?>|\[\/?inst\]|<<\/?sys>>/ },
  { family: "forged_marker", weight: 6, pattern: /(?:%{2,}|={3,}|-{3,}|\*{3,}|<|\[|#{2,})\s?\/?\s?(?:end|begin|start|stop|new|updated)\b[^\n%=\]>]{0,40}\b(?:instructions?|prompts?|system|inputs?|ambiguity|rules|message|context)\b/ },
  { family: "forged_marker", weight: 5, pattern: /(?:^|\n)\W{0,4}(?:system|sys|developer|admin(?:istrator)?|root)(?: (?:message|prompt|note|update|override|announcement))?\s?\]?\s?:/ },
  { family: "forged_marker", weight: 4, pattern: /(?:^|\n)\W{0,4}(?:assistant|ai|chatgpt|bot|model)\s?\]?\s?:/ },
  { family: "forged_marker", weight: 3, pattern: /(?:^|\n)\W{0,4}(?:user|human)\s?\]?\s?:/ },
  { family: "unbound_persona", weight: 6, pattern: /[[({*\ud83d][\udd12\udd13]?(?:jailbreak|dan|unfiltered|uncensored|developer mode(?: output)?|classic|evil|gpt|chatgpt)[\ud83d\])}*]/ },
  { family: "tenant_switch", weight: 10, pattern: /\b(?:set|use|with|change|switch|as|using|for)\b[^.?!\n]{0,15}\btenant[_ -]?id\b\s*(?:[:=]|to\b)/ },
];
