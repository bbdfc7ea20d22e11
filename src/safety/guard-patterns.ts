export interface GuardPattern {
  /** For metrics: says what was tried, never what was written. */
  readonly name: string;
  readonly pattern: RegExp;
}

/**
 * Where a command to the model begins. "Should I ignore the previous instructions of the runbook?"
 * is a question about a runbook, and stays one: nothing of this stands before its "ignore".
 */
const command = String.raw`(?:^|[.!?:;,\n"(]\s*|\b(?:please|now|and|then|just|instead|first|you (?:must|should|will)|(?:can|could|would|will) you)\s+)`;

/** "The developer message in the log" is a log's; only "your developer message" is the assistant's. */
const secretPrompt = String.raw`(?:(?:your|the) (?:(?:full|exact|complete|entire|verbatim|own) )*(?:system|hidden|secret) prompt|your (?:(?:full|exact|complete|entire|verbatim|own) )*(?:(?:system|hidden|initial|original|secret|internal|developer) (?:prompt|message|instructions?|rules|directives)|prompt))`;

const foreignTenant = String.raw`(?:another|other|(?:a|the) different|the other) tenants?(?:['’]s?)?`;

/** Written for text from `normaliseForGuard`. Few and narrow: a wrongly blocked question costs a customer, a missed one meets the store's walls. */
export const guardPatterns: readonly GuardPattern[] = [
  {
    name: "prompt_extraction",
    pattern: new RegExp(`${command}(?:reveal|show|print|repeat|display|output|write(?: out)?|tell me|give me|leak|dump|expose|recite|translate|summari[sz]e|quote)\\b[^.?!\\n]{0,30}\\b${secretPrompt}\\b`, "u"),
  },
  { name: "prompt_extraction", pattern: new RegExp(`^\\s*what(?:'s|’s| is| are| was| were| does)\\b[^.?!\\n]{0,10}\\b${secretPrompt}\\b`, "u") },
  {
    name: "prompt_extraction",
    pattern: new RegExp(`${command}(?:repeat|print|output|recite|copy)\\b (?:me )?(?:everything|all (?:of )?(?:the )?(?:text|words)|the (?:text|words)) (?:above|before (?:this|my)|that came before)`, "u"),
  },
  {
    name: "instruction_override",
    pattern: new RegExp(
      `${command}(?:ignore|disregard|forget|override|bypass)\\b (?:all |any |each |every )?(?:of )?(?:your |the |these |those |my )?(?:(?:previous|prior|above|earlier|preceding|former|system) (?:instructions?|prompts?|rules|directions|directives|messages)|instructions? (?:above|before|you (?:were|have been) given))`,
      "u",
    ),
  },
  { name: "instruction_override", pattern: /\byou are (?:now )?(?:in )?(?:dan|developer|god|jailbreak|unrestricted|operator|root)(?: mode\b|\b(?= (?:with|and) (?:no|without) (?:restrictions|rules)))/u },
  { name: "tenant_switch", pattern: new RegExp(`${command}(?:switch|change|move|connect|log ?in|go)\\b[^.?!\\n]{0,20}\\b(?:to|as|into)\\b ${foreignTenant}`, "u") },
  { name: "tenant_switch", pattern: new RegExp(`${command}(?:act|answer|respond|behave|pretend|impersonate)\\b[^.?!\\n]{0,30}\\b${foreignTenant}`, "u") },
  {
    name: "tenant_switch",
    pattern: new RegExp(`${command}(?:show|list|give|read|search|access|retrieve|fetch|dump|leak|print|use|query)\\b[^.?!\\n]{0,30}\\b${foreignTenant} (?:data(?:base)?|documents?|files?|records|index|vectors?|chunks?)\\b`, "u"),
  },
  { name: "tenant_switch", pattern: /\b(?:set|use|with|change|switch)\b[^.?!\n]{0,15}\btenant[_ -]?id\b\s*(?:[:=]|to\b)/u },
];
