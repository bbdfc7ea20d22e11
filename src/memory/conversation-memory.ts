/**
 * What a conversation has said so far, cut to what a model may read: its latest turns, and a summary
 * of those before. Before it comes the router, which opens the store; after it the prompt. Bound to
 * one tenant and user by the store it is given.
 */
import { notFound } from "../kernel/errors.js";
import { isWellFormedId, type ConversationId } from "../kernel/ids.js";
import type { ConversationStore, MessageRow } from "../storage/tenant-store.js";
import { summaryMarksTokens, summaryTokensMax } from "./summary-bounds.js";

export interface Turn {
  readonly question: string;
  readonly answer: string;
}

export interface Recalled {
  /** Oldest first. */
  readonly turns: readonly Turn[];
  /** Of turns that are not among them, and perhaps of some that are. */
  readonly summary?: string;
  /** Of all of it, the marks of the summary included. */
  readonly tokens: number;
}

/** Turns that no summary covers yet and that the next question would not be given. */
export interface FallenTurns {
  /** What was summarised so far, and how many turns it covers. */
  readonly former: string;
  readonly covered: number;
  /** Oldest first. */
  readonly turns: readonly (Turn & { readonly ordinal: number })[];
  /** How many turns are covered once these are. */
  readonly covers: number;
}

type CountTokens = (text: string) => number;

/** Turns that are read at most: more than any tier's budget holds of real ones, and a bound for tiny ones. */
const turnsMax = 20;

/** Looked at for a summary. Of a conversation that has outrun its summaries by more, the oldest are not remembered. */
const fallenTurnsMax = 3 * turnsMax;

/**
 * There is no default conversation: an id that is malformed, unknown, or somebody else's gets the
 * one answer `NOT_FOUND`. A fallback would be one memory for everybody.
 */
export function parseConversationId(value: unknown): ConversationId {
  if (!isWellFormedId("conversation", value)) throw notFound("Conversation");
  return value as ConversationId;
}

/** The summary and the latest whole turns that fit into `tokensMax` beside it. Throws `NOT_FOUND`. */
export async function recall(conversations: ConversationStore, id: ConversationId, tokensMax: number, count: CountTokens): Promise<Recalled> {
  const [conversation, messages] = await Promise.all([conversations.get(id), conversations.latest(id, turnsMax)]);
  if (conversation === undefined) throw notFound("Conversation");
  const text = conversation.summary?.text ?? "";
  const summaryTokens = text === "" ? 0 : count(text) + summaryMarksTokens;
  // A tier with less room than the one it was made under: the turns themselves come first.
  const isKept = summaryTokens > 0 && summaryTokens <= tokensMax;
  const { turns, tokens } = latestThatFit(messages, tokensMax - (isKept ? summaryTokens : 0), count);
  return { turns: turns.map(({ question, answer }) => ({ question, answer })), ...(isKept ? { summary: text } : {}), tokens: tokens + (isKept ? summaryTokens : 0) };
}

/**
 * What is to be summarised now, at most `textTokensMax` of it, or undefined. Half the window is cleared
 * at once, so that a long conversation is not summarised after each of its turns.
 */
export async function fallenTurns(conversations: ConversationStore, id: ConversationId, { tokensMax, textTokensMax }: { readonly tokensMax: number; readonly textTokensMax: number }, count: CountTokens): Promise<FallenTurns | undefined> {
  const summaryMax = summaryTokensMax(tokensMax);
  if (summaryMax === undefined) return undefined;
  const [conversation, messages] = await Promise.all([conversations.get(id), conversations.latest(id, fallenTurnsMax)]);
  const { text: former, turns: covered } = conversation?.summary ?? { text: "", turns: 0 };
  const open = messages.filter(({ ordinal }) => ordinal >= covered);
  const room = tokensMax - summaryMax - summaryMarksTokens;
  if (open.length <= turnsMax && latestThatFit(open, room, count).turns.length === open.length) return undefined;
  const kept = latestThatFit(open.slice(-turnsMax), room / 2, count).turns.length;
  const fallen = open.slice(0, open.length - kept);
  const last = fallen.at(-1);
  if (last === undefined) return undefined;
  const read = latestThatFit(fallen, textTokensMax, count).turns;
  // One that is too long alone is summarised all the same: no later moment would have more room for it.
  return { former, covered, turns: read.length === 0 ? [last] : read, covers: last.ordinal + 1 };
}

/** Stops at the first that does not fit: a gap in the middle would make the rest mean something else. */
function latestThatFit(messages: readonly MessageRow[], tokensMax: number, count: CountTokens): { readonly turns: readonly MessageRow[]; readonly tokens: number } {
  const turns: MessageRow[] = [];
  let tokens = 0;
  for (const message of messages.toReversed()) {
    const more = count(message.question) + count(message.answer);
    if (tokens + more > tokensMax) break;
    tokens += more;
    turns.unshift(message);
  }
  return { turns, tokens };
}
