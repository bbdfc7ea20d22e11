/**
 * What words do to a question, as data for `question-form.ts`. English only: words of other
 * languages are in no list and so are all content, which makes the comparison stricter, never looser.
 */

function setOf(words: string): ReadonlySet<string> {
  return new Set(words.split(" "));
}

/** Groups written `canonical: other other`. */
function groupsOf(lines: string): ReadonlyMap<string, string> {
  const canonical = new Map<string, string>();
  for (const line of lines.trim().split("\n")) {
    const [head = "", others = ""] = line.trim().split(/:\s*/u);
    for (const other of others.split(" ")) canonical.set(other, head);
  }
  return canonical;
}

/** Say nothing of what is asked. Words of direction, degree, time and number are left out of this list on purpose. */
export const emptyWords = setOf(
  "a an the this that these those there here i me my mine we us our ours you your yours it its one's am is are was were be been being do does did done have has had having can could may might shall will would " +
    "of for in on at as by with about to and if so then please kindly any such exactly actually generally really possible possibly able allowed permitted right what which who whom whose when where why how",
);

/** Empty where an amount or a time is asked for: "how many days can I take" and "do I get". Elsewhere they are what is asked. */
export const emptyInAmounts = setOf("get take entitled available granted last give offer provide");

export const negations = setOf("not no never none nobody nothing neither nor without cannot except excluding unless");

/** What they stand before is what they say something of: "only managers may sign" is not "managers may only sign". */
export const focusWords = setOf("only just all every each both some also even always still already more less most least");

/** Nouns follow them, whereas a bare "to" may stand before a verb. */
export const determiners = setOf("the a an my our your his her their this that these those another each every all any");

export const obligations = setOf("must should need needed needs required require requires requirement mandatory obligatory obliged compulsory necessary ought");

/** An answer that hangs on the day it was asked is stale tomorrow, whatever its words. */
export const momentWords = setOf("today tomorrow yesterday tonight now currently ago recently latest newest upcoming nowadays presently");

/** Make a moment of the unit after them: "next week". */
export const momentLeads = setOf("this next last past previous coming current");
export const timeUnits = setOf("second minute hour day week weekend month quarter year monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september october november december spring summer autumn winter night morning evening");

export const numberWords: ReadonlyMap<string, string> = new Map(
  ("zero=0 one=1 two=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9 ten=10 eleven=11 twelve=12 thirteen=13 fourteen=14 fifteen=15 sixteen=16 seventeen=17 eighteen=18 nineteen=19 " +
    "twenty=20 thirty=30 forty=40 fifty=50 sixty=60 seventy=70 eighty=80 ninety=90 hundred=100 thousand=1000 million=1000000 dozen=12 half=0.5 once=1 twice=2 thrice=3 " +
    "first=1st second=2nd third=3rd fourth=4th fifth=5th sixth=6th seventh=7th eighth=8th ninth=9th tenth=10th")
    .split(" ")
    .map((pair) => pair.split("=") as [string, string]),
);

