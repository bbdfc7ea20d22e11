import { notFound } from "../kernel/errors.js";
import { newId, type ConversationId, type UserId } from "../kernel/ids.js";
import type { Page, PageRequest } from "../kernel/page.js";
import { appendTurn } from "./append-turn.js";
import { liveOnly } from "./live-conversations.js";
import { newestFirstSort, olderThan } from "./newest-first.js";
import { checkPageRequest, pageOf } from "./page-cursor.js";
import { removalRows, removeConversation } from "./remove-conversation.js";
import type { StoredConversation, StoredMessage } from "./rows.js";
import type { Scope } from "./scope.js";
import type { StoreParts } from "./store-parts.js";
import type { ConversationRow, ConversationStore, ConversationSummary, MessageRow } from "./tenant-store.js";

/** Conversations of one user: the user is in every filter, beside the tenant that the scope adds. */
export class ScopedConversationStore implements ConversationStore {
  constructor(private readonly parts: StoreParts, private readonly userId: UserId) {}

  start(title: string): Promise<ConversationRow> {
    const id = newId<ConversationId>("conversation");
    return this.parts.write(1, async (turn) => {
      const now = new Date(this.parts.clock.now());
      await turn.write("conversations").insert([{ id, user_id: this.userId, title, turns: 0, created_at: now, updated_at: now }]);
      return { tenantId: this.parts.scope.tenantId, id, title, createdAt: now, updatedAt: now };
    });
  }

  async get(id: ConversationId): Promise<ConversationRow | undefined> {
    const stored = await this.parts.read("conversations").findOne(this.#one(id));
    return stored === undefined ? undefined : toConversationRow(this.parts.scope, stored);
  }

  async getMany(ids: readonly ConversationId[]): Promise<readonly (ConversationRow | undefined)[]> {
    const { scope } = this.parts;
    const found = await this.parts.read("conversations").find({ _id: { $in: ids.map((id) => scope.key(id)) }, user_id: this.userId, ...liveOnly(this.parts) });
    const rows = new Map(found.map((stored) => [stored._id, toConversationRow(scope, stored)]));
    return ids.map((id) => rows.get(scope.key(id)));
  }

  async page(request: PageRequest): Promise<Page<ConversationRow>> {
    const { scope } = this.parts;
    const { first, after } = checkPageRequest(request);
    const rows = await this.parts.read("conversations").find({ user_id: this.userId, ...liveOnly(this.parts), ...olderThan(scope, after) }, { sort: newestFirstSort, limit: first + 1 });
    return pageOf(rows, first, (row) => toConversationRow(scope, row), (row) => ({ order: row.created_at.getTime(), id: scope.id(row._id) }));
  }

  async append(id: ConversationId, turn: { question: string; answer: string }): Promise<void> {
    const messageId = newId<string>("message");
    await this.parts.write(2, async (write) => {
      if (!(await appendTurn(write, this.parts, this.userId, id, messageId, turn))) throw notFound("Conversation");
    });
  }

  async latest(id: ConversationId, limit: number): Promise<readonly MessageRow[]> {
    if (limit < 1) return [];
    const rows = await this.parts.read("messages").find(this.#messagesOf(id), { sort: { ordinal: -1 }, limit });
    return rows.map((row) => toMessageRow(this.parts.scope, row)).toReversed();
  }

  summarise(id: ConversationId, covered: number, { text, turns }: ConversationSummary): Promise<boolean> {
    return this.parts.write(2, async (write) => {
      // A sealed field cannot be changed in its place. The number of this write tells a mover of the new row.
      const row = await write.write("conversations").removeOne({ ...this.#one(id), summary_turns: covered === 0 ? { $exists: false } : covered });
      if (row === undefined) return false;
      const { _id, tenant_id: _tenant, stripe: _stripe, seq: _seq, ...fields } = row;
      // Its time stays: a summary is no turn, and must not keep a conversation longer.
      await write.write("conversations").insert([{ ...fields, id, summary: text, summary_turns: turns }]);
      return true;
    });
  }

  /** Oldest first. */
  async messages(id: ConversationId, request: PageRequest): Promise<Page<MessageRow>> {
    const { scope } = this.parts;
    const { first, after } = checkPageRequest(request);
    const later = after === undefined ? {} : { ordinal: { $gt: after.order } };
    const rows = await this.parts.read("messages").find({ ...this.#messagesOf(id), ...later }, { sort: { ordinal: 1 }, limit: first + 1 });
    return pageOf(rows, first, (row) => toMessageRow(scope, row), (row) => ({ order: row.ordinal, id: scope.id(row._id) }));
  }

  clear(id: ConversationId): Promise<boolean> {
    return this.parts.write(removalRows, (turn) => removeConversation(turn, this.parts, this.#one(id)));
  }

  #one(id: ConversationId) {
    return { _id: this.parts.scope.key(id), user_id: this.userId, ...liveOnly(this.parts) };
  }

  #messagesOf(id: ConversationId) {
    return { conversation_id: id, user_id: this.userId };
  }
}

function toConversationRow(scope: Scope, { _id, title, summary, summary_turns: turns, created_at: createdAt, updated_at: updatedAt }: StoredConversation): ConversationRow {
  return { tenantId: scope.tenantId, id: scope.id(_id) as ConversationId, title, ...(summary === undefined || turns === undefined ? {} : { summary: { text: summary, turns } }), createdAt, updatedAt };
}

function toMessageRow(scope: Scope, stored: StoredMessage): MessageRow {
  return {
    tenantId: scope.tenantId,
    id: scope.id(stored._id),
    conversationId: stored.conversation_id as ConversationId,
    ordinal: stored.ordinal,
    question: stored.question,
    answer: stored.answer,
    createdAt: stored.created_at,
  };
}