/** Phrases that are one word elsewhere. Applied in order to the lower-case text. */
export const phrases: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/^(?:hi|hello|hey)\b[,!. ]*/u, ""],
  [/^(?:so|well|ok|okay|and)[, ]+/u, ""],
  [/\b(?:can|could|would|will) you (?:please )?(?:tell|explain to|let) (?:me|us)(?: know)?\b/u, ""],
  [/\b(?:please )?(?:tell|let) (?:me|us)(?: know)?\b/u, ""],
  [/\b(?:can|could|would) you (?:please )?explain\b/u, ""],
  [/\b(?:i would|i'd|we would|we'd) like to (?:know|find out)\b|\bi (?:want|need) to know\b|\bi was wondering\b|\bdo you (?:happen to )?know\b|\bi am wondering\b|\bi'm wondering\b/u, ""],
  [/\bwhat(?:'s| is| are) the (?:procedure|process|steps?|ways?|method) (?:for|to|of)\b|\bwhat steps (?:do|should|must) (?:i|we|you) (?:take|follow) to\b|\bwhat (?:do|should|must) (?:i|we|you) (?:have to |need to )?do (?:in order )?to\b/gu, "how to"],
  [/\bin order to\b/gu, "to"],
  [/\b(?:is|are) there (?:a|an|any)\b/gu, "is"],
  [/\bhow frequently\b/gu, "how often"],
  [/\bwhat(?:'s| is) the (?:number|quantity) of\b/gu, "how many"],
  [/\bwhat(?:'s| is) the amount of\b/gu, "how much"],
  [/\bwhat(?:'s| is) the (?:duration|length) of\b|\bfor how long\b|\bhow much time\b/gu, "how long"],
  [/\bfor what reasons?\b|\bwhat(?:'s| is) the reason\b|\bwhat is the purpose of\b|\bhow come\b/gu, "why"],
  [/\b(?:at|in) (?:what|which) (?:place|location)\b/gu, "where"],
  [/\b(?:at|on|by) (?:what|which) (?:time|date|day)\b|\bwhat time\b/gu, "when"],
  [/\bwhich person\b|\bwhat person\b/gu, "who"],
  [/\b(?:have|has|had) to\b/gu, "must"],
  [/\b(?:am|are) (i|we|you) (?:allowed|permitted|able) to\b/gu, "can $1"],
  [/\bis it (?:allowed|permitted|possible) to\b/gu, "can i"],
  [/\b(?:is it|am i|are we) (?:mandatory|required|obliged|necessary|obligatory|compulsory) (?:to|for me to)\b/gu, "must i"],
  [/\bannual leave\b/gu, "vacation"],
  [/\bwork(?:ing)? (?:from home|remotely)\b|\bremote work(?:ing)?\b|\bhome office\b|\btelework(?:ing)?\b/gu, "remotework"],
  [/\bget in touch with\b|\breach out to\b/gu, "contact"],
  [/\b(?:sign|signing) up\b/gu, "register"],
  [/\b(?:log|sign|logging|signing) in(?:to)?\b/gu, "login"],
  [/\b(?:turn|switch|turning|switching) on\b/gu, "enable"],
  [/\b(?:turn|switch|turning|switching) off\b/gu, "disable"],
  [/\b(?:hand|handing|send) in\b/gu, "submit"],
  [/\b(?:fill|filling) (?:in|out)\b/gu, "complete"],
  [/\b(?:send|give) back\b/gu, "return"],
  [/\bask(?:ing)? for\b/gu, "request"],
  [/\bin charge of\b|\bresponsible for\b/gu, "responsible"],
  [/\b(?:at most|no more than|highest|upper limit|largest|maximal)\b/gu, "maximum"],
  [/\b(?:at least|no less than|lowest|lower limit|smallest|minimal)\b/gu, "minimum"],
  [/\bdue date\b/gu, "deadline"],
  [/\b(?:per|a|each|every) (day|week|month|year)\b/gu, "per$1"],
];

/** Words that mean the same wherever they stand in a question to a company's documents. When in doubt, a pair is not here. */
export const synonyms = groupsOf(`
  start: begin commence
  end: finish
  buy: purchase
  cost: price
  fee: charge
  reimburse: repay refund reimbursement repayment
  invoice: bill
  supervisor: boss
  doctor: physician
  child: kid children kids
  repair: fix
  exchange: swap
  cancel: cancellation cancelled cancelling canceled canceling
  rent: rental
  teach: taught
  change: modify alter amend modification
  delete: erase deletion
  show: display
  choose: select pick
  help: assist
  forbid: prohibit ban forbidden prohibited banned
  get: receive obtain got receives
  notify: inform notification
  submit: file lodge submission
  store: keep storage kept
  phone: telephone
  email: e-mail
  employee: staff worker personnel
  company: firm organisation organization
  salary: wage
  student: pupil
  visitor: guest
  customer: client
  trip: journey
  lodging: accommodation
  maximum: max
  minimum: min
  laptop: notebook
  photo: picture
  illness: sickness
  approve: authorise authorize approval authorisation
  warranty: guarantee
  deliver: delivery ship shipping shipment
  lawyer: attorney
  apartment: flat
  waste: garbage trash rubbish
  elevator: lift
  expire: expiry expiration
  register: registration enrol enroll enrolment enrollment
  apply: application
  terminate: termination
  install: installation
  renew: renewal
  replace: replacement
  remove: removal
  arrive: arrival
  depart: departure
  confirm: confirmation
  inspect: inspection
  maintain: maintenance
  use: usage
  pay: paid
  take: took taken
  send: sent
  hold: held
  make: made
  write: written wrote
  find: found
  buy: bought
  perday: daily
  perweek: weekly
  permonth: monthly
  peryear: yearly annually annual
  remotework: wfh
  vacation: holiday
  car: automobile
  regulation: rule
  claim: claims
  broken: defective damaged
  mobile: cell
`);

/** What an amount is of: only beside one of these are "what is" and "how much is" one question. */
export const amountNouns = setOf("cost fee fine value rate limit salary budget deductible allowance penalty deposit rent bonus weight temperature premium tax discount interest minimum maximum");
export const durationNouns = setOf("period term duration warranty time window probation lifetime");
export const dateNouns = setOf("deadline date day time");

/** Applied in order, before anything else; capitals still tell names then. */
export const contractions: readonly (readonly [RegExp, string])[] = [
  [/\bcan['’]?t\b|\bcannot\b/giu, "can not"],
  [/\bwon['’]t\b/giu, "will not"],
  [/n['’]t\b/giu, " not"],
  [/['’]ll\b/giu, " will"],
  [/['’](?:re|ve|d|m)\b/giu, ""],
  [/\b(what|who|where|when|why|how|that|it)['’]s\b/giu, "$1 is"],
  [/['’]s?(?=\s|$|[?.,;!])/gu, ""],
];
